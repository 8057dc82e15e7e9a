"""Minutes of mixed load on one process, and what must not grow: `python -m benchmarks.soak [--minutes 10] [--idle 10000]`.

First connections that ask once and then idle, with a steady load beside them. Then a mix: hits, queries asked once,
answers too large to keep, errors, a source that is down, clients that leave. The status and length of each answer is
checked. Ends with status 1 where one was wrong, or where memory, file descriptors, threads or the series of /metrics
grew after the first quarter.
"""

import argparse
import asyncio
import random
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import peers
from .origin import LARGE_BYTES, matrix
from .peers import Peer
from .soak_client import Connection, Gone, request

_CONNECTIONS = 32
_STEADY_PER_SECOND = 200
_STEADY_SECONDS = 15
_MEMORY_MB = 32
"""Of the cache: small, so that it is full long before the warm-up ends."""
_GROWTH_MB = 16
_QUERIES = 200
_CONFIG = """\
caching: {{max_value_mb: 1, memory: {{max_size_mb: {memory_mb}}}}}
datasources:
  - {{uid: 1k, url: "http://127.0.0.1:{origin}/1k", cache: {{enabled: true}}}}
  - {{uid: 60k, url: "http://127.0.0.1:{origin}/60k", cache: {{enabled: true}}}}
  - {{uid: zip, url: "http://127.0.0.1:{origin}/zip", cache: {{enabled: true}}}}
  - {{uid: large, url: "http://127.0.0.1:{origin}/large", cache: {{enabled: true}}}}
  - {{uid: fail, url: "http://127.0.0.1:{origin}/fail", cache: {{enabled: true}}}}
  - {{uid: down, url: "http://127.0.0.1:{nobody}", cache: {{enabled: true}}}}
  - {{uid: disabled, url: "http://127.0.0.1:{origin}/1k"}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One kind of request of the mix, `weight` times as often as others. `size_bytes` None: of any length."""

    name: str
    weight: int
    uid: str
    method: str = "GET"
    gzip: bool = False
    once: bool = False
    status: int = 200
    size_bytes: int | None = None
    leaves: bool = False


