"""With Redis, as the issue asks (item 4): what lies there, what a clean leaves, and that no old answer comes after one.

Two Millponds share a Redis. The source says in which epoch it answered: an answer of an earlier one is old.
"""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from ..faults.bench import configuration
from ..servers.counting import Counting
from ..servers.millpond import Millpond
from ..servers.process import wait_until
from ..servers.valkey import Valkey, redis_binary

TOKEN = "s3cr3t-t0ken"
QUERY = "api_key=hunter2&query=up"
HOUR = {"enabled": True, "useDefaultTTL": False, "ttlQueriesMs": 3_600_000, "ttlResourcesMs": 3_600_000}
FIVE_SECONDS = HOUR | {"ttlQueriesMs": 5_000, "ttlResourcesMs": 5_000}
ZSTD = b"\x28\xb5\x2f\xfd"
"""With which a packed body begins."""
AGREE_SECONDS = 1.0


@dataclass
class Pair:
    """Two replicas; `one` is told what to do, and both are asked."""

    redis: Redis
    source: Counting
    one: Millpond
    other: Millpond
    prefix: str

    @property
    def both(self) -> tuple[Millpond, Millpond]:
        return self.one, self.other

    def names(self, part: str = "c") -> set[bytes]:
        """By SCAN, without a pattern: a prefix with glob characters is part of the test."""
        return {name for name in self.redis.scan_iter(count=1000) if name.startswith(f"{self.prefix}:{part}:".encode())}


@dataclass(frozen=True)
class Reply:
    cache: str
    epoch: int
    age: int


def ask(millpond: Millpond, target: str, uid: str = "src") -> Reply:
    connection = HTTPConnection("127.0.0.1", millpond.port, timeout=60)
    connection.request("GET", f"/ds/{uid}{target}", headers={"Authorization": f"Bearer {TOKEN}"})
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    assert response.status == 200
    assert body["target"] == target
    return Reply(response.headers["X-Cache"], body["epoch"], int(response.headers["Age"] or 0))


def agree(pair: Pair) -> bool:
    """Whether `other` has heard of what `one` was told: that it is off, or where its answers are now."""
    target = fresh_target()
    return [ask(millpond, target).cache for millpond in pair.both] in (["MISS", "HIT"], ["DISABLED", "DISABLED"])


def fresh_target() -> str:
    return f"/q?{uuid4().hex}"


@pytest.fixture(scope="module", params=["valkey", "redis"])
def running(request: pytest.FixtureRequest, source: Counting) -> Iterator[Pair]:
    with ExitStack() as stack:
        redis = stack.enter_context(Valkey(binary=redis_binary() if request.param == "redis" else ""))
        prefix = "mill[p]?nd*"
        config = configuration(source, redis.url, prefix=prefix)
        one, other = (stack.enter_context(Millpond(config=config)) for _ in range(2))
        client = stack.enter_context(Redis(port=redis.port))
        yield Pair(client, source, one, other, prefix)


@pytest.fixture
def pair(running: Pair) -> Pair:
    """Cleaned, and both know."""
    for uid in ("src", "other"):
        running.one.api("POST", f"{uid}/cache", HOUR)
    running.one.api("POST", "src/cache/clean")
    within(lambda: agree(running))
    running.redis.delete(*running.names())
    return running


def test_what_lies_in_redis(pair: Pair) -> None:
    """Every cached value under :c: and with an expiry, the settings under :s: and without, and no secret in a name."""
    for number in range(50):
        for millpond in pair.both:
            ask(millpond, f"/api/series?{QUERY}&n={number}", uid="src" if number % 2 else "other")
    names = pair.names()
    assert len(names) == 50
    assert {name for name in pair.redis.scan_iter() if name not in names} == {f"{pair.prefix}:s:settings".encode()}
    assert all(0 < _ms(pair.redis.pttl(name)) <= 3_600_000 for name in names)
    assert pair.redis.pttl(f"{pair.prefix}:s:settings") == -1
    shape = re.compile(re.escape(pair.prefix) + r":c:(src|other):[0-9a-f.]+:[0-9a-f]{64}")
    assert [name for name in names if not shape.fullmatch(name.decode())] == []
    for name in names:
        value = pair.redis.get(name)
        assert isinstance(value, bytes)
        head = value[: value.index(ZSTD)]  # the body repeats what it was asked
        assert not [secret for secret in (TOKEN, "hunter2", "api_key", "series") if secret.encode() in head]


