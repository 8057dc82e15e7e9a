"""What the Caching API reads and changes, and the immutable snapshot of it that the data path reads.

A `Record` is what is kept for a data source; what the configuration file says is only its first value. A `Snapshot` is
derived from the records and the configuration whenever either changes, and swapped as one object.
"""

from collections.abc import Mapping
from dataclasses import dataclass


def uid_in_org(org_id: int, uid: str) -> str:
    """What a data source of Grafana is called in here: its uid is unique in its organisation alone."""
    return f"{org_id}/{uid}"


def is_of_grafana(uid: str) -> bool:
    """Whether it was made by `uid_in_org`: the file's have no slash."""
    return "/" in uid


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """A data source's caching settings, as the API sets them (all in replace semantics)."""

    enabled: bool = False
    use_default_ttl: bool = True
    ttl_queries_ms: int = 0
    ttl_resources_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is durably kept for a source. `changed` is None until the API changes it: then the file's word ends.

    `generation` is a unique value (time and random), never a counter: an emptied store cannot revive an old one.
    `created` and `updated` are RFC 3339 with offset, second precision. `revision` grows with every change of this
    record, to the time of the API's in milliseconds; of two copies the higher one wins.
    """

    uid: str
    id: int
    generation: str
    created: str
    updated: str
    revision: int = 1
    changed: CacheConfig | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """A source's settings in force. TTLs are effective: default applied, `max_ttl` not yet. `uid` is unique in here
    (`uid_in_org`).
    """

    uid: str
    id: int
    config: CacheConfig
    created: str
    updated: str
    default_ttl_ms: int
    max_ttl_ms: int
    """0: no cap."""
    generation: str
    """The global and the source's own generation in one: part of the store's key."""

    @property
    def own_uid(self) -> str:
        """As its Grafana has it."""
        return self.uid.rpartition("/")[2]

    @property
    def ttl_queries_ms(self) -> int:
        """As it reads back through the API: the default with `use_default_ttl`."""
        return self.default_ttl_ms if self.config.use_default_ttl else self.config.ttl_queries_ms

    @property
    def ttl_resources_ms(self) -> int:
        return self.default_ttl_ms if self.config.use_default_ttl else self.config.ttl_resources_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything the data path needs of the settings, immutable; `version` differs between any two snapshots."""

    version: int
    sources: Mapping[str, SourceSettings]

    def find(self, segment: str) -> SourceSettings | None:
        """One of the file, by a path's segment: a uid first; then, as old clients have it, a numeric id."""
        return self._find(segment, "")

    def find_in_org(self, org_id: int, segment: str) -> SourceSettings | None:
        """The same of those of Grafana's that have been met."""
        return self._find(segment, uid_in_org(org_id, ""))

    def _find(self, segment: str, space: str) -> SourceSettings | None:
        named = self.sources.get(space + segment)
        if named is not None and named.own_uid == segment:
            return named
        ids = (source for source in self.sources.values() if str(source.id) == segment)
        return next((source for source in ids if source.uid == space + source.own_uid), None)
