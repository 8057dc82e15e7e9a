"""A request as the data source sees it that a path of Grafana leads to: the same, with the rest of the path."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from ...core.model import Headers
from ..exchange import Incoming


@dataclass(frozen=True, slots=True)
class Below:
    """`whole` from `path` on. Both are raw."""

    whole: Incoming
    path: str

    @classmethod
    def of(cls, whole: Incoming, canonical_base: str) -> tuple[str, "Below"]:
        """Cut after the base, which has as many slashes in every spelling; returns the raw base too."""
        segments = whole.path.split("/")
        count = canonical_base.count("/") + 1
        base, rest = "/".join(segments[:count]), "/".join(segments[count:])
        return base, cls(whole, f"/{rest}" if len(segments) > count else "")

    @property
    def method(self) -> str:
        return self.whole.method

    @property
    def query(self) -> str:
        return self.whole.query

    @property
    def headers(self) -> Headers:
        return self.whole.headers

    async def read(self, limit_bytes: int) -> bytes | None:
        return await self.whole.read(limit_bytes)

    def stream(self) -> bytes | AsyncIterator[bytes]:
        return self.whole.stream()
