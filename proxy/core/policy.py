"""The decisions of a cache: may it be looked up, may it be stored, for how long, is it still fresh (RFC 9111)."""

import re
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache

from .headers import HeaderRules, varies_outside_key
from .model import Headers, Kind, Reason

_CONDITIONAL = frozenset("range if-match if-none-match if-modified-since if-unmodified-since if-range".split())

_OVERRIDES = frozenset("x-http-method-override x-http-method x-method-override".split())
"""Some frameworks carry these out instead of the method of the request line: it may be a write."""

_RULE = "x-rule-"
_TELLING = (
    _CONDITIONAL
    | _OVERRIDES
    | frozenset(
        "accept authorization cache-control content-encoding content-type fromalert upgrade x-cache-skip".split()
    )
)
_MOST_SECONDS = 2**31

_CHARSET = re.compile(r"charset\*?\s*=\s*[\"']?([^\"';\s]*)", re.IGNORECASE)


def lookup_refusal(headers: Headers, query: str, *, honour_no_cache: bool) -> Reason | None:
    """Why a request is not answered from the cache, whatever its source and route."""
    told = {_telling(name) for name in headers}
    if "x-cache-skip" in told and headers["X-Cache-Skip"] == "true":
        return Reason.SKIP
    if honour_no_cache and "cache-control" in told and _directives(headers).keys() & {"no-store", "no-cache"}:
        return Reason.NO_STORE
    if "fromalert" in told or _RULE in told:
        return Reason.ALERT
    if "upgrade" in told:
        return Reason.UPGRADE
    if "accept" in told and "text/event-stream" in ",".join(headers.getall("Accept")).lower():
        return Reason.STREAM
    if "content-type" in told and headers["Content-Type"].lower().startswith("application/grpc"):
        return Reason.STREAM
    if not told.isdisjoint(_CONDITIONAL):
        return Reason.CONDITIONAL
    if "X-Amz-Signature=" in query:
        return Reason.SIGNED
    if "authorization" in told and any(value.startswith("AWS4-") for value in headers.getall("Authorization")):
        return Reason.SIGNED
    if not told.isdisjoint(_OVERRIDES):
        return Reason.METHOD
    if "content-encoding" in told:
        return Reason.BODY
    if "content-type" in told and not _is_read_alike(headers.getall("Content-Type")):
        return Reason.CONTENT_TYPE
    return None


@lru_cache(maxsize=1024)
def _telling(name: str) -> str:
    """The name in lower case where it can be a reason, else ""; one for all of an alert rule's."""
    lower = name.lower()
    if lower.startswith(_RULE):
        return _RULE
    return lower if lower in _TELLING else ""


def head_refusal(
    status: int, headers: Headers, rules: HeaderRules, *, ignored: frozenset[Reason] = frozenset()
) -> Reason | None:
    """Why an answer may not be stored, as far as its status and headers tell. `ignored` of SET_COOKIE, NO_STORE and
    PRIVATE do not count: of Grafana's own answers they mean its sessions, and browsers.
    """
    if status != 200:
        return Reason.STATUS
    if "Set-Cookie" in headers and Reason.SET_COOKIE not in ignored:
        return Reason.SET_COOKIE
    directives = _directives(headers)
    if "no-store" in directives and Reason.NO_STORE not in ignored:
        return Reason.NO_STORE
    if "private" in directives and Reason.PRIVATE not in ignored:
        return Reason.PRIVATE
    if varies_outside_key(headers.getall("Vary", ()), rules):
        return Reason.VARY
    if headers.get("Content-Type", "").lower().startswith("text/event-stream"):
        return Reason.STREAM
    if "Content-Range" in headers:
        return Reason.STATUS
    return None


def ttl_ms(*, kind: Kind, ttl_queries_ms: int, ttl_resources_ms: int, max_ttl_ms: int, cap_ms: int | None) -> int:
    """The TTL in force for a call; 0 means that it is not stored. A `max_ttl_ms` of 0 is none."""
    ttl = capped(ttl_queries_ms if kind is Kind.QUERY else ttl_resources_ms, max_ttl_ms)
    return ttl if cap_ms is None else min(ttl, cap_ms)


def capped(ttl_ms: int, max_ttl_ms: int) -> int:
    """A `max_ttl_ms` of 0 is none."""
    return min(ttl_ms, max_ttl_ms) if max_ttl_ms else ttl_ms


def stale_ms(*, age_ms: int, stored_ttl_ms: int, ttl_now_ms: int) -> int:
    """How long an entry has been stale; negative while it is fresh.

    It is fresh while younger than the smaller of the TTL when it was stored and the TTL now: shortening bites at once,
    lengthening revives nothing.
    """
    return age_ms - min(stored_ttl_ms, ttl_now_ms)


def lifetime_ms(headers: Headers) -> int | None:
    """How long the answer itself says it stays fresh (RFC 9111 §4.2.1), its Age taken off; None where it does not say."""
    directives = _directives(headers)
    if "no-cache" in directives:
        return 0
    for name in ("s-maxage", "max-age"):
        if name in directives:
            return max(0, _seconds(directives[name]) - _seconds(headers.get("Age", "0"))) * 1000
    if "Expires" in headers:
        try:
            left = parsedate_to_datetime(headers["Expires"]) - parsedate_to_datetime(headers["Date"])
        except (ValueError, OverflowError, TypeError, KeyError):
            return 0  # an invalid date is in the past (§5.3)
        return max(0, int(left.total_seconds() * 1000))
    return None


def _is_read_alike(content_types: Sequence[str]) -> bool:
    """Whether the source reads the body as the dialect did: by one media type, as UTF-8."""
    charsets = [charset.lower() for value in content_types for charset in _CHARSET.findall(value)]
    return len(content_types) <= 1 and all(charset in ("utf-8", "utf8") for charset in charsets)


def _directives(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in headers.getall("Cache-Control", ()):
        for directive in value.split(","):
            name, _, argument = directive.strip().partition("=")
            found[name.strip().lower()] = argument.strip().strip('"')
    return found


def _seconds(text: str) -> int:
    """Delta-seconds; 0 for what is none. Beyond 2^31 they are 2^31 (RFC 9111 §1.2.2): Python reads no endless number."""
    if not (text.isascii() and text.isdigit()):
        return 0
    digits = text.lstrip("0") or "0"
    return min(int(digits), _MOST_SECONDS) if len(digits) <= 10 else _MOST_SECONDS