def _ms(value: object) -> int:
    assert isinstance(value, int)
    return value


def test_replicas_share_entries_and_settings(pair: Pair) -> None:
    target = fresh_target()
    assert [ask(millpond, target).cache for millpond in pair.both] == ["MISS", "HIT"]
    pair.other.api("POST", "src/cache", HOUR | {"ttlResourcesMs": 7_000})
    within(lambda: pair.one.api("GET", "src/cache")["ttlResourcesMs"] == 7_000)
    answers = [millpond.api("GET", "src/cache") for millpond in pair.both]
    assert answers[0] == answers[1]


def test_clean_leaves_none_of_ours_all_settings_and_all_of_somebody_elses(pair: Pair) -> None:
    digest = "0" * 64
    theirs = [
        *(f"mill[p]?nd*x:c:src:g:{digest}", f"mill:c:src:g:{digest}", f"millpond:c:src:g:{digest}"),
        *(f"millpxnd-anything:c:src:g:{digest}", f"{pair.prefix}:c:c:src:g:{digest}", f"{pair.prefix}:c:s:settings"),
        *("session:1", "c:src", pair.prefix, f"{pair.prefix}:c", f"x{pair.prefix}:c:src:g:{digest}"),
    ]
    for name in theirs:
        pair.redis.set(name, "theirs")
    for number in range(300):
        ask(pair.both[number % 2], f"/many?{number}", uid="src" if number % 3 else "other")
    settings = pair.redis.hgetall(f"{pair.prefix}:s:settings")
    ours = pair.names() - {name.encode() for name in theirs}
    assert len(ours) == 300
    pair.one.api("POST", "src/cache/clean")
    assert pair.names() & ours == set(), "when it answers"
    wait_until(lambda: pair.names() <= {name.encode() for name in theirs})
    assert [pair.redis.get(name) for name in theirs] == [b"theirs"] * len(theirs)
    after = pair.redis.hgetall(f"{pair.prefix}:s:settings")
    assert isinstance(settings, dict)
    assert isinstance(after, dict)
    moved = {b"version", b"generation"}
    assert {name for name in settings.keys() | after.keys() if settings.get(name) != after.get(name)} == moved
    pair.redis.delete(*theirs)


def test_clean_leaves_nothing_of_a_replica_that_had_not_heard_of_it(pair: Pair) -> None:
    """Both fetch all the time: what `other` keeps after the deletion has passed, it deletes when it hears."""
    with ThreadPoolExecutor(8) as clients:
        enough = Event()

        def fetch(number: int) -> None:
            while not enough.is_set():
                ask(pair.both[number % 2], fresh_target())

        asking = [clients.submit(fetch, number) for number in range(8)]
        try:
            for _ in range(10):
                wait_until(lambda: len(pair.names()) > 20)
                pair.one.api("POST", "src/cache/clean")
        finally:
            enough.set()
        for future in asking:
            future.result()
    within(lambda: agree(pair))
    generation = pair.redis.hget(f"{pair.prefix}:s:settings", "generation")
    assert isinstance(generation, bytes)
    current = f"{pair.prefix}:c:src:{generation.decode()}.".encode()
    wait_until(lambda: all(name.startswith(current) for name in pair.names()))


