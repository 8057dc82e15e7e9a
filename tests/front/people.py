"""Everybody who may come to Grafana, and whatever credentials they come with."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.servers.grafana import sessions
from tests.servers.grafana.model import Permission, Role, Session
from tests.servers.grafana.server import basic, bearer, cookie
from tests.servers.grafana.world import World

JWT_HEADER = "X-Team-Assertion"
"""One of which nobody has heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`apart`: what of its headers may tell its answers from others', whoever Grafana takes it for."""

    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    """Added to the query string."""
    apart: str = ""
    renewed: bool = False
    """Its session is renewed by whatever it asks, where Grafana does that."""


def everybody(world: World) -> Sequence[Identity]:
    """The world gets whoever is missing in it."""
    third = world.add_org("Third Org.")
    world.add_user("stranger", "secret", {third: "Admin"})
    world.add_user("everywhere", "secret", {1: "Viewer", 2: "Editor", third: "Admin"})
    world.add_user("denied", "secret", {1: "Viewer"})
    world.add_user("homeless", "secret", {1: "Viewer"}).roles.clear()
    world.permissions.append(_taken("user:denied", "datasources:query", "datasources:uid:prom"))
    robots: Mapping[str, tuple[int, Role]] = {
        "robot": (1, "Viewer"),
        "robot-editor": (1, "Editor"),
        "robot2": (2, "Viewer"),
        "robot-none": (1, "None"),
        "robot-denied": (1, "Viewer"),
    }
    accounts = {name: world.add_account(name, org_id, role).token for name, (org_id, role) in robots.items()}
    world.permissions.append(_taken("account:robot-denied", "datasources:query", "datasources:uid:prom"))
    api_key = base64.b64encode(f"api_key:{accounts['robot']}".encode()).decode()
    return (
        *(
            Identity(name=login, headers=basic(login))
            for login in ("admin", "viewer", "editor", "orgadmin", "viewer2", "editor2", "orgadmin2", "both", "nobody")
        ),
        *(Identity(name=login, headers=basic(login)) for login in ("stranger", "everywhere", "denied", "homeless")),
        *(
            Identity(name=f"{login} in org {org}", headers=basic(login) | {"X-Grafana-Org-Id": org})
            for login, org in (
                *(("both", "1"), ("both", "2"), ("admin", "2"), ("viewer", "2"), ("stranger", "1"), ("viewer", "99")),
                *(("everywhere", "2"), ("viewer", "0"), ("viewer", "-1"), ("both", "two")),
            )
        ),
        *(
            Identity(name=f"session of {login}", headers=cookie(_session(world, login).token))
            for login in ("viewer", "editor", "viewer2", "both", "nobody")
        ),
        Identity(name="another session of viewer", headers=cookie(_session(world, "viewer").token)),
        Identity(
            name="session of both in org 2", headers=cookie(_session(world, "both").token) | {"X-Grafana-Org-Id": "2"}
        ),
        Identity(
            name="session of viewer in org 2",
            headers=cookie(_session(world, "viewer").token) | {"X-Grafana-Org-Id": "2"},
        ),
        Identity(name="revoked session", headers=cookie(_revoked(_session(world, "viewer")).token)),
        Identity(
            name="expired session", headers=cookie(_aged(_session(world, "viewer"), sessions.MAX_LIFETIME_S).token)
        ),
        Identity(name="due session", headers=cookie(_aged(_session(world, "viewer"), 3600).token), renewed=True),
        Identity(name="previous token", headers=cookie(_rotated(world, _session(world, "viewer")))),
        Identity(name="no session's cookie", headers=cookie("0" * 32)),
        *(Identity(name=name, headers=bearer(token)) for name, token in accounts.items()),
        Identity(name="robot in org 2", headers=bearer(accounts["robot"]) | {"X-Grafana-Org-Id": "2"}),
        Identity(name="robot by basic", headers={"Authorization": f"Basic {api_key}"}),
        Identity(name="wrong password", headers=basic("viewer", "guess")),
        Identity(name="nobody's name", headers=basic("ghost")),
        Identity(name="no token", headers=bearer("glsa_none")),
        Identity(name="no scheme", headers={"Authorization": "viewer:secret"}),
        Identity(name="no credentials"),
        Identity(name="claims to be admin", headers={"X-WEBAUTH-USER": "admin"}),
        Identity(name="viewer claims to be admin", headers=basic("viewer") | {"X-WEBAUTH-USER": "admin"}),
        Identity(name="claims in other letters", headers={"x_webauth.user": "admin"}),
        Identity(name="remote user", headers={"Remote-User": "admin"}),
        Identity(name="viewer with assertion a", headers=basic("viewer") | {JWT_HEADER: "a"}, apart="a"),
        Identity(name="viewer with assertion b", headers=basic("viewer") | {JWT_HEADER: "b"}, apart="b"),
        Identity(name="editor with assertion a", headers=basic("editor") | {JWT_HEADER: "a"}, apart="a"),
        Identity(name="assertion alone", headers={JWT_HEADER: "a"}, apart="a"),
        Identity(name="bad token, good session", headers=bearer("none") | cookie(_session(world, "viewer").token)),
        Identity(name="good password, bad session", headers=basic("viewer") | cookie("0" * 32)),
        Identity(name="two identities", headers=basic("viewer2") | cookie(_session(world, "viewer").token)),
        Identity(name="viewer of tenant a", headers=basic("viewer") | {"Cookie": "tenant=a"}),
        Identity(name="editor of tenant b", headers=basic("editor") | {"Cookie": "tenant=b; other=1"}),
        Identity(name="viewer by orgId", headers=basic("viewer"), query="orgId=1"),
        Identity(name="stranger by orgId", headers=basic("stranger"), query="orgId=1"),
    )


def _taken(subject: str, action: str, scope: str, org_id: int = 1) -> Permission:
    return Permission(given=False, subject=subject, org_id=org_id, action=action, scope=scope)


def _session(world: World, login: str) -> Session:
    user = world.user(login)
    assert user is not None
    session = sessions.begin(world, user.id)
    session.seen = True
    return session


def _revoked(session: Session) -> Session:
    session.revoked = True
    return session


def _aged(session: Session, seconds: int) -> Session:
    session.created_s -= seconds
    session.rotated_s -= seconds
    return session


def _rotated(world: World, session: Session) -> str:
    """The token that was replaced."""
    sessions.rotate(world, session)
    return session.previous
