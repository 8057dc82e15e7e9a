"""Which data source a path belongs to. Immutable: a reload makes a new one and swaps it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from ..errors import NotFound
from .source import SourceRuntime

_BASE = "/ds/"
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class Sources:
    by_uid: dict[str, SourceRuntime]
    by_id: dict[str, SourceRuntime]
    root: SourceRuntime | None

    @classmethod
    def of(cls, sources: Iterable[SourceRuntime], ids: dict[str, int]) -> Self:
        """`ids` maps uids to the numeric ids that they also answer to."""
        by_uid = {source.config.uid: source for source in sources}
        by_id = {str(id_): by_uid[uid] for uid, id_ in ids.items() if uid in by_uid}
        root = next((source for source in by_uid.values() if source.config.owns_root), None)
        return cls(by_uid, by_id, root)

    def route(self, raw_path: str) -> tuple[SourceRuntime, str]:
        """The source, and the raw path below its base. Raises NotFound.

        The raw path is cut, never a decoded one: `/ds/prom%2fx/y` names no source (safety: T13).
        """
        if raw_path.startswith(_BASE):
            segment, slash, rest = raw_path[len(_BASE) :].partition("/")
            if _UID.fullmatch(segment):
                source = self.by_uid.get(segment) or self.by_id.get(segment)
                if source is not None:
                    return source, slash + rest or "/"
            if self.root is None or _UID.fullmatch(segment):
                raise NotFound("Data source not found")
        if self.root is None:
            raise NotFound("No data source owns this path; call /ds/<uid>/<path of the data source's own API>")
        return self.root, raw_path
