"""Request headers: whose answer it is, what is noise, and what goes to the source.

The rule that keeps tenants apart: whatever a source can see is in the key, or cannot change the answer, or is cut. So
the list of noise is closed, and a header that nobody has heard of is part of the caller's identity: it costs hits and
never leaks (team headers of Grafana's label based access control have free names).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from .model import Headers, Pairs

HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    "upgrade expect http2-settings".split()
)

_REPRESENTATION = frozenset("accept accept-encoding content-type content-length".split())
"""In the key in normalised form, by the dialect; Accept-Encoding never (an entry serves every coding)."""

_TRACING = frozenset(
    "traceparent tracestate baggage uber-trace-id b3 x-b3-traceid x-b3-spanid x-b3-parentspanid x-b3-sampled "
    "x-b3-flags sentry-trace x-request-id x-amzn-trace-id x-cloud-trace-context x-grafana-request-id "
    "x-grafana-signed-request-id".split()
)
_ATTRIBUTION = frozenset(
    "user-agent x-datasource-uid x-plugin-id x-query-group-id x-query-tags x-grafana-from-expr x-grafana-device-id".split()
)
_ATTRIBUTION_PREFIXES = ("x-dashboard-", "x-panel-")
_CUT = frozenset(
    "host origin referer x-grafana-referer x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port "
    "x-forwarded-prefix x-forwarded-server forwarded via accept-language dnt priority date pragma cache-control "
    "upgrade-insecure-requests x-requested-with x-grafana-cache x-cache-skip".split()
)
_CUT_PREFIXES = ("sec-",)

_NOT_CONNECTIONS = frozenset("content-length host authorization cookie accept content-type content-encoding".split())

_SESSION_COOKIES = "grafana_session"

_NEVER_VARIES = frozenset(("accept", "accept-encoding", "content-type", "origin"))
"""Names in an answer's Vary that the key already answers for. `origin` is cut, so the source never saw one; generic
JSON services name it on every answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderRules:
    """A source's own words on request headers; all names in lower case.

    `drop` is forwarded without being part of the identity; `keep` is identity although it is noise elsewhere; `noise`
    is the dialect's; `replaced` is set by the configuration on every request, so that the client's value never counts.
    `credentials` are forwarded as they are and belong to no key: whoever has them is asked for apart, at each hit.
    `carried` are forwarded and not keyed although they are cut elsewhere. Host goes on as one of `credentials` alone.
    """

    drop: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()
    noise: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()
    credentials: frozenset[str] = frozenset()
    carried: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sorted:
    """The headers of a call that may be answered from the cache: who asks, and what the source gets to see."""

    identity: Pairs
    forward: Pairs
    credentials: Pairs = ()


class _Class(Enum):
    IDENTITY = "identity"
    COOKIE = "cookie"
    NOISE = "noise"  # forwarded, not keyed
    CUT = "cut"


def sort_headers(headers: Headers, rules: HeaderRules) -> Sorted:
    """Sort a cacheable call's headers. Identity names are in lower case and sorted; repeated ones keep their order."""
    identity: list[tuple[str, str]] = []
    forward: list[tuple[str, str]] = []
    credentials: list[tuple[str, str]] = []
    named = named_by_connection(headers) - rules.credentials
    for name, value in headers.items():
        lower, kind = _classify(name)
        if lower in named or lower in HOP_BY_HOP or lower in rules.replaced:
            continue
        if lower in rules.credentials:
            credentials.append((lower, value))
            forward.append((name, value))
            continue
        if lower == "host":
            continue
        if lower in rules.keep and kind is not _Class.COOKIE:
            kind = _Class.IDENTITY
        elif lower in rules.carried:
            kind = _Class.NOISE
        elif lower in rules.noise:
            kind = _Class.CUT
        if kind is _Class.CUT:
            continue
        if kind is _Class.COOKIE:
            value = without_session_cookies(value)
            if not value:
                continue
        if kind is not _Class.NOISE and lower not in rules.drop:
            identity.append((lower, value))
        forward.append((name, value))
    identity.sort(key=lambda pair: pair[0])
    return Sorted(tuple(identity), tuple(forward), tuple(credentials))


@lru_cache(maxsize=1024)
def _classify(name: str) -> tuple[str, _Class]:
    """The name in lower case, and its class before a source's own rules."""
    lower = name.lower()
    if lower in _CUT or lower.startswith(_CUT_PREFIXES):
        return lower, _Class.CUT
    if lower == "cookie":
        return lower, _Class.COOKIE
    if (
        lower in _REPRESENTATION
        or lower in _TRACING
        or lower in _ATTRIBUTION
        or lower.startswith(_ATTRIBUTION_PREFIXES)
    ):
        return lower, _Class.NOISE
    return lower, _Class.IDENTITY


def pass_headers(headers: Headers, rules: HeaderRules) -> Pairs:
    """The headers of a call that is never kept: all of them, but hop-by-hop ones, Host and Grafana's own session, which
    Grafana alone gets to see.
    """
    forward: list[tuple[str, str]] = []
    for name, value in end_to_end(headers):
        lower = name.lower()
        if (lower == "host" and lower not in rules.credentials) or lower in rules.replaced:
            continue
        if lower == "cookie" and lower not in rules.credentials:
            value = without_session_cookies(value)
            if not value:
                continue
        forward.append((name, value))
    return tuple(forward)


def end_to_end(headers: Headers) -> Iterator[tuple[str, str]]:
    """All but hop-by-hop fields and those that Connection names (RFC 9110 §7.6.1)."""
    named = named_by_connection(headers)
    for name, value in headers.items():
        lower = name.lower()
        if lower not in HOP_BY_HOP and lower not in named:
            yield name, value


def named_by_connection(headers: Headers) -> set[str]:
    """What Connection says is for this hop alone, in lower case. It cannot name away fields that frame a message, tell who
    sent it (CVE-2022-45059) or are read by a dialect.
    """
    if "Connection" not in headers:
        return set()
    named = {name.strip().lower() for value in headers.getall("Connection", ()) for name in value.split(",")}
    return named - _NOT_CONNECTIONS


def without_session_cookies(cookie: str) -> str:
    """A Cookie value without Grafana's own session, which no data source may see (CVE-2022-39201)."""
    if _SESSION_COOKIES not in cookie:
        return cookie
    crumbs = (crumb.strip() for crumb in cookie.split(";"))
    return "; ".join(crumb for crumb in crumbs if crumb and not crumb.startswith(_SESSION_COOKIES))


def varies_outside_key(vary: Iterable[str], rules: HeaderRules) -> bool:
    """Whether Vary names a header that is not in the key, or `*`."""
    for value in vary:
        for token in value.split(","):
            name = token.strip().lower()
            if not name or name in rules.keep or name in _NEVER_VARIES:
                continue
            if (
                name == "*"
                or name in HOP_BY_HOP
                or name in _TRACING
                or name in _ATTRIBUTION
                or name in _CUT
                or name in rules.noise
                or name in rules.drop
                or name in rules.credentials
                or name.startswith(_ATTRIBUTION_PREFIXES + _CUT_PREFIXES)
            ):
                return True
    return False
