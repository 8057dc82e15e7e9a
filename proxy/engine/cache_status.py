"""Cache-Status (RFC 9211): what the cache did, and why, in words that a person debugging a dashboard understands."""

from collections.abc import Sequence

from ..core.model import Reason

_DIRECT_METHOD = frozenset((Reason.METHOD,))
_DIRECT_REQUEST = frozenset((Reason.SKIP, Reason.NO_STORE))


def hit(*, ttl_ms: int) -> str:
    """`ttl_ms` is what is left of its life; not above 0, it has been stale for so long."""
    detail = "" if ttl_ms > 0 else "; detail=stale"
    return f"millpond; hit; ttl={ttl_ms // 1000}{detail}"


def bypassed(reason: Reason) -> str:
    if reason in _DIRECT_METHOD:
        forward = "method"
    elif reason in _DIRECT_REQUEST:
        forward = "request"
    else:
        forward = "bypass"
    return f"millpond; fwd={forward}; detail={reason}"


def partial(fetched: Sequence[tuple[int, int]], *, stored: bool, collapsed: bool, detail: str | None) -> str:
    """Some points were known. `fetched` are the ranges, in ms, that the source was asked for: in the detail in seconds."""
    ranges = ",".join(f"{first_ms / 1000:.15g}..{last_ms / 1000:.15g}" for first_ms, last_ms in fetched)
    told = f"{ranges} {detail}" if detail else ranges
    return forwarded("partial", status=200, stored=stored, collapsed=collapsed, detail=f'"{told}"')


def forwarded(
    why: str, *, status: int | None, stored: bool = False, collapsed: bool = False, detail: str | None = None
) -> str:
    """`why` is RFC 9211's `uri-miss`, `stale` or `partial`; `status` the source's own, None where none came."""
    parts = [f"millpond; fwd={why}"]
    if status is not None:
        parts.append(f"fwd-status={status}")
    if stored:
        parts.append("stored")
    if collapsed:
        parts.append("collapsed")
    if detail:
        parts.append(f"detail={detail}")
    return "; ".join(parts)
