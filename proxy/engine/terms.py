"""Under whose settings an answer is looked up and kept, and for how long: Grafana's order of TTLs."""

from dataclasses import dataclass

from ..core import policy
from ..core.model import Call
from ..settings.model import Snapshot, SourceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`generations` are of the sources that answer, by uid, as the request found them. `panel_ttl_ms` is the panel's own
    TTL, where it has one; `past_ttl_ms` is longer than the sources' for a range that is over, or 0.
    """

    generations: tuple[tuple[str, str], ...]
    panel_ttl_ms: int | None = None
    past_ttl_ms: int = 0

    def ttl_ms(self, snapshot: Snapshot, call: Call) -> int | None:
        """The TTL in force now, the smallest of the sources'. None once one of them is cleaned, disabled or gone: then
        nothing is stored.
        """
        ttls: list[int] = []
        for uid, generation in self.generations:
            settings = snapshot.sources.get(uid)
            if settings is None or settings.generation != generation or not settings.config.enabled:
                return None
            ttls.append(self._ttl_ms(settings, call))
        return min(ttls)

    def _ttl_ms(self, settings: SourceSettings, call: Call) -> int:
        queries_ms = settings.ttl_queries_ms
        if self.panel_ttl_ms is not None:
            queries_ms = self.panel_ttl_ms
        elif queries_ms > 0:
            queries_ms = max(queries_ms, self.past_ttl_ms)
        return policy.ttl_ms(
            kind=call.kind,
            ttl_queries_ms=queries_ms,
            ttl_resources_ms=settings.ttl_resources_ms,
            max_ttl_ms=settings.max_ttl_ms,
            cap_ms=call.ttl_cap_ms,
        )


def call_ttl_ms(settings: SourceSettings, call: Call) -> int:
    """The TTL in force for a call of one source under these settings."""
    return Terms(generations=())._ttl_ms(settings, call)
