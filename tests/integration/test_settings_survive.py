"""Settings survive `kill -9`: two processes change them at once and are killed at random moments.

The short form is part of the suite; `SETTINGS_ROUNDS=20` asks for the full one.
"""

import asyncio
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

from proxy.config.schema import Config, Source
from proxy.settings.book import Book
from proxy.settings.file import FileSettings

ROUNDS = int(os.environ.get("SETTINGS_ROUNDS", "3"))
CHANGES = 500
WORKERS = ("first", "second")
SOURCES = (*WORKERS, "both")
CONFIG = Config(datasources=tuple(Source(uid=uid, url="http://localhost:9090") for uid in SOURCES))

_WORKER = """
import asyncio, sys
from pathlib import Path
from proxy.config.schema import Config, Source
from proxy.settings.book import Book
from proxy.settings.file import FileSettings
from proxy.settings.model import CacheConfig

async def main(directory, name, began, changes, *uids):
    config = Config(datasources=tuple(Source(uid=uid, url="http://localhost:9090") for uid in uids))
    book = Book(FileSettings(Path(directory)), config)
    await book.start()
    for n in range(int(began) + 1, int(began) + int(changes) + 1):
        config = CacheConfig(enabled=n % 2 == 0, use_default_ttl=False, ttl_queries_ms=n, ttl_resources_ms=2 * n)
        settings = await book.change(name, config)
        await book.change("both", config)
        print(n, settings.generation, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def start(directory: Path, name: str, began: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", _WORKER, str(directory), name, str(began), str(CHANGES // len(WORKERS) // 2), *SOURCES),
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
    )


async def acknowledged(worker: asyncio.subprocess.Process, until: int) -> list[tuple[int, str]]:
    """Kill it after so many acknowledged changes (or let it end), and return all that it acknowledged."""
    assert worker.stdout is not None
    lines: list[bytes] = []
    while len(lines) < until and (line := await worker.stdout.readline()):
        lines.append(line)
    if worker.returncode is None:
        worker.kill()
    lines += (await worker.stdout.read()).splitlines(keepends=True)
    await worker.wait()
    whole = [line.split() for line in lines if line.endswith(b"\n")]
    return [(int(n), generation.decode()) for n, generation in whole]


async def test_every_acknowledged_change_is_there(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random()
    began = dict.fromkeys(WORKERS, 0)
    created: dict[str, str] = {}
    updated: dict[str, str] = {}
    total = 0
    for _ in range(ROUNDS):
        untils = [chance.randint(1, CHANGES // len(WORKERS) // 2) for _ in WORKERS]
        workers = [await start(tmp_path, name, began[name]) for name in WORKERS]
        told = await asyncio.gather(*map(acknowledged, workers, untils))
        book = Book(FileSettings(tmp_path), CONFIG)
        await book.start()
        sources = book.snapshot.sources
        await book.close()
        for name, changes in zip(WORKERS, told, strict=True):
            total += 2 * len(changes)
            last, generation = changes[-1] if changes else (began[name], "")
            kept = sources[name].config.ttl_queries_ms
            assert kept in (last, last + 1), f"{name} was told {last}, and {kept} is there"
            assert sources[name].generation >= generation
            began[name] = kept
        for uid, settings in sources.items():
            assert settings.config.ttl_resources_ms == 2 * settings.config.ttl_queries_ms, "a mix of two changes"
            assert created.setdefault(uid, settings.created) == settings.created
            assert updated.get(uid, "") <= settings.updated
            updated[uid] = settings.updated
    assert total > 0
    record_property("acknowledged", total)


async def test_two_processes_to_the_end_lose_nothing(tmp_path: Path) -> None:
    workers = [await start(tmp_path, name, 0) for name in WORKERS]
    told = await asyncio.gather(*(acknowledged(worker, CHANGES) for worker in workers))
    assert [len(changes) for changes in told] == [CHANGES // len(WORKERS) // 2] * len(WORKERS)
    book = Book(FileSettings(tmp_path), CONFIG)
    await book.start()
    assert {book.snapshot.sources[name].config.ttl_queries_ms for name in WORKERS} == {CHANGES // len(WORKERS) // 2}
    await book.close()
