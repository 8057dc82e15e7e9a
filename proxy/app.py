"""The composition root: the only file that knows everyone. Starts the parts in order, swaps them on reload, drains."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from aiohttp import web

from . import __version__
from .cache.memory import MemoryStore
from .cache.store import Store
from .config.schema import MIB, Config
from .core.forwarded import AuthProxy
from .engine.front.front import Front
from .engine.front.sources import asked_source, grafana_source
from .engine.pipeline import Pipeline
from .engine.sources import Sources, SourcesInForce
from .errors import ConfigError, MillpondError
from .settings.book import Book
from .settings.file import FileSettings
from .telemetry import logs
from .telemetry.faults import SourceFaults
from .telemetry.metrics import Metrics
from .upstream.client import Upstream
from .web import admin, caching_api, datasources_api, ops
from .web.access import Access, Admission, ByToken, ensure_admin_token
from .web.cleaning import Cleaner
from .web.data import DataHandler
from .web.front import FrontHandler
from .web.front_access import FrontApi
from .web.front_pages import Pages
from .web.front_path import SubPath
from .web.guard import GuardedAppRunner, GuardedServer, require_c_parser

_log = logging.getLogger(__name__)
_BACKLOG = 1024
_LINGER_SECONDS = 1.0
"""How long a draining process still accepts, answering with `Connection: close`, so that keep-alive clients leave."""
_STORES = ("backend", "redis", "memory", "max_value_mb", "connection_timeout_ms", "read_timeout_ms", "write_timeout_ms")
"""The keys of `caching` by which the stores were opened."""
_CLOSE_SECONDS = 1.0
"""What a connection gets to end by itself once the drain is over."""


def serve(config: Config, reload: Callable[[], Config]) -> int:
    """Run until SIGTERM or SIGINT; returns the process's exit status. `reload` loads the configuration anew, or raises
    ConfigError.
    """
    logs.configure(config.telemetry.log_format, config.telemetry.log_level, sys.stderr)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(config, reload))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(config: Config, reload: Callable[[], Config]) -> int:
    app = App(config, reload)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        # At once means at once: what is durable is so already, and nothing else is worth waiting for.
        loop.add_signal_handler(signum, lambda: os._exit(1) if stop.is_set() else stop.set())
    loop.add_signal_handler(signal.SIGHUP, app.reload_soon)
    try:
        await app.start()
        await stop.wait()
        await app.drain()
    except MillpondError as error:
        _log.error("cannot start: %s", error.public_message)
        return 1
    finally:
        await app.close()
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _InFront:
    """The parts of the position in front of Grafana."""

    upstream: Upstream
    questions: Upstream
    front: Front
    handler: FrontHandler


class App:
    """One process: its parts, and the order in which they start, change and end. `monotonic` (seconds) and `now_ms` are its
    clocks, those of Redis apart.
    """

    def __init__(
        self,
        config: Config,
        reload: Callable[[], Config],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._config = config
        self._load = reload
        self._monotonic = monotonic
        self._now_ms = now_ms
        self.metrics = Metrics()
        self.store = _store(config, self.metrics, monotonic)
        self.book = _book(
            config,
            moved=lambda: self._cleaner.soon(),
            failed=lambda kind: self.metrics.settings_failed(kind=kind),
        )
        self.access = Access(config.auth)
        self.readiness = ops.Readiness(self._failing)
        self.sources = SourcesInForce(SourceFaults(self.metrics))
        self._pipeline = Pipeline(
            book=self.book, store=self.store, metrics=self.metrics, monotonic=monotonic, now_ms=now_ms
        )
        self._cleaner = Cleaner(
            self.store.sweep,
            lambda: self.book.generations,
            failed=lambda: self.metrics.store_failed(operation="sweep", kind="unfinished"),
        )
        self.metrics.watch("store_degraded", "Whether the cache's store fails (1).", lambda: self.store.degraded)
        self.metrics.watch(
            "settings_degraded", "Whether the settings' store fails (1).", lambda: not self.book.reachable
        )
        self._grafana = self._in_front(config) if config.grafana.url else None
        self._data = DataHandler(
            pipeline=self._pipeline,
            sources=lambda: self.sources.current,
            settings=lambda: self.book.snapshot,
            metrics=self.metrics,
            front=self._grafana.handler if self._grafana is not None else None,
        )
        self._runners: list[web.BaseRunner] = []
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def _in_front(self, config: Config) -> "_InFront":
        grafana = config.grafana
        upstream = Upstream(grafana_source(config), SourceFaults(self.metrics))
        # Not logged: the words would send the operator to a timeout that is not theirs to set.
        questions = Upstream(
            asked_source(config), lambda uid, error: self.metrics.upstream_failed(uid=uid, kind=error.kind)
        )
        front = Front(
            config,
            upstream=upstream,
            questions=questions,
            pipeline=self._pipeline,
            book=self.book,
            store=self.store,
            metrics=self.metrics,
            monotonic=self._monotonic,
            now_ms=self._now_ms,
        )
        handler = FrontHandler(
            upstream=upstream,
            sub_path=SubPath.of(grafana.url, grafana.path or None),
            auth_proxy=AuthProxy(
                headers=frozenset(name.lower() for name in grafana.auth_proxy.headers),
                networks=tuple(map(ip_network, grafana.auth_proxy.addresses)),
            ),
            metrics=self.metrics,
            engine=front,
            pages=Pages(front),
            api=FrontApi(front=front, access=self.access, book=self.book, cleaner=self._cleaner),
        )
        return _InFront(upstream=upstream, questions=questions, front=front, handler=handler)

    async def start(self) -> None:
        """Listening and ready when it returns. Raises MillpondError for what an operator can mend."""
        require_c_parser()
        data_dir = Path(self._config.server.data_dir)
        _make_data_dir(data_dir)
        self._admit_generated_token(self._config)
        await self.store.start()
        await self.book.start()
        self._serve_sources(await self.sources.prepare(self._config))
        if self._grafana is not None:
            await self._grafana.upstream.start()
            await self._grafana.questions.start()
            _log.info("in front of Grafana", extra={"url": self._config.grafana.url})
        data_runner = web.ServerRunner(GuardedServer(self._data), shutdown_timeout=_CLOSE_SECONDS)
        await self._listen("data", data_runner, self._config.server.listen)
        routes = [
            *caching_api.routes(self._api(ByToken(access=self.access, settings=lambda: self.book.snapshot))),
            *datasources_api.routes(self.book, lambda: self.sources.current, self.access),
            *ops.routes(readiness=self.readiness, metrics=self.metrics, access=self.access, reload=self.reload),
        ]
        admin_runner = GuardedAppRunner(admin.application(routes), shutdown_timeout=_CLOSE_SECONDS)
        await self._listen("admin", admin_runner, self._config.server.admin_listen)
        gc.collect()
        gc.freeze()  # what lives as long as the process need not be looked at again
        self.readiness.phase = ops.Phase.READY

    def _api(self, admission: Admission) -> caching_api.Api:
        return caching_api.Api(book=self.book, cleaner=self._cleaner, admission=admission)

    def _admit_generated_token(self, config: Config) -> None:
        if not config.auth.tokens:
            self.access.admit(_admin_token(Path(config.server.data_dir)))

    def reload_soon(self) -> None:
        """SIGHUP: `reload`, whose failure is logged and counted."""
        task = asyncio.ensure_future(self._reload_quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload_quietly(self) -> None:
        with contextlib.suppress(MillpondError):
            await self.reload()

    async def reload(self) -> None:
        """The new configuration whole, or the old one stays and the error is raised."""
        async with self._reloading:
            try:
                config = await asyncio.to_thread(self._load)
                _refuse_what_needs_a_restart(self._config, config)
                self._admit_generated_token(config)
                sources = await self.sources.prepare(config)
            except MillpondError as error:
                self.metrics.reloaded(ok=False)
                _log.error("configuration not reloaded, the old one stays: %s", error.public_message)
                raise
            await self.book.configure(config)
            self._serve_sources(sources)
            if self._grafana is not None:
                self._grafana.front.configure(config)
            self.access.configure(config.auth)
            if config.telemetry != self._config.telemetry:
                logs.configure(config.telemetry.log_format, config.telemetry.log_level, sys.stderr)
            self._config = config
            self.metrics.reloaded(ok=True)
            _log.info("configuration reloaded")

    def _serve_sources(self, sources: Sources) -> None:
        self.sources.swap(sources)
        settings = self.book.snapshot.sources
        for uid, source in sources.by_uid.items():
            path = "/" if source.config.owns_root else f"/ds/{uid}"
            caching = "on" if source.limits.enabled and settings[uid].config.enabled else "off"
            about = {"type": source.config.type, "url": source.config.url, "path": path, "caching": caching}
            _log.info("data source", extra={"datasource": uid} | about)

    async def drain(self) -> None:
        """Not ready at once; for a moment every answer ends its connection; then nothing new is accepted, and what is in
        flight may end, up to the limit.
        """
        self.readiness.phase = ops.Phase.DRAINING
        self._data.drain()
        _log.info("draining")
        limit_seconds = self._config.server.drain_ms / 1000
        linger_seconds = min(_LINGER_SECONDS, limit_seconds)
        await asyncio.sleep(linger_seconds)
        data_runner = self._runners[0]
        for site in data_runner.sites:
            await site.stop()
        if not await self._data.idle(limit_seconds - linger_seconds):
            _log.warning("the drain's limit is over with requests in flight; they are cut off")

    async def close(self) -> None:
        for runner in self._runners:
            await runner.cleanup()
        if self._grafana is not None:
            await self._grafana.front.close()
        await self._pipeline.close()
        await self._cleaner.close()
        if self._grafana is not None:
            await self._grafana.upstream.close()
            await self._grafana.questions.close()
        await self.sources.close()
        await self.book.close()
        await self.store.close()

    def _failing(self) -> list[str]:
        failing = [] if self.book.reachable else ["settings"]
        if self.store.degraded:
            failing.append("cache")
        if self._grafana is not None and self._grafana.upstream.failing:
            failing.append("grafana")
        return [*failing, *(f"datasource {uid}" for uid in self.sources.failing())]

    async def _listen(self, name: str, runner: web.BaseRunner, address: str) -> None:
        host, _, port = address.rpartition(":")
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, host.strip("[]"), int(port), backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            key = "server.listen" if name == "data" else "server.admin_listen"
            raise MillpondError(
                f"cannot listen on {address}: {_reason(error)}; free it, or set {key} to a free address of this machine"
            ) from error
        for bound in runner.addresses:
            shown = f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"
            _log.info("listening", extra={"listener": name, "address": shown, "version": __version__})


def _reason(error: OSError) -> str:
    """asyncio puts a sentence of its own in place of the system's; a resolver's error has a negative number."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else str(error.strerror or error)


