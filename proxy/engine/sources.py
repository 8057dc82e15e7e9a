"""Which data source a path belongs to, and the sources in force, which a reload swaps as one object."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from ..config.schema import UID, Config
from ..errors import NotFound
from ..settings.model import Snapshot
from ..upstream.client import Upstream
from ..upstream.response import OnFailure
from .source import Limits, SourceRuntime

BASE = "/ds/"
_UID = re.compile(UID)


@dataclass(frozen=True, slots=True)
class Sources:
    by_uid: Mapping[str, SourceRuntime]
    root: SourceRuntime | None

    @classmethod
    def of(cls, sources: Iterable[SourceRuntime]) -> Self:
        by_uid = {source.config.uid: source for source in sources}
        return cls(by_uid, next((source for source in by_uid.values() if source.config.owns_root), None))

    def route(self, raw_path: str, settings: Snapshot) -> tuple[SourceRuntime, str]:
        """The source, by its uid or its numeric id, and the raw path below its base. Raises NotFound.

        The raw path is cut, never a decoded one: `/ds/prom%2fx/y` names no source (safety: T13).
        """
        if raw_path.startswith(BASE):
            segment, slash, rest = raw_path[len(BASE) :].partition("/")
            if _UID.fullmatch(segment):
                found = settings.find(segment)
                source = self.by_uid.get(found.uid) if found else None
                if source is None:
                    raise NotFound("Data source not found")
                return source, slash + rest or "/"
        if self.root is None:
            raise NotFound("No data source owns this path; call /ds/<uid>/<path of the data source's own API>")
        return self.root, raw_path


class SourcesInForce:
    """Opens the sources of a configuration, and closes those that have gone when their calls have ended."""

    def __init__(self, on_failure: OnFailure) -> None:
        self._on_failure = on_failure
        self._retiring: set[asyncio.Task[None]] = set()
        self.current = Sources.of(())

    async def prepare(self, config: Config) -> Sources:
        """The sources of `config`, ready to be swapped in. Raises ConfigError, and then nothing has changed.

        Those that did not change keep their connections, but for those with TLS files: these may have been renewed.
        """
        limits = Limits.of(config)
        runtimes: list[SourceRuntime] = []
        opened: list[Upstream] = []
        try:
            for source in config.datasources:
                kept = self.current.by_uid.get(source.uid)
                if kept is not None and kept.config == source and not source.tls.ca_file and not source.tls.cert_file:
                    upstream = kept.upstream
                else:
                    upstream = Upstream(source, self._on_failure)
                    opened.append(upstream)
                    await upstream.start()
                runtimes.append(SourceRuntime.of(source, limits, upstream))
        except BaseException:
            for upstream in opened:
                await upstream.close()
            raise
        return Sources.of(runtimes)

    def swap(self, sources: Sources) -> None:
        gone = _upstreams(self.current) - _upstreams(sources)
        self.current = sources
        for upstream in gone:
            retiring = asyncio.ensure_future(upstream.retire())
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)

    def failing(self) -> list[str]:
        """The uids of those that could not be reached when they were last asked."""
        return [uid for uid, source in self.current.by_uid.items() if source.upstream.failing]

    async def close(self) -> None:
        for retiring in self._retiring:
            retiring.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        for source in self.current.by_uid.values():
            await source.upstream.close()


def _upstreams(sources: Sources) -> set[Upstream]:
    return {source.upstream for source in sources.by_uid.values()}
