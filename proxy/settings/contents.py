"""What a settings store holds, as one value, and the pure steps on it: merge two copies, bring in the sources, change.

Copies of the settings live in Redis, in every replica's memory and data directory, and any of them may be lost or put
back from an old backup. `merge` is a join (commutative, associative, idempotent): whatever order the copies meet in,
nothing acknowledged is undone, because every part of it only grows. A record has a revision, and a generation begins
with its time, so the later one wins.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

from ..config.schema import Caching, Source
from .model import CacheConfig, Record, SourceSettings, is_of_grafana

_TIME_DIGITS = 11  # hexadecimal digits of a time in milliseconds: enough until the year 2527


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """`version` is a unique value for each state of a store; "" and no generation: a store never written to."""

    version: str = ""
    generation: str = ""
    records: Mapping[str, Record] = field(default_factory=dict)

    def same(self, other: "Contents") -> bool:
        """Whether both say the same, whatever their versions."""
        return self.generation == other.generation and self.records == other.records


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a change needs from the world: the time, and a random text that makes a generation unique."""

    now: datetime
    random: str

    def generation(self, after: str) -> str:
        """A unique value that sorts later than `after`, even where the clock was set back."""
        now_ms = int(self.now.timestamp() * 1000)
        after_ms = int(after[:_TIME_DIGITS], 16) if after else 0
        return f"{max(now_ms, after_ms + 1):0{_TIME_DIGITS}x}{self.random}"

    def revision(self, after: int) -> int:
        """A change's, greater than `after`. It is the time where that is greater: of two changes made by replicas that did
        not know of each other's, the later one has the higher revision."""
        return max(int(self.now.timestamp() * 1000), after + 1)

    def stamp(self, after: str = "") -> str:
        """RFC 3339 with offset, in whole seconds, never before `after`."""
        return max(self.now.astimezone(UTC).isoformat(timespec="seconds"), after)


def encode(record: Record) -> str:
    """As a store keeps it; equal records have equal texts."""
    return json.dumps(asdict(record), sort_keys=True, separators=(",", ":"))


def decode(text: str | bytes) -> Record:
    """The inverse of `encode`. Raises ValueError, KeyError or TypeError for anything else."""
    kept = json.loads(text)
    changed = kept.pop("changed")
    return Record(**kept, changed=None if changed is None else CacheConfig(**changed))


def merge(one: Contents, other: Contents) -> Contents:
    """What both know together; the version is `one`'s."""
    records = dict(one.records)
    for uid, record in other.records.items():
        records[uid] = _later(records[uid], record) if uid in records else record
    return replace(one, generation=max(one.generation, other.generation), records=records)


def _later(one: Record, other: Record) -> Record:
    """The higher revision, but never with an older generation: what was cleaned or disabled stays so."""
    return replace(
        max(one, other, key=_rank),
        generation=max(one.generation, other.generation),
        created=min(one.created, other.created),
        updated=max(one.updated, other.updated),
    )


def _rank(record: Record) -> tuple[int, str]:
    """Equal revisions differ when replicas changed a store that had been put back: then the text decides, for all."""
    return record.revision, encode(replace(record, generation="", created="", updated=""))


def complete(contents: Contents, sources: Iterable[Source], moment: Moment) -> Contents:
    """The contents with a global generation and a record for every source; what needs no change is kept as it is.

    An id that a source brings holds; the others are given out from 1, none that a source has or once had. Grafana's
    sources bring theirs, which say nothing about the file's.
    """
    records = dict(contents.records)
    guests = [source for source in sources if is_of_grafana(source.uid)]
    own = [source for source in sources if not is_of_grafana(source.uid)]
    ids = {source.uid: source.id or 0 for source in guests} | _own_ids(records, own)
    for uid, id_ in ids.items():
        record = records.get(uid)
        if record is None:
            stamp = moment.stamp()
            records[uid] = Record(uid=uid, id=id_, generation=moment.generation(""), created=stamp, updated=stamp)
        elif record.id != id_:
            records[uid] = replace(record, id=id_, revision=record.revision + 1)
    return replace(contents, generation=contents.generation or moment.generation(""), records=records)


def _own_ids(records: Mapping[str, Record], sources: Iterable[Source]) -> dict[str, int]:
    """The id of each source of the file."""
    known = {uid: record.id for uid, record in records.items() if not is_of_grafana(uid)}
    ids = {source.uid: source.id for source in sources if source.id is not None}
    fixed = set(ids.values())
    taken = fixed | set(known.values())
    for source in sources:
        if source.uid in ids:
            continue
        id_ = known.get(source.uid)
        if id_ is None or id_ in fixed or _owner(records, id_) != source.uid:
            id_ = next(free for free in range(1, len(taken) + 2) if free not in taken)
            taken.add(id_)
        ids[source.uid] = id_
    return ids


def _owner(records: Mapping[str, Record], id_: int) -> str:
    """Two replicas without a common store may have given out one id twice: the source seen first keeps it."""
    return min(
        (record.created, record.uid)
        for record in records.values()
        if record.id == id_ and not is_of_grafana(record.uid)
    )[1]


def configure(contents: Contents, uid: str, config: CacheConfig, moment: Moment) -> Contents:
    """The API's word for a source. Off, its generation moves too: nothing kept before is read when it is on again."""
    record = contents.records[uid]
    return _with(
        contents,
        replace(
            record,
            changed=config,
            updated=moment.stamp(record.updated),
            generation=record.generation if config.enabled else moment.generation(record.generation),
            revision=moment.revision(record.revision),
        ),
    )


def move(contents: Contents, uid: str | None, moment: Moment) -> Contents:
    """The next generation, of one source or (None) of all."""
    if uid is None:
        return replace(contents, generation=moment.generation(contents.generation))
    record = contents.records[uid]
    generation = moment.generation(record.generation)
    return _with(contents, replace(record, generation=generation, revision=record.revision + 1))


def _with(contents: Contents, record: Record) -> Contents:
    return replace(contents, records={**contents.records, record.uid: record})


def first_config(source: Source, default_ttl_ms: int) -> CacheConfig:
    """What the file says; a TTL given there means that the default's are not used (decision 9)."""
    queries, resources = source.cache.ttl_queries_ms, source.cache.ttl_resources_ms
    return CacheConfig(
        enabled=source.cache.enabled,
        use_default_ttl=queries is None and resources is None,
        ttl_queries_ms=int(default_ttl_ms if queries is None else queries),
        ttl_resources_ms=int(default_ttl_ms if resources is None else resources),
    )


def in_force(contents: Contents, source: Source, caching: Caching) -> SourceSettings:
    """A source's settings: what the API set, or else what the file says."""
    record = contents.records[source.uid]
    return SourceSettings(
        uid=source.uid,
        id=record.id,
        config=record.changed or first_config(source, caching.ttl_ms),
        created=record.created,
        updated=record.updated,
        default_ttl_ms=int(caching.ttl_ms),
        max_ttl_ms=int(caching.max_ttl_ms),
        generation=_generation(contents, record),
    )


def in_force_generations(contents: Contents) -> dict[str, str]:
    """Of every record, by uid."""
    return {uid: _generation(contents, record) for uid, record in contents.records.items()}


def _generation(contents: Contents, record: Record) -> str:
    return f"{contents.generation}.{record.generation}"