MIX = [
    Ask(name="hit 1k GET", weight=30, uid="1k", size_bytes=len(matrix(1_024))),
    Ask(name="hit 1k POST", weight=20, uid="1k", method="POST", size_bytes=len(matrix(1_024))),
    Ask(name="hit 60k", weight=10, uid="60k", size_bytes=len(matrix(60 * 1_024))),
    Ask(name="hit from gzip, in gzip", weight=6, uid="zip", gzip=True),
    Ask(name="hit from gzip, plain", weight=4, uid="zip", size_bytes=len(matrix(60 * 1_024))),
    Ask(name="asked once", weight=12, uid="1k", once=True, size_bytes=len(matrix(1_024))),
    Ask(name="asked once, 60k", weight=8, uid="60k", method="POST", once=True, size_bytes=len(matrix(60 * 1_024))),
    Ask(name="too large", weight=1, uid="large", once=True, size_bytes=len(matrix(LARGE_BYTES))),
    Ask(name="an error", weight=2, uid="fail", once=True, status=500),
    Ask(name="source down", weight=1, uid="down", once=True, status=502),
    Ask(name="caching off", weight=2, uid="disabled", size_bytes=len(matrix(1_024))),
    Ask(name="no such source", weight=1, uid="none", once=True, status=404),
    Ask(name="leaves", weight=2, uid="60k", once=True, leaves=True),
    Ask(name="leaves a large one", weight=1, uid="large", once=True, leaves=True),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    resident_mb: float
    descriptors: int
    threads: int
    series: int


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument(
        "--idle", type=int, default=10_000, help="connections; fewer where the limit of open files says so"
    )
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle = min(arguments.idle, hard - 200)
    with tempfile.TemporaryDirectory() as directory, _running(Path(directory)) as server:
        return asyncio.run(_soak(server, idle, arguments.minutes * 60))


@contextmanager
def _running(directory: Path) -> Iterator[Peer]:
    origin = peers.origin()
    try:
        config = _CONFIG.format(origin=origin.port, nobody=peers.free_port(), memory_mb=_MEMORY_MB)
        server = peers.millpond("soak", directory / "millpond", config)
        try:
            yield server
        finally:
            server.stop()
    finally:
        origin.stop()


async def _soak(server: Peer, idle: int, seconds: float) -> int:
    await _idle(server, idle)
    wrong, samples = await _mix(server, seconds)
    for name, count in sorted(wrong.items()):
        print(f"wrong: {count} × {name}")
    grown = list(_grown(samples))
    for line in grown:
        print(f"grown: {line}")
    return 1 if wrong or grown else 0


async def _idle(server: Peer, count: int) -> None:
    """R-61: what many idle connections cost, in memory and to the others."""
    await _steady(server)  # warm
    alone = await _steady(server)
    before_mb = server.resident_mb()
    started = time.monotonic()
    connections: list[Connection] = []
    for _ in range(0, count, 100):
        connections += await asyncio.gather(*(_connected(server) for _ in range(100)))
    opened_seconds = time.monotonic() - started
    beside = await _steady(server)
    kb = (server.resident_mb() - before_mb) * 1024 / len(connections)
    for connection in connections:
        connection.close()
    print(f"{len(connections)} idle connections, opened in {opened_seconds:.1f} s: {kb:.1f} KB each")
    for name, latencies in (("alone", alone), ("beside them", beside)):
        cuts = statistics.quantiles(latencies, n=100)
        print(f"{_STEADY_PER_SECOND} hits a second {name}: p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms")


async def _connected(server: Peer) -> Connection:
    connection = await Connection.open(server.port)
    status, _ = await connection.ask(request("1k", query="sum(up)"))
    assert status == 200
    return connection


async def _steady(server: Peer) -> list[float]:
    """Milliseconds that each answer took, from when it was due."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    ask = request("1k", query="sum(up)")

    async def one_client(number: int) -> None:
        with closing(await Connection.open(server.port)) as connection:
            for turn in range(_STEADY_PER_SECOND * _STEADY_SECONDS // _CONNECTIONS):
                due = started + (turn * _CONNECTIONS + number) / _STEADY_PER_SECOND
                await asyncio.sleep(due - loop.time())
                status, _ = await connection.ask(ask)
                assert status == 200
                latencies.append((loop.time() - due) * 1000)

    started = loop.time() + 0.1
    await asyncio.gather(*(one_client(number) for number in range(_CONNECTIONS)))
    return latencies


async def _mix(server: Peer, seconds: float) -> tuple[Counter[str], list[Sample]]:
    wrong: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    end = time.monotonic() + seconds
    clients = [asyncio.create_task(_client(server, random.Random(n), end, asked, wrong)) for n in range(_CONNECTIONS)]
    samples: list[Sample] = []
    print("   s  requests  RSS MB  fds  threads  series")
    while not all(client.done() for client in clients):
        await asyncio.wait(clients, timeout=min(10, max(0.1, end - time.monotonic())))
        samples.append(await _sample(server))
        now, last = seconds - (end - time.monotonic()), samples[-1]
        print(
            f"{now:4.0f} {asked.total():9} {last.resident_mb:7.0f} {last.descriptors:4} {last.threads:8} {last.series:7}",
            flush=True,
        )
    await asyncio.gather(*clients)
    return wrong, samples


async def _client(server: Peer, chance: random.Random, end: float, asked: Counter[str], wrong: Counter[str]) -> None:
    connection = await Connection.open(server.port)
    while time.monotonic() < end:
        [ask] = chance.choices(MIX, [ask.weight for ask in MIX])
        query = f"up + {chance.random()}" if ask.once else f"up + {chance.randrange(_QUERIES)}"
        message = request(ask.uid, query=query, method=ask.method, gzip=ask.gzip)
        asked[ask.name] += 1
        if ask.leaves:
            await connection.leave(message)
        else:
            try:
                status, size_bytes = await connection.ask(message)
                if status != ask.status or ask.size_bytes not in (None, size_bytes):
                    wrong[f"{ask.name}: {status} of {size_bytes} bytes"] += 1
            except Gone as error:
                wrong[f"{ask.name}: {error}"] += 1
        if connection.ended:
            connection = await Connection.open(server.port)
    connection.close()


async def _sample(server: Peer) -> Sample:
    with closing(await Connection.open(server.admin_port)) as connection:
        metrics = await connection.get("/metrics")
    return Sample(
        resident_mb=server.resident_mb(),
        descriptors=server.count("fd"),
        threads=server.count("task"),
        series=sum(not line.startswith(b"#") for line in metrics.splitlines()),
    )


def _grown(samples: Sequence[Sample]) -> Iterator[str]:
    warm, last = samples[: max(1, len(samples) // 4)], samples[-1]
    for name, most in (("resident_mb", _GROWTH_MB), ("descriptors", _CONNECTIONS), ("threads", 0), ("series", 0)):
        before = max(getattr(sample, name) for sample in warm)
        now = getattr(last, name)
        if now > before + most:
            yield f"{name} was {before:.0f}, is {now:.0f}"


if __name__ == "__main__":
    sys.exit(main())
