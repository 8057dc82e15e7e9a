"""Who and what there is in it."""

from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["Viewer", "Editor", "Admin", "None", ""]
Edition = Literal["oss", "enterprise", "legacy"]
Rotation = Literal["old", "new"]

ROLES: tuple[Role, ...] = ("Viewer", "Editor", "Admin")
"""Each includes those before it."""


@dataclass(slots=True, kw_only=True)
class Flags:
    edition: Edition = "oss"
    rotation: Rotation = "new"
    anonymous_org: int = 0
    """0: no anonymous access."""
    anonymous_role: Role = "Viewer"
    auth_proxy_header: str = ""
    """Names a user to it, such as X-WEBAUTH-USER; empty: none does."""
    multi_status: bool = False
    sub_path: str = ""
    """Such as /grafana; fixed at the start."""
    taken_away: bool = False
    """The sub-path is in its links alone: a proxy before it takes it away (`serve_from_sub_path = false`)."""
    root_url: str = ""
    """Where users reach it, with the sub-path and no slash at the end; empty: its own address."""

    @property
    def own_path(self) -> str:
        """What its own paths begin with."""
        return "" if self.taken_away else self.sub_path


@dataclass(slots=True, kw_only=True)
class User:
    id: int
    login: str
    password: str
    roles: dict[int, Role]
    org_id: int
    is_admin: bool = False

    @property
    def email(self) -> str:
        return f"{self.login}@example.com"


@dataclass(slots=True, kw_only=True)
class ServiceAccount:
    id: int
    org_id: int
    name: str
    role: Role
    token: str


@dataclass(slots=True, kw_only=True)
class DataSource:
    id: int
    org_id: int
    uid: str
    name: str
    type: str
    url: str = ""
    access: str = "proxy"
    user: str = ""
    database: str = ""
    basic_auth: bool = False
    basic_auth_user: str = ""
    with_credentials: bool = False
    is_default: bool = False
    json_data: dict[str, Any] = field(default_factory=dict)
    secure_fields: dict[str, bool] = field(default_factory=dict)
    version: int = 1
    read_only: bool = False


@dataclass(slots=True, kw_only=True)
class Session:
    id: int
    user_id: int
    token: str
    previous: str
    created_s: int
    rotated_s: int
    seen: bool = False
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Given to a subject or taken from it: `role:Viewer`, `user:viewer`, `account:robot`, `anonymous`, in one org."""

    given: bool

    subject: str
    org_id: int
    action: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    kind: Literal["user", "service-account", "anonymous"]
    org_id: int
    org_name: str
    role: Role
    id: int = 0
    login: str = ""
    is_grafana_admin: bool = False
    session: Session | None = None

    @property
    def subjects(self) -> frozenset[str]:
        own = {"user": f"user:{self.login}", "service-account": f"account:{self.login}", "anonymous": "anonymous"}
        included = ROLES[: ROLES.index(self.role) + 1] if self.role in ROLES else ()
        return frozenset({own[self.kind], *(f"role:{role}" for role in included)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicDashboard:
    token: str
    org_id: int
    panels: dict[int, list[dict[str, Any]]]
    """The targets of each panel, in full."""
    enabled: bool = True
    title: str = "Public"
