"""What deltas cost and save, in front of a real Prometheus: `python -m benchmarks.delta [--quick]`.

Millpond runs as a process whose clock is turned (`benchmarks.clocked`), so an hour of refreshes, one in 15 s with a TTL
of 1 min, is an hour to it: each refresh moves the end, and once a minute the young points are fetched again. Entries in
Redis age by the clock of Redis, which nobody turns: there the young part is not fetched again, and only what is stored
counts against a target. What memory holds is asked of a store in this process: a resident size would tell too much.

Clients take gzip, as Grafana does, where nothing else is said. Before anything is measured, answers are compared with
the source's. The status is 1 where a floor was missed.
"""

import argparse
import json
import platform
import random
import shutil
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from . import history, peers
from .clocked import Clock
from .engine import memory_bytes
from .history import DAY_S, NOW_S, PANELS, POINTS_OF_A_PANEL, STEP_S
from .peers import Peer
from .range_client import Client, RangeQuery

_HERE = Path(__file__).parent
_TTL = "1m"
_RATES = "rate(http_requests_total[5m])"
_GAUGES = "memory_used_bytes"
_EVERY = 12
"""Of so many refreshes one is also asked of Prometheus itself."""
_CONNECTIONS = 8
_PROGRAMS = ("prometheus", "promtool", "redis-server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`floor` is None where nothing was promised. `most`: the figure may not be above it, else not below."""

    what: str
    figure: float
    unit: str
    floor: float | None = None
    most: bool = False
    note: str = ""

    @property
    def missed(self) -> bool:
        if self.floor is None:
            return False
        return self.figure > self.floor if self.most else self.figure < self.floor

    def __str__(self) -> str:
        if self.floor is None:
            target = ""
        else:
            target = f"{'at most' if self.most else 'at least'} {self.floor:g}{', MISSED' if self.missed else ''}"
        return f"{self.what:<58} {self.figure:>9.4g} {self.unit:<6} {target:<22} {self.note}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Millpond with one store, in front of Prometheus by way of the relay that counts."""

    store: str
    millpond: Peer
    prometheus: Peer
    relay: Peer
    clock: Clock
    redis: Peer | None
    quick: bool

    @property
    def counts(self) -> bool:
        """Whether its figures are held against the targets."""
        return self.redis is None

    def points(self) -> int:
        """How many Prometheus has sent to Millpond."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.relay.port}/points", timeout=10) as response:
            return int(response.read())

    def floor(self, value: float) -> float | None:
        return value if self.counts else None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delta", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="six minutes of refreshes instead of an hour, fewer rounds"
    )
    quick = parser.parse_args().quick
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        print(f"The benchmark needs {', '.join(missing)} (Debian packages prometheus and redis-server).")
        return 1
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        history.backfill(directory)
        prometheus = peers.prometheus(directory)
        try:
            for store in ("memory", "redis"):
                with _bench(store, directory / store, prometheus, quick=quick) as bench:
                    for row in _measure(bench):
                        print(row, flush=True)
                        rows.append(row)
        finally:
            prometheus.stop()
    _report(rows)
    return 1 if any(row.missed for row in rows) else 0


@contextmanager
def _bench(store: str, directory: Path, prometheus: Peer, *, quick: bool) -> Iterator[Bench]:
    started: list[Peer] = []
    directory.mkdir()
    try:
        relay = peers.relay(prometheus.port)
        started.append(relay)
        flags: list[str] = []
        redis = None
        if store == "redis":
            redis = peers.redis(directory / "redis", "redis-server")
            started.append(redis)
            flags = ["--redis", f"redis://127.0.0.1:{redis.port}"]
        clock = Clock(directory / "clock")
        clock.set(NOW_S)
        program = ("benchmarks.clocked", str(directory / "clock"))
        config = (
            "caching: {max_value_mb: 64, memory: {max_size_mb: 1024}}\n"
            "datasources:\n"
            f"  - {{uid: prom, type: prometheus, url: http://127.0.0.1:{relay.port}, cache: {{enabled: true}}}}\n"
        )
        millpond = peers.millpond(store, directory / "millpond", config, "--ttl", _TTL, *flags, program=program)
        started.append(millpond)
        yield Bench(
            store=store,
            millpond=millpond,
            prometheus=prometheus,
            relay=relay,
            clock=clock,
            redis=redis,
            quick=quick,
        )
    finally:
        for peer in reversed(started):
            peer.stop()


def _measure(bench: Bench) -> Iterator[Row]:
    panel = replace(_panel(0, NOW_S + 3600), start_s=NOW_S - 1800)
    day = _day(NOW_S, 60)
    for measure in (
        partial(_an_hour_of_refreshes, step_s=60),
        partial(_an_hour_of_refreshes, step_s=STEP_S),
        partial(_panels, coding="gzip"),
        partial(_panels, coding="identity"),
        partial(_zooms, size="77 KB", whole=panel, points=POINTS_OF_A_PANEL),
        partial(_zooms, size="2.5 MB", whole=day, points=400),
        partial(_zooms, size="9 MB", whole=day, points=1400),
        _stored,
    ):
        peers.clean(bench.millpond, "prom")
        yield from measure(bench)


def _an_hour_of_refreshes(bench: Bench, *, step_s: int) -> Iterator[Row]:
    """A day of 200 series by this step, every 15 s, its end on the grid as Grafana has it."""
    refreshes = 24 if bench.quick else 240
    ours, theirs = Client(bench.millpond.port, "/ds/prom"), Client(bench.prometheus.port)
    ours_s: list[float] = []
    theirs_s: list[float] = []
    before = bench.points()
    bench.clock.set(NOW_S)
    query = _day(NOW_S, step_s)
    json_bytes = _check(ours, theirs, query)
    cold_points = bench.points() - before
    for number in range(1, refreshes + 1):
        now_s = NOW_S + number * STEP_S
        bench.clock.set(now_s)
        query = _day(now_s, step_s)
        ours_s.append(ours.ask(query))
        if number % _EVERY == 0:
            theirs_s.append(theirs.ask(query))
    _check(ours, theirs, query)
    fetched = bench.points() - before - cold_points
    name = f"{bench.store}, 200 series, 24 h by {step_s} s"
    share = 100 * fetched / (cold_points * refreshes)
    note = f"{fetched / refreshes:.0f} a refresh, of {cold_points}"
    yield Row(what=f"{name}: points fetched", figure=share, unit="%", floor=bench.floor(1), most=True, note=note)
    mean_ours, mean_theirs = 1e3 * statistics.mean(ours_s), 1e3 * statistics.mean(theirs_s)
    note = f"{mean_ours:.1f} ms (median {1e3 * statistics.median(ours_s):.1f}) for {mean_theirs:.1f}"
    note += f"; {json_bytes / 1e6:.1f} MB of JSON"
    yield Row(what=f"{name}: refresh", figure=mean_theirs / mean_ours, unit="times", floor=bench.floor(10), note=note)


def _panels(bench: Bench, *, coding: str) -> Iterator[Row]:
    """Sixty panels move by one step in 15 s: CPU of all processes for a refresh, and of Prometheus asked directly."""
    rounds = 16 if bench.quick else 80
    ours = Client(bench.millpond.port, "/ds/prom", coding=coding)
    theirs = Client(bench.prometheus.port, coding=coding)
    servers = [bench.millpond, bench.prometheus, *([bench.redis] if bench.redis else [])]
    bench.clock.set(NOW_S)
    for panel in range(PANELS):
        json_bytes = _check(ours, theirs, _panel(panel, NOW_S))
    spent = {"with": 0.0, "without": 0.0}
    for number in range(1, rounds + 1):  # in turn, so that both see the same of what else the machine does
        now_s = NOW_S + number * STEP_S
        bench.clock.set(now_s)
        for kind, client in (("with", ours), ("without", theirs)):
            before = sum(server.cpu_seconds() for server in servers)
            for panel in range(PANELS):
                client.ask(_panel(panel, now_s))
            spent[kind] += sum(server.cpu_seconds() for server in servers) - before
    _check(ours, theirs, _panel(0, now_s))
    with_ms, without_ms = (1e3 * spent[kind] / rounds / PANELS for kind in ("with", "without"))
    note = f"{with_ms:.2f} ms for {without_ms:.2f}; {json_bytes / 1e3:.0f} KB of JSON"
    what = f"{bench.store}, 60 panels of 20 series, {coding}: CPU of a refresh"
    floor = bench.floor(0.75) if coding == "gzip" else None
    yield Row(what=what, figure=with_ms / without_ms, unit="times", floor=floor, most=True, note=note)


def _zooms(bench: Bench, *, size: str, whole: RangeQuery, points: int) -> Iterator[Row]:
    """Ranges inside what is known, over some connections: nothing is fetched, each is another than those before it."""
    clients = [Client(bench.millpond.port, "/ds/prom", coding="identity") for _ in range(_CONNECTIONS)]
    ours = clients[0]
    theirs = Client(bench.prometheus.port)
    bench.clock.set(NOW_S + 3600)
    _check(ours, theirs, whole)
    last = (whole.end_s - whole.start_s) // whole.step_s
    zooms = [
        replace(
            whole, start_s=whole.start_s + first * whole.step_s, end_s=whole.start_s + (first + length) * whole.step_s
        )
        for length in range(points - 20, points + 20)
        for first in range(last - length)
    ]
    random.Random(1).shuffle(zooms)
    _check(ours, theirs, zooms.pop())
    points_before, cpu, began = bench.points(), bench.millpond.cpu_seconds(), time.perf_counter()
    answers, bytes_, seconds = 0, 0, 2.0 if bench.quick else 6.0
    while len(zooms) >= len(clients) and time.perf_counter() - began < seconds:
        for client in clients:
            client.send(zooms.pop())
        for client in clients:
            client.receive()
            bytes_ += client.last_bytes
            answers += 1
    took, cpu = time.perf_counter() - began, bench.millpond.cpu_seconds() - cpu
    fetched = bench.points() - points_before
    note = f"{bytes_ / answers / 1e3:.0f} KB, {answers} answers, {fetched} points fetched"
    note += f"; {bytes_ / took / 1e6:.0f} MB/s by the clock"
    what = f"{bench.store}, warm sub-range of {size}: JSON in a second of CPU"
    yield Row(what=what, figure=bytes_ / cpu / 1e6, unit="MB/s", floor=bench.floor(300), note=note)


def _stored(bench: Bench) -> Iterator[Row]:
    """A day of rates, then of gauges: what the store holds of the JSON that it stands for."""
    theirs = Client(bench.prometheus.port)
    for name, query in (("rates", _RATES), ("gauges", _GAUGES)):
        day = _day(NOW_S, 30, query)
        json_bytes = len(theirs.body(day))
        if bench.redis is None:
            held = memory_bytes(bench.prometheus.port, day, wall_seconds=NOW_S + 7200)
        else:
            before = peers.redis_used_bytes(bench.redis)
            Client(bench.millpond.port, "/ds/prom").ask(day)
            held = peers.redis_used_bytes(bench.redis) - before
        floor = 1.1 if bench.redis is None else 1 / 3
        note = f"{held / 1e6:.1f} MB for {json_bytes / 1e6:.1f}"
        what = f"{bench.store}, stored for a byte of JSON, {name}"
        yield Row(what=what, figure=held / json_bytes, unit="times", floor=floor, most=True, note=note)


def _day(now_s: int, step_s: int, query: str = _RATES) -> RangeQuery:
    end_s = now_s // step_s * step_s
    return RangeQuery(query=query, start_s=end_s - DAY_S, end_s=end_s, step_s=step_s)


def _panel(number: int, now_s: int) -> RangeQuery:
    start_s = now_s - (POINTS_OF_A_PANEL - 1) * STEP_S
    query = f'rate(panel_requests_total{{panel="{number}"}}[1m])'
    return RangeQuery(query=query, start_s=start_s, end_s=now_s, step_s=STEP_S)


def _check(ours: Client, theirs: Client, query: RangeQuery) -> int:
    """A fast wrong answer fails the run. Gives the bytes of JSON."""
    expected = theirs.body(query)
    if json.loads(ours.body(query)) != json.loads(expected):
        raise SystemExit(f"Millpond does not give the source's answer to {query}")
    return len(expected)


def _report(rows: list[Row]) -> None:
    results = _HERE / "results"
    results.mkdir(exist_ok=True)
    machine = f"{platform.machine()}, Python {platform.python_version()}, {platform.system()} {platform.release()}"
    document = {"machine": machine, "rows": [asdict(row) | {"missed": row.missed} for row in rows]}
    (results / "delta.json").write_text(json.dumps(document, indent=1) + "\n")
    print(f"machine: {machine}; written to benchmarks/results/delta.json")


if __name__ == "__main__":
    raise SystemExit(main())