def _store(config: Config, metrics: Metrics, monotonic: Callable[[], float]) -> Store:
    caching = config.caching
    if caching.backend == "redis":
        from .cache.redis import RedisStore  # half of the start-up time, for those who use it

        return RedisStore(
            caching, on_fault=lambda operation, kind: metrics.store_failed(operation=operation, kind=kind)
        )
    store = MemoryStore(
        max_size_bytes=int(caching.memory.max_size_mb * MIB), max_value_bytes=caching.max_value_bytes, clock=monotonic
    )
    metrics.watch("memory_size_bytes", "Bytes of the entries in memory.", lambda: store.size_bytes)
    metrics.watch("memory_max_size_bytes", "What they may be at most.", lambda: caching.memory.max_size_mb * MIB)
    metrics.watch("memory_entries", "Entries in memory.", lambda: len(store))
    metrics.watch("memory_evictions_total", "Living entries that had to make room.", lambda: store.evictions)
    return store


def _book(config: Config, *, moved: Callable[[], None], failed: Callable[[str], None]) -> Book:
    on_disk = FileSettings(Path(config.server.data_dir))
    if config.caching.backend == "redis":
        from .settings.redis import RedisSettings

        return Book(RedisSettings(config.caching), config, copy=on_disk, moved=moved, failed=failed)
    return Book(on_disk, config, moved=moved, failed=failed)


def _make_data_dir(data_dir: Path) -> None:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise MillpondError(
            f"cannot make the data directory {data_dir} ({error.strerror}); set server.data_dir to one that can be written"
        ) from error


def _admin_token(data_dir: Path) -> str:
    try:
        return ensure_admin_token(data_dir)
    except OSError as error:
        raise MillpondError(
            f"cannot keep the admin token in {data_dir} ({error.strerror}); make it and what is in it readable and writable"
            f" for user {os.geteuid()}, or set server.data_dir to another"
        ) from error


def _refuse_what_needs_a_restart(old: Config, new: Config) -> None:
    fixed = {"server": (old.server, new.server), "grafana": (old.grafana, new.grafana)} | {
        f"caching.{key.removesuffix('_ms')}": (getattr(old.caching, key), getattr(new.caching, key)) for key in _STORES
    }
    changed = tuple((path, "changes only with a restart") for path, (was, is_now) in fixed.items() if was != is_now)
    if changed:
        raise ConfigError(changed)
