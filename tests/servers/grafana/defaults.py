"""What it starts with: two orgs, the same people in both, sources of many types, one uid in both orgs."""

from .model import Flags, Role
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
    roles: dict[str, Role] = {"viewer": "Viewer", "editor": "Editor", "orgadmin": "Admin"}
    for login, role in roles.items():
        world.add_user(login, PASSWORD, {1: role})
    for login, role in roles.items():
        world.add_user(f"{login}2", PASSWORD, {2: role})
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
