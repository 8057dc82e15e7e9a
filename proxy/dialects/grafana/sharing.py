"""Whether the answers of a data source may be shared between those who may query it.

With a credential of its own, a data source answers everybody alike. Where it hands on who is asking (an OAuth token, a
cookie, an ID token, team headers), it answers each in his own way, and every plugin has its own names for that. Grafana's
own one, `oauthPassThru`, is understood; whatever else smells of it takes the data source out. A false alarm costs hits, a
miss would show one user's answer to another.

Not to be seen here: the secret values (a plugin that puts the user's name into a configured header), and
`[dataproxy] send_user_header`, which hands on the user's login to all data sources.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum


class Sharing(Enum):
    """Who may be given an answer: everybody who may query the data source, the user who asked, or nobody."""

    SHARED = "shared"
    USER = "user"
    NONE = "none"


_SMELLS = re.compile(
    r"pass.?thr|forward|impersonat|keep.?cookie|with.?credentials|current.?user|on.?behalf|obo(?![a-z])|per.?user"
    r"|user.?(?:token|identity|auth|header|context|cookie|jwt)|id.?token|team.?http|lbac|delegat|propagat"
    r"|jwt.?(?:header|claim)|(?:pass|send|share).?(?:user|identity|token|header|cookie)|(?:logged.?in|grafana|end).?user"
    r"|run.?as.?user|token.?exchange|subject.?token|cookies?(?:names?|list)?$",
    re.IGNORECASE,
)
"""Names of settings that, if they are set, hand on who is asking."""

_STATIC = frozenset({"usingImpersonation", "serviceAccountToImpersonate"})
"""Google's plugins: one service account acts as another, whoever asks."""

_KIND = re.compile(r"auth|type|method|mode|(?<!data)source|credential|identity|grant|flow", re.IGNORECASE)
"""Names of settings that choose a way to authenticate, among others."""

_PASSES_OAUTH = re.compile(r"pass.?thr|forward.?o?auth|oauth.?pt(?![a-z])|oauth.?forward", re.IGNORECASE)
_BY_USER = re.compile(
    _PASSES_OAUTH.pattern
    + r"|forward|impersonat|current.?user|on.?behalf|obo(?![a-z])|per.?user|user.?(?:token|identity|auth|oauth)|delegat"
    r"|token.?exchange|federat|(?<![a-z])sso(?![a-z])|browser|authorization.?code|oauth2?.?user|^others$",
    re.IGNORECASE,
)
"""Values of such settings that mean the user's own identity."""

_NAMES_USER = re.compile(r"__user|x-grafana-(?:user|id)(?![a-z-])|x-id-token", re.IGNORECASE)
"""In any value: a macro for the user's name (Infinity, wherever it builds a request), a header that says who asks."""

_FROM_REQUEST = frozenset({"header", "jwt"})
"""ClickHouse: where the value of a session setting is taken from."""


def sharing(source: Mapping[str, object]) -> Sharing:
    """`source` is a data source as GET /api/datasources/uid/<uid> or the frontend settings show it."""
    options = source.get("jsonData", "not shown") or {}
    if not isinstance(options, Mapping) or source.get("access", "proxy") != "proxy":
        return Sharing.NONE
    passes = options.get("oauthPassThru") is True
    for name in ("oauthPassThru", "withCredentials", "keepCookies", "teamHttpHeaders"):
        if _is_set(source.get(name)):
            return Sharing.NONE
    if any(_names_user(source.get(name)) for name in ("url", "database", "user")):
        return Sharing.NONE
    for name, value in _settings(options):
        if name == "oauthPassThru" and value is True and passes:
            continue
        if _hands_on(name, value, passes):
            return Sharing.NONE
    return Sharing.USER if passes else Sharing.SHARED


def _hands_on(name: str, value: object, passes_oauth: bool) -> bool:
    if name not in _STATIC and _SMELLS.search(name) and _is_set(value):
        return True
    if _names_user(value):
        return True
    if not isinstance(value, str) or not _KIND.search(name):
        return False
    if name == "source" and value.lower() in _FROM_REQUEST:
        return True
    return bool(_BY_USER.search(value)) and not (passes_oauth and _PASSES_OAUTH.search(value))


def _names_user(value: object) -> bool:
    return isinstance(value, str) and _NAMES_USER.search(value) is not None


def _is_set(value: object) -> bool:
    return bool(value) and not (isinstance(value, str) and value.lower() in ("false", "off", "no", "none", "disabled"))


def _settings(options: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Names and values at any depth; an element of a list goes by the list's name."""
    left: list[tuple[str, object]] = list(options.items())
    while left:
        name, value = left.pop()
        yield name, value
        if isinstance(value, Mapping):
            left.extend(value.items())
        elif isinstance(value, list):
            left.extend((name, each) for each in value)
