"""Under whose settings an answer is looked up and kept, and for how long: Grafana's order of TTLs."""

from dataclasses import dataclass

from ..core import policy
from ..core.model import Call
from ..settings.model import Snapshot, SourceSettings


@dataclass(frozen=True, slots=True)
class Term:
    """Of a source, as the request found it. `panel_ttl_ms` is the panel's own TTL, where it has one."""

    uid: str
    generation: str
    panel_ttl_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`past_ttl_ms` counts where it is longer than the sources' TTLs, for a range that is over; else it is 0."""

    terms: tuple[Term, ...]
    past_ttl_ms: int = 0

    @classmethod
    def of(cls, settings: SourceSettings) -> "Terms":
        """Of one source, and no panel."""
        return cls(terms=(Term(settings.uid, settings.generation),))

    def ttl_ms(self, snapshot: Snapshot, call: Call) -> int | None:
        """The TTL in force now, the smallest of all. None once a source is cleaned, disabled or gone: then nothing is
        stored.
        """
        ttls: list[int] = []
        for term in self.terms:
            settings = snapshot.sources.get(term.uid)
            if settings is None or settings.generation != term.generation or not settings.config.enabled:
                return None
            ttls.append(_ttl_ms(settings, call, term.panel_ttl_ms, self.past_ttl_ms))
        return min(ttls)


def call_ttl_ms(settings: SourceSettings, call: Call) -> int:
    """The TTL in force for a call of one source under these settings."""
    return _ttl_ms(settings, call, None, 0)


def _ttl_ms(settings: SourceSettings, call: Call, panel_ttl_ms: int | None, past_ttl_ms: int) -> int:
    queries_ms = settings.ttl_queries_ms
    if panel_ttl_ms is not None:
        queries_ms = panel_ttl_ms
    elif queries_ms > 0:
        queries_ms = max(queries_ms, past_ttl_ms)
    return policy.ttl_ms(
        kind=call.kind,
        ttl_queries_ms=queries_ms,
        ttl_resources_ms=settings.ttl_resources_ms,
        max_ttl_ms=settings.max_ttl_ms,
        cap_ms=call.ttl_cap_ms,
    )