CHANGES: dict[str, Callable[[Millpond], Any]] = {
    "clean": lambda millpond: millpond.api("POST", "src/cache/clean"),
    "clean of the source": lambda millpond: millpond.api("POST", "src/cache/clean?scope=datasource"),
    "disable": lambda millpond: millpond.api("POST", "src/cache/disable"),
    "off by the settings": lambda millpond: millpond.api("POST", "src/cache", HOUR | {"enabled": False}),
    "disable, enable": lambda millpond: [millpond.api("POST", f"src/cache/{word}") for word in ("disable", "enable")],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_no_old_answer_comes_after(pair: Pair, change: Callable[[Millpond], Any]) -> None:
    """Of what is kept, of a fetch in flight at the replica that is told, and of one at the other."""
    kept, ours, theirs = fresh_target(), f"{fresh_target()}&gated", f"{fresh_target()}&gated"
    for millpond in pair.both:
        ask(millpond, kept)
    with ThreadPoolExecutor(2) as clients, pair.source.closed_gate() as open_gate:
        in_flight = [clients.submit(ask, pair.one, ours), clients.submit(ask, pair.other, theirs)]
        wait_until(lambda: pair.source.waiting == 2)
        epoch = pair.source.next_epoch()
        change(pair.one)
        assert ask(pair.one, kept).epoch == epoch, "at once where it was told"
        within(lambda: agree(pair))
        open_gate()
        assert [future.result().epoch for future in in_flight] == [epoch - 1] * 2, "they may still have theirs"
    for _ in range(3):
        for millpond in pair.both:
            for target in (kept, ours, theirs):
                assert ask(millpond, target).epoch == epoch
    pair.one.api("POST", "src/cache/enable")
    within(lambda: agree(pair))
    assert {ask(millpond, target).epoch for millpond in pair.both for target in (kept, ours, theirs)} == {epoch}


def test_a_ttl_cut_bites_at_once_and_lengthening_revives_nothing(pair: Pair) -> None:
    """R-34, for what is kept and for a fetch in flight."""
    kept, flying = fresh_target(), f"{fresh_target()}&gated"
    name = name_of(pair, kept)
    ask(pair.other, kept)
    grow_old(pair, name, 60_000)
    assert 60 <= ask(pair.other, kept).age < 3600
    with ThreadPoolExecutor(1) as clients, pair.source.closed_gate() as open_gate:
        future: Future[Reply] = clients.submit(ask, pair.other, flying)
        wait_until(lambda: pair.source.waiting == 1)
        epoch = pair.source.next_epoch()
        pair.one.api("POST", "src/cache", FIVE_SECONDS)
        within(lambda: pair.other.api("GET", "src/cache")["ttlQueriesMs"] == 5_000)
        before = pair.names()
        open_gate()
        future.result()
    (late,) = pair.names() - before
    assert _ms(pair.redis.pttl(late)) <= 5_000, "kept for what is in force when it is kept"
    pair.one.api("POST", "src/cache", HOUR)
    within(lambda: pair.other.api("GET", "src/cache")["ttlQueriesMs"] == 3_600_000)
    pair.one.api("POST", "src/cache", FIVE_SECONDS)
    assert ask(pair.one, kept).epoch == epoch, "sixty seconds old"
    name = name_of(pair, other := fresh_target())
    grow_old(pair, name, 4_990)
    pair.one.api("POST", "src/cache", HOUR)
    within(lambda: pair.other.api("GET", "src/cache")["ttlQueriesMs"] == 3_600_000)
    wait_until(lambda: pair.redis.exists(name) == 0, 10)
    assert [ask(millpond, other).cache for millpond in pair.both] == ["MISS", "HIT"]


def name_of(pair: Pair, target: str) -> bytes:
    """The name under which `target` is kept, first asked for here."""
    before = pair.names()
    ask(pair.one, target)
    (name,) = pair.names() - before
    return name


def grow_old(pair: Pair, name: bytes, duration_ms: int) -> None:
    """Its age is what is gone of its expiry."""
    assert pair.redis.pexpire(name, _ms(pair.redis.pttl(name)) - duration_ms)


def within(condition: Callable[[], bool]) -> None:
    """Within a second, and ten more for a busy machine to get round to it; the time it took is checked by nobody."""
    wait_until(condition, AGREE_SECONDS + 10)
