"""The Caching API on a real listener, over a real settings file."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from proxy.config.schema import Auth, Config, Source, SourceCache, Token
from proxy.engine.source import Limits, SourceRuntime
from proxy.engine.sources import Sources
from proxy.settings.book import Book
from proxy.settings.file import FileSettings
from proxy.settings.store import SettingsStore
from proxy.telemetry.metrics import Metrics
from proxy.upstream.client import Upstream
from proxy.web import caching_api, datasources_api, ops
from proxy.web.access import Access, ByToken
from proxy.web.admin import application
from proxy.web.cleaning import Cleaner
from proxy.web.guard import GuardedAppRunner

READ, WRITE = "datasources.caching:read", "datasources.caching:write"
TOKENS = {
    "admin": {READ: ["datasources:*"], WRITE: ["datasources:*"]},
    "reader": {READ: ["datasources:uid:*"]},
    "writer": {WRITE: ["datasources:uid:*"]},
    "one": {READ: ["datasources:uid:jZrmlLCGka"], WRITE: ["datasources:uid:jZrmlLCGka"]},
    "nobody": {},
}
UID = "jZrmlLCGka"
URL = "http://localhost:9090"

CONFIG = Config(
    auth=Auth(
        tokens=tuple(
            Token(name=name, sha256=hashlib.sha256(name.encode()).hexdigest(), permissions=permissions)
            for name, permissions in TOKENS.items()
        )
    ),
    datasources=(
        Source(uid=UID, id=1, url=URL),
        Source(uid="7", url=URL, cache=SourceCache(enabled=True)),
        Source(uid="other", id=7, url=URL),
        Source(uid="eight", id=8, url=URL),
    ),
)


class GuardedTestServer(TestServer):
    """As the admin listener is."""

    async def _make_runner(self, **options: Any) -> web.BaseRunner:
        return GuardedAppRunner(self.app, **options)


@dataclass
class Clearing:
    """A cache store's `sweep`, which may be told to fail."""

    results: list[bool] = field(default_factory=list)
    calls: list[Mapping[str, str]] = field(default_factory=list)
    """The generations of each call."""

    async def sweep(self, generations: Mapping[str, str]) -> bool:
        self.calls.append(generations)
        return self.results.pop(0) if self.results else True


@dataclass
class Admin:
    client: TestClient[web.Request, web.Application]
    book: Book
    clearing: Clearing
    failures: list[int] = field(default_factory=list)


@asynccontextmanager
async def admin(directory: Path, store: SettingsStore | None = None) -> AsyncIterator[Admin]:
    book = Book(store or FileSettings(directory), CONFIG, poll_seconds=0.01, moved=lambda: cleaner.soon())
    clearing = Clearing()
    failures: list[int] = []
    access = Access(CONFIG.auth)
    sources = Sources.of(SourceRuntime.of(source, Limits.of(CONFIG), Upstream(source)) for source in CONFIG.datasources)
    cleaner = Cleaner(
        clearing.sweep,
        lambda: {uid: settings.generation for uid, settings in book.snapshot.sources.items()},
        failed=lambda: failures.append(1),
        retry_seconds=0.001,
    )

    readiness = ops.Readiness(list)
    readiness.phase = ops.Phase.READY

    async def reload() -> None:
        pass

    app = application(
        [
            *caching_api.routes(
                caching_api.Api(
                    book=book, cleaner=cleaner, admission=ByToken(access=access, settings=lambda: book.snapshot)
                )
            ),
            *datasources_api.routes(book, lambda: sources, access),
            *ops.routes(readiness=readiness, metrics=Metrics(), access=access, reload=reload),
        ]
    )
    await book.start()
    try:
        async with TestClient(GuardedTestServer(app)) as client:
            yield Admin(client=client, book=book, clearing=clearing, failures=failures)
    finally:
        await cleaner.close()
        await book.close()
