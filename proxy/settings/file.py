"""The settings in the data directory: one SQLite file that several processes may share.

Why SQLite and a rollback journal: every change is a transaction that a kill leaves either whole or undone, processes
take turns, and there is one file and no shared-memory file beside it, as WAL has, so it works in any directory that
can be mounted. `synchronous=EXTRA` syncs the directory too after the journal is gone, which is the commit itself in
this mode; settings change rarely and may cost a few milliseconds.
"""

import asyncio
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ..errors import SettingsNotDurable, SettingsUnreadable
from .contents import Contents, decode, encode
from .store import Edit

T = TypeVar("T")

FILE_NAME = "settings.db"
_APPLICATION_ID = 0x4D494C4C  # "MILL": tells our file from any other SQLite database
_FORMAT = 1
_BUSY_SECONDS = 5.0

_SCHEMA = f"""
PRAGMA synchronous = EXTRA;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_FORMAT};
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE source (uid TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
"""


class FileSettings:
    """A `SettingsStore`. All SQLite calls run in one thread of its own, never on the event loop."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE_NAME
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="settings")
        self._connection: sqlite3.Connection | None = None

    async def start(self) -> None:
        await self._in_thread(self._open)

    async def load(self) -> Contents:
        return await self._in_thread(self._load)

    async def version(self) -> str:
        return await self._in_thread(self._version)

    async def change(self, edit: Edit) -> Contents:
        return await self._in_thread(lambda: self._change(edit))

    async def close(self) -> None:
        await self._in_thread(self._close)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _open(self) -> None:
        try:
            with self._reading():
                if not self._path.exists():
                    self._create()
                # Not "rwc": a file that vanished a moment ago must not come back empty.
                self._connection = connection = sqlite3.connect(
                    f"{self._path.absolute().as_uri()}?mode=rw",
                    uri=True,
                    timeout=_BUSY_SECONDS,
                    isolation_level=None,
                )
                connection.execute("PRAGMA synchronous = EXTRA")
                self._check()
                self._load()
        except BaseException:
            self._close()
            raise

    def _create(self) -> None:
        """Built beside its place and linked into it: an empty settings file is never ours, but a damaged one."""
        new = self._path.with_name(f".{FILE_NAME}.{secrets.token_hex(8)}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with closing(sqlite3.connect(new, isolation_level=None)) as connection:
                connection.executescript(_SCHEMA)
            with suppress(FileExistsError):  # another process was faster: its file holds
                os.link(new, self._path)
            _sync_directory(self._path.parent)
        except (sqlite3.Error, OSError) as error:
            raise SettingsNotDurable(
                f"The settings file {self._path} cannot be created: {error}. Make the directory writable for this "
                f"user, or set server.data_dir to another directory."
            ) from error
        finally:
            with suppress(OSError):
                new.unlink()

    def _check(self) -> None:
        if self._pragma("application_id") != _APPLICATION_ID:
            raise self._unreadable("it is empty, or not a settings file of Millpond")
        if (found := self._pragma("user_version")) != _FORMAT:
            raise self._unreadable(f"its format is {found}, and this version reads {_FORMAT}")
        if (result := self._pragma("quick_check")) != "ok":
            raise self._unreadable(f"it is damaged ({result})")

    def _pragma(self, name: str) -> object:
        return self._db.execute(f"PRAGMA {name}").fetchone()[0]

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise self._unreadable("it is not open")
        return self._connection

    def _version(self) -> str:
        with self._reading():
            row = self._db.execute("SELECT value FROM state WHERE name = 'version'").fetchone()
            return "" if row is None else str(row[0])

    def _load(self) -> Contents:
        with self._reading(), self._transaction("BEGIN"):
            return self._read()

    def _read(self) -> Contents:
        state = dict(self._db.execute("SELECT name, value FROM state"))
        records = {uid: decode(text) for uid, text in self._db.execute("SELECT uid, record FROM source")}
        return Contents(version=state.get("version", ""), generation=state.get("generation", ""), records=records)

    def _change(self, edit: Edit) -> Contents:
        try:
            with self._transaction("BEGIN IMMEDIATE"):
                with self._reading():
                    old = self._read()
                new = edit(old)
                if new.same(old):
                    return old
                new = replace(new, version=secrets.token_hex(8))
                self._write(old, new)
            return new
        except (sqlite3.Error, OSError, SettingsUnreadable) as error:
            reason = error.__cause__ if isinstance(error, SettingsUnreadable) else error
            raise SettingsNotDurable(
                f"The change could not be saved, and nothing has changed: the settings file cannot be written "
                f"({reason}). Check that the data directory is writable and its disk has room."
            ) from error

    def _write(self, old: Contents, new: Contents) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO state VALUES (?, ?)",
            [("version", new.version), ("generation", new.generation)],
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO source VALUES (?, ?)",
            [(uid, encode(it)) for uid, it in new.records.items() if it != old.records.get(uid)],
        )

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        self._db.execute(begin)
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors (disk full, I/O): then there is nothing to undo.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as error:
            raise self._unreadable(str(error)) from error

    def _unreadable(self, reason: str) -> SettingsUnreadable:
        return SettingsUnreadable(
            f"The settings file {self._path} cannot be read: {reason}. Restore it from a backup, or make it readable "
            f"for this user. To start with the configuration file's settings alone, move it away: what the API "
            f"changed is lost then."
        )


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
