"""What it starts with: two orgs, the same people in both, sources of many types, one uid in both orgs."""

from .model import Flags
from .world import World

PASSWORD = "secret"
"""Of everyone but `admin`, whose is `admin`."""
TYPES = ("testdata", "mysql", "postgres", "loki", "cloudwatch", "bigquery", "infinity")
SHARED_UID = "prom"


def default_world(flags: Flags, port: int) -> World:
    world = World(flags=flags, port=port)
    for name in ("Main Org.", "Other Org."):
        world.add_org(name)
    world.add_user("admin", "admin", {1: "Admin", 2: "Admin"}, is_admin=True)
    for login, role in (("viewer", "Viewer"), ("editor", "Editor"), ("orgadmin", "Admin")):
        world.add_user(login, PASSWORD, {1: role})  # type: ignore[dict-item]  # mypy joins the roles to str
    for login, role in (("viewer2", "Viewer"), ("editor2", "Editor"), ("orgadmin2", "Admin")):
        world.add_user(login, PASSWORD, {2: role})  # type: ignore[dict-item]  # mypy joins the roles to str
    world.add_user("both", PASSWORD, {1: "Viewer", 2: "Viewer"})
    world.add_user("nobody", PASSWORD, {1: "None"})
    for org_id in world.orgs:
        world.add_source(org_id, SHARED_UID, "prometheus", url="http://127.0.0.1:9090", is_default=True)
        for kind in TYPES:
            world.add_source(org_id, kind if org_id == 1 else f"{kind}-{org_id}", kind)
    world.add_source(1, "oauth", "infinity", json_data={"oauthPassThru": True})
    world.add_source(1, "cookies", "prometheus", json_data={"keepCookies": ["tenant"]})
    world.add_source(1, "provisioned", "mysql", read_only=True)
    return world
