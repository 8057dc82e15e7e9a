"""What a method and a path of Grafana mean: one closed table, first row that matches.

Grafana's router cuts one slash off the end and decodes each segment by itself; a segment may be empty. So a path is
matched in its canonical spelling (`core.paths`), where what is still escaped is no plain word, and no cached route takes
an empty segment (CVE-2025-3454 was a slash too many in the data source proxy). What is not certain is `Other`, which
passes; only where missing a change would leave something old in place does doubt go the other way.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class ByUid:
    uid: str


@dataclass(frozen=True, slots=True)
class ById:
    id: int


@dataclass(frozen=True, slots=True)
class ByName:
    name: str


Ref = ByUid | ById | ByName
"""How a path names a data source, in the org that the caller is in."""


class Operation(StrEnum):
    """The five calls of the Caching API."""

    READ = "read"
    SET = "set"
    ENABLE = "enable"
    DISABLE = "disable"
    CLEAN = "clean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """Data source queries. `source` is there where the path names the one that all of them go to."""

    form: Literal["api", "apis"]
    namespace: str | None = None
    source: Ref | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicQuery:
    """The queries of a public dashboard's panel, which the body does not name."""

    access_token: str
    panel_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A call of a data source's plugin. `path` is canonical and begins with "/", or is empty."""

    ref: Ref
    path: str
    namespace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxied:
    """A call of the data source itself. `path` is canonical, begins with "/" or is empty; `base` is what is before."""

    ref: Ref
    base: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CachingApi:
    """`segment` is a uid or else a numeric id."""

    segment: str
    operation: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """If it succeeds, a data source or who may query it is no longer what it was: what is known of callers is old, too.

    None: the path does not say which data source.
    """

    ref: Ref | None = None


@dataclass(frozen=True, slots=True)
class IdentityChanged:
    """If it succeeds, somebody's session, org, role or permission may be another one."""


@dataclass(frozen=True, slots=True)
class SessionRenewed:
    """The same person goes on with another cookie."""


@dataclass(frozen=True, slots=True)
class DashboardChanged:
    """If it succeeds, a dashboard, or who may see it in public, is no longer what it was."""


@dataclass(frozen=True, slots=True)
class FrontendSettings:
    """The settings of Grafana's pages, asked for by them."""


@dataclass(frozen=True, slots=True)
class BootData:
    """The same and the user, asked for by the pages of newer Grafanas."""


@dataclass(frozen=True, slots=True)
class Page:
    """What may be an HTML page with boot data in it."""


@dataclass(frozen=True, slots=True)
class Other:
    """Everything else: passes."""


Meaning = (
    Queries
    | PublicQuery
    | Resource
    | Proxied
    | CachingApi
    | Edited
    | IdentityChanged
    | DashboardChanged
    | SessionRenewed
    | FrontendSettings
    | BootData
    | Page
    | Other
)

_UID = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.-]{1,40}"
"""Letters, digits, "-" and "_", says Grafana, and holds to it since version 12; before, any text was taken, of which a dot
is common."""
_ID = r"[1-9][0-9]{0,17}"
"""One spelling of each, though Grafana's ParseInt takes "+5" and "05" too."""
_SEGMENT = r"[^/]+"
_TAIL = r"(?:/|(?:/[^/]+)+/?)?"
"""The rest of a path, without empty segments; a slash may end it."""

_TAKEN = r"(?!(?:uid|id|name|proxy|correlations)/)"
"""Words that stand where a data source's uid would: /api/datasources/uid/cache is the data source `cache`."""
_SOURCE = rf"/api/datasources/(?:uid/(?P<uid>{_UID})|(?P<id>{_ID}))"
_PROXY = rf"(?P<base>/api/datasources/proxy/(?:uid/(?P<uid>{_UID})|(?P<id>{_ID})))"
_CACHE = rf"/api/datasources/(?:uid/|{_TAKEN})(?P<segment>{_UID})/cache"
_GROUP = r"/apis/[a-z0-9.-]+/v[a-z0-9]+/namespaces/(?P<namespace>[a-z0-9-]{1,63})"
_QUERY_GROUP = _GROUP.replace("[a-z0-9.-]+", r"(?:query|datasource)\.grafana\.app")
"""A plugin's group is `<type>.datasource.grafana.app`, or in newer versions the plugin's id alone."""

_READS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_NO_PAGES = (
    r"api|apis|public|avatar|bootdata|metrics|healthz|livez|readyz|version|openapi|logs|debug|render|saml|scim|oauth2?"
    r"|robots\.txt|favicon\.ico|\.well-known|-|"
)
_IDENTITY = (
    r"/api/(?:users?|orgs?|admin|teams|access-control|serviceaccounts|auth|ldap|login|v1/sso-settings)(?:/.*)?"
    r"|/apis/(?:iam|scim)[^/]*/.*|/(?:login|saml|scim)(?:/.*)?"
)


@dataclass(frozen=True, slots=True)
class _Row:
    methods: Callable[[str], bool]
    path: re.Pattern[str]
    meaning: Callable[[re.Match[str]], Meaning]


def meaning(method: str, canonical_path: str) -> Meaning:
    """`canonical_path` is below Grafana's base path and begins with "/"."""
    for row in _TABLE:
        if (found := row.path.fullmatch(canonical_path)) and row.methods(method):
            return row.meaning(found)
    return Other()


def _row(methods: str | Callable[[str], bool], path: str, meaning: Callable[[re.Match[str]], Meaning]) -> _Row:
    allowed = frozenset(methods.split()).__contains__ if isinstance(methods, str) else methods
    return _Row(allowed, re.compile(path, re.DOTALL), meaning)


