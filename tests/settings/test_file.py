"""The settings file under faults: each is made by the operating system, not by a stand-in."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.config.schema import Caching, Config, Redis, Secret, Source
from proxy.errors import SettingsNotDurable, SettingsUnreadable
from proxy.settings.book import Book
from proxy.settings.file import FILE_NAME, FileSettings
from proxy.settings.model import CacheConfig
from proxy.settings.redis import RedisSettings

CONFIG = Config(datasources=(Source(uid="a", url="http://localhost:9090"),))
ON = CacheConfig(enabled=True)


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that an unprivileged process may enter, as pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


async def make(directory: Path) -> Path:
    book = Book(FileSettings(directory), CONFIG)
    await book.start()
    await book.change("a", ON)
    await book.close()
    return directory / FILE_NAME


async def refused(directory: Path) -> str:
    book = Book(FileSettings(directory), CONFIG)
    with pytest.raises(SettingsUnreadable) as error:
        await book.start()
    await book.close()
    return str(error.value)


async def test_the_file_is_for_its_owner_alone_and_nothing_lies_beside_it(directory: Path) -> None:
    path = await make(directory)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(directory.iterdir()) == [path]


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 4096, b"not a database", b"SQLite format 3\0" + b"\xff" * 5000],
    ids=["empty", "zeros", "text", "header"],
)
async def test_a_file_that_is_no_settings_file_is_refused_and_left_alone(directory: Path, content: bytes) -> None:
    path = directory / FILE_NAME
    path.write_bytes(content)
    message = await refused(directory)
    assert str(path) in message
    assert "backup" in message
    assert path.read_bytes() == content


async def test_another_programs_database_is_refused(directory: Path) -> None:
    path = directory / FILE_NAME
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE source (x)")
    connection.close()
    assert "not a settings file" in await refused(directory)


@pytest.mark.parametrize("at", ["middle", "end"])
async def test_a_damaged_file_is_refused(directory: Path, at: str) -> None:
    path = await make(directory)
    content = bytearray(path.read_bytes())
    if at == "middle":
        content[4096:8192] = b"\xa5" * 4096
    else:
        del content[-4096:]
    path.write_bytes(content)
    assert str(path) in await refused(directory)


async def test_a_record_that_cannot_be_read_is_refused(directory: Path) -> None:
    path = await make(directory)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE source SET record = '{}'")
    connection.close()
    assert str(path) in await refused(directory)


async def test_a_newer_format_is_refused(directory: Path) -> None:
    path = await make(directory)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "its format is 99" in await refused(directory)


async def test_a_directory_that_cannot_be_made_is_told_at_the_start(directory: Path) -> None:
    (directory / "file").write_text("")
    book = Book(FileSettings(directory / "file" / "data"), CONFIG)
    with pytest.raises(SettingsNotDurable, match=r"server\.data_dir"):
        await book.start()
    await book.close()


async def test_an_unreadable_copy_is_refused_only_while_redis_is_down(directory: Path) -> None:
    (directory / FILE_NAME).write_bytes(b"damaged")
    nowhere = Caching(redis=Redis(url=Secret(f"unix://{directory}/no-redis")))
    book = Book(RedisSettings(nowhere), CONFIG, copy=FileSettings(directory))
    with pytest.raises(SettingsUnreadable):
        await book.start()
    await book.close()


async def test_a_copy_that_cannot_be_made_is_done_without(directory: Path) -> None:
    (directory / "file").write_text("")
    nowhere = Caching(redis=Redis(url=Secret(f"unix://{directory}/no-redis")))
    book = Book(RedisSettings(nowhere), CONFIG, copy=FileSettings(directory / "file" / "data"))
    await book.start()
    assert list(book.snapshot.sources) == ["a"]
    await book.close()


async def test_a_change_is_refused_when_the_file_was_taken_away(directory: Path) -> None:
    path = await make(directory)
    book = Book(FileSettings(directory), CONFIG, poll_seconds=3600)
    await book.start()
    path.unlink()
    with pytest.raises(SettingsNotDurable):
        await book.set_enabled("a", False)
    assert book.snapshot.sources["a"].config.enabled
    await book.close()


_CHANGE = """
import asyncio, os, resource, sys
import urllib.parse  # Python 3.13's pathlib imports it late, when nobody's Python may be out of reach
from pathlib import Path
from proxy.config.schema import Config, Source
from proxy.errors import SettingsNotDurable
from proxy.settings.book import Book
from proxy.settings.file import FileSettings

async def main(directory, fault):
    if fault == "read-only" and os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)  # root may write anything
    config = Config(datasources=(Source(uid="a", url="http://localhost:9090"),))
    book = Book(FileSettings(Path(directory)), config, poll_seconds=3600)
    await book.start()
    before = book.snapshot
    if fault == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))
    for change in (book.set_enabled("a", False), book.move_generation(), book.move_generation("a")):
        try:
            await change
        except SettingsNotDurable as error:
            print(error.status, error.public_message)
        else:
            sys.exit("a change was acknowledged")
    assert book.snapshot is before and before.sources["a"].config.enabled
    await book.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("fault", ["read-only", "full"])
async def test_a_change_that_cannot_be_written_is_refused_and_nothing_changes(directory: Path, fault: str) -> None:
    path = await make(directory)
    if fault == "read-only":
        path.chmod(0o444)
        directory.chmod(0o555)
    before = path.read_bytes()
    run = subprocess.run(
        [sys.executable, "-c", _CHANGE, str(directory), fault],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("500 The change could not be saved, and nothing has changed") == 3
    assert "room" in run.stdout
    directory.chmod(0o777)
    path.chmod(0o600)
    book = Book(FileSettings(directory), CONFIG)
    await book.start()
    assert book.snapshot.sources["a"].config == ON
    await book.close()
    if fault == "read-only":
        assert path.read_bytes() == before
