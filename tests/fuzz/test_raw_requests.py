"""Raw requests, mutated at random, to both listeners of a running Millpond: `make fuzz` is the long form.

FUZZ_SEED=… takes the one that a failed run printed. Which request was at fault is in the failure.
"""

import asyncio
import os
import random
import re
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.servers.millpond import Millpond
from tests.servers.scripted import Scripted, json_answer
from tests.traps import corpus

from . import impatient
from .answers import NotWellFormed, statuses
from .mutations import in_pieces, mutated

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
BATCH = 300
SEED = int(os.environ.get("FUZZ_SEED", "0")) or secrets.randbelow(2**31)
CANARY = b"canary5ecret"
_HANGS_SECONDS = 30.0
_TYPES = "prometheus loki elasticsearch influxdb clickhouse graphite opaque infinity".split()
_RECORDED = Path(__file__).parents[1] / "integration" / "requests"
_ANSWER = json_answer(b'{"status":"success","data":{"resultType":"matrix","result":[]}}')


class Impatient(Millpond):
    def command(self) -> Sequence[str]:
        python, _, _, *arguments = super().command()
        return (python, "-m", impatient.__name__, *arguments)


def requests_of_the_data_path() -> list[bytes]:
    """Recorded ones for every type of source, and the corpus of framings, each with a secret in it."""
    found = [
        case.request.replace(b"/ds/prom/", b"/ds/opaque/") for cases in corpus.sections().values() for case in cases
    ]
    for path in sorted(_RECORDED.glob("*.http")):
        request = path.read_bytes()
        method, _, rest = request.partition(b" ")
        found += [b"%b /ds/%b%b" % (method, name.encode(), rest) for name in _TYPES]
    return [_with_secrets(request) for request in found if len(request) < 20_000]


def _with_secrets(request: bytes) -> bytes:
    line, separator, rest = request.partition(b"\r\n")
    secret = b"Authorization: Bearer %b\r\nCookie: a=%b\r\n" % (CANARY, CANARY)
    return line + separator + secret + rest if separator and not rest.startswith((b" ", b"\t")) else request


def requests_of_the_api(token: str) -> list[bytes]:
    calls = [
        (b"GET", b"/cache", b""),
        (b"POST", b"/cache", b'{"enabled":true,"useDefaultTTL":false,"ttlQueriesMs":60000,"ttlResourcesMs":300000}'),
        *((b"POST", b"/cache/" + name, b"") for name in (b"enable", b"disable", b"clean", b"clean?scope=datasource")),
    ]
    places = (b"/api/datasources/opaque", b"/api/datasources/uid/opaque", b"/api/datasources/1")
    targets = [(method, place + path, body) for place in places for method, path, body in calls]
    targets += [(b"POST", b"/-/reload", b""), (b"GET", b"/api/datasources/uid/opaque", b"")]
    return [
        b"%b %b HTTP/1.1\r\nHost: m\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (method, target, token.encode(), len(body), body)
        for method, target, body in targets
    ]


async def exchange(port: int, parts: Sequence[bytes]) -> bytes:
    """All that comes back until the connection ends, which it has to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = b""
    try:
        async with asyncio.timeout(_HANGS_SECONDS):
            with suppress(ConnectionError):
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    if len(parts) > 1:
                        await asyncio.sleep(0)
            with suppress(ConnectionError):
                while part := await reader.read(1 << 16):
                    data += part
    finally:
        writer.transport.abort()
    return data


class Fuzz:
    def __init__(self, seed: int, millpond: Millpond, upstream: Scripted) -> None:
        self.chance = random.Random(seed)
        self.millpond = millpond
        self.upstream = upstream
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []

    async def batch(self, port: int, seeds: Sequence[bytes], *, refuses: bool = False) -> None:
        """All at once. `refuses`: nothing that is asked may be granted."""

        async def one(data: bytes, parts: list[bytes]) -> None:
            try:
                answer = await exchange(port, parts)
                found = statuses(answer, heads=b"HEAD" in data)
            except (NotWellFormed, TimeoutError, ConnectionRefusedError) as error:
                self.wrong.append(f"{error!r} to {data!r}")
                return
            self.seen.update(map(str, found))
            self.seen["requests"] += 1
            if not found:
                self.seen["ended unanswered"] += 1
            failed = any(status in (500, 502, 503, 504) for status in found)
            if failed or (refuses and any(200 <= status < 300 for status in found)):
                self.wrong.append(f"{found} {answer[:300]!r} to {data!r}")

        async with asyncio.TaskGroup() as tasks:
            for _ in range(BATCH):
                data = b"".join(
                    mutated(self.chance, self.chance.choice(seeds)) for _ in range(self.chance.choice((1, 1, 2, 4)))
                )
                if not _shows_its_secret(data):
                    tasks.create_task(one(data, in_pieces(self.chance, data)))

    def check(self) -> None:
        host = self.upstream.url.removeprefix("http://")
        for request in self.upstream.requests:
            if not _is_below_the_base(request.target) or request.headers.getall("Host") != [host]:
                self.wrong.append(f"the source saw {request}")
        self.upstream.requests.clear()
        self.wrong += [f"the source could not read {head!r}" for head in self.upstream.malformed]
        log = self.millpond.log
        self.wrong += re.findall(r".*(?:Traceback|level=error).*", log)[:3]
        self.wrong += [line for line in log.splitlines() if CANARY.decode() in line][:3]
        assert self.wrong == [], f"FUZZ_SEED={SEED}: {len(self.wrong)} findings\n" + "\n".join(self.wrong[:5])


def _shows_its_secret(data: bytes) -> bool:
    """Whether the secret may have come into a path, which is logged."""
    return any(
        CANARY in line and not line.startswith((b"Authorization:", b"Cookie:")) for line in re.split(rb"[\r\n]", data)
    )


def _is_below_the_base(target: str) -> bool:
    path = target.partition("?")[0]
    decoded = path
    for _ in range(10):
        decoded = unquote(decoded, errors="surrogateescape")
    segments = re.split(r"[/\\]", decoded)
    return path.startswith("/base/") and not any(segment.split(";")[0] in (".", "..") for segment in segments)


@asynccontextmanager
async def fuzzed() -> AsyncIterator[Fuzz]:
    async with Scripted(_ANSWER) as upstream:
        sources = "".join(
            f"  - {{uid: {name}, type: {name}, url: '{upstream.url}/base', cache: {{enabled: true}}}}\n"
            for name in _TYPES
        )
        millpond = Impatient("--log-level", "debug", config=f"datasources:\n{sources}")
        with millpond:
            print(f"FUZZ_SEED={SEED}", file=sys.stderr)
            fuzz = Fuzz(SEED, millpond, upstream)
            yield fuzz
            assert millpond.is_ready()
            print(dict(fuzz.seen))


@pytest.mark.parametrize("listener", ["data", "admin", "admin-without-a-token"])
async def test_whatever_is_sent_is_answered_as_http_has_it_or_ends(listener: str) -> None:
    ends = time.monotonic() + SECONDS / 3
    async with fuzzed() as fuzz:
        if listener == "data":
            port, seeds = fuzz.millpond.port, requests_of_the_data_path()
        else:
            token = fuzz.millpond.token if listener == "admin" else "mp_guess"
            port, seeds = fuzz.millpond.admin_port, requests_of_the_api(token)
        while True:
            await fuzz.batch(port, seeds, refuses=listener == "admin-without-a-token")
            fuzz.check()
            if time.monotonic() >= ends:
                break