def _any(method: str) -> bool:
    return True


def _changes(method: str) -> bool:
    return method not in _READS


def _ref(found: re.Match[str]) -> Ref:
    return ByUid(found["uid"]) if found["uid"] else ById(int(found["id"]))


def _queries_of_one(found: re.Match[str]) -> Meaning:
    return Queries(form="apis", namespace=found["namespace"], source=ByUid(found["uid"]))


def _cache(operation: Operation) -> Callable[[re.Match[str]], Meaning]:
    return lambda found: CachingApi(segment=found["segment"], operation=operation)


def _edited_by_uid(found: re.Match[str]) -> Meaning:
    return Edited(ref=ByUid(found["uid"]) if re.fullmatch(_UID, found["uid"]) else None)


def _edited_by_id(found: re.Match[str]) -> Meaning:
    return Edited(ref=ById(int(found["id"])) if re.fullmatch(_ID, found["id"]) else None)


def _edited_by_either(found: re.Match[str]) -> Meaning:
    """Older versions have the id here and newer ones the uid, which may be all digits."""
    return Edited() if found["uid"].isdecimal() else _edited_by_uid(found)


_TABLE = (
    # Queries, resources, the data source proxy
    _row("POST", r"/api/ds/query/?", lambda _: Queries(form="api")),
    _row(
        "POST",
        rf"{_QUERY_GROUP}/query(?:/{_SEGMENT})?",
        lambda found: Queries(form="apis", namespace=found["namespace"]),
    ),
    _row("POST", rf"{_GROUP}/(?:datasources|connections)/(?P<uid>{_UID})/query", _queries_of_one),
    _row(
        "POST",
        rf"/api/public/dashboards/(?P<token>[A-Za-z0-9_-]{{1,64}})/panels/(?P<panel>{_ID})/query/?",
        lambda found: PublicQuery(access_token=found["token"], panel_id=int(found["panel"])),
    ),
    _row(
        _any,
        rf"{_SOURCE}/resources(?P<path>{_TAIL})",
        lambda found: Resource(ref=_ref(found), path=found["path"]),
    ),
    _row(
        _any,
        rf"{_GROUP}/datasources/(?P<uid>{_UID})/resources?(?P<path>{_TAIL})",
        lambda found: Resource(ref=ByUid(found["uid"]), path=found["path"], namespace=found["namespace"]),
    ),
    _row(
        _any,
        rf"{_PROXY}(?P<path>{_TAIL})",
        lambda found: Proxied(ref=_ref(found), base=found["base"], path=found["path"]),
    ),
    # The Caching API
    _row("GET", rf"{_CACHE}/?", _cache(Operation.READ)),
    _row("POST", rf"{_CACHE}/?", _cache(Operation.SET)),
    _row("POST", rf"{_CACHE}/enable/?", _cache(Operation.ENABLE)),
    _row("POST", rf"{_CACHE}/disable/?", _cache(Operation.DISABLE)),
    _row("POST", rf"{_CACHE}/clean/?", _cache(Operation.CLEAN)),
    # Edits of data sources, their permissions included
    _row(_changes, r"/api/datasources/?", lambda _: Edited()),
    _row(_changes, rf"/api/datasources/(?P<id>{_SEGMENT})/?", _edited_by_id),
    _row(_changes, rf"/api/datasources/uid/(?P<uid>{_SEGMENT})(?:/lbac/.*)?/?", _edited_by_uid),
    _row(
        _changes,
        rf"/api/datasources/name/(?P<name>{_SEGMENT})/?",
        lambda found: Edited(ref=ByName(unquote(found["name"]))),
    ),
    _row(
        _changes,
        rf"/api/datasources/(?:uid/)?(?P<uid>{_SEGMENT})/(?:permissions|enable-permissions|disable-permissions)(?:/.*)?",
        _edited_by_either,
    ),
    _row(_changes, rf"/api/access-control/datasources/(?P<uid>{_SEGMENT})(?:/.*)?", _edited_by_either),
    _row(_changes, r"/api/admin/provisioning/datasources/reload/?", lambda _: Edited()),
    _row(_changes, rf"/api/plugins/{_SEGMENT}/(?:install|uninstall)/?", lambda _: Edited()),
    _row(_changes, rf"{_GROUP}/datasources/?", lambda _: Edited()),
    _row(_changes, rf"{_GROUP}/datasources/(?P<uid>{_SEGMENT})(?:/status)?/?", _edited_by_uid),
    # Dashboards, which may be public
    _row(_changes, r"/api/dashboards/.*|/apis/dashboard\.grafana\.app/.*", lambda _: DashboardChanged()),
    # Who somebody is
    _row(_any, r"(?:/api)?/user/auth-tokens/rotate/?", lambda _: SessionRenewed()),
    _row(_changes, _IDENTITY, lambda _: IdentityChanged()),
    _row(_any, r"/logout(?:/.*)?|/login/.+|/saml/.*", lambda _: IdentityChanged()),
    _row(_any, r"/profile/switch-org/.*", lambda _: IdentityChanged()),
    # What pages are made of
    _row("GET", r"/api/frontend/settings/?", lambda _: FrontendSettings()),
    _row("GET", r"/bootdata(?:/.*)?", lambda _: BootData()),
    _row("GET", rf"/(?!(?:{_NO_PAGES})/)(?!(?:{_NO_PAGES[:-1]})$).*", lambda _: Page()),
)
