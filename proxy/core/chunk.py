"""A chunk: what is known of so many consecutive points of one query, as it is stored.

    samples · names of the series · infos · ends of the runs · extents · counts

Samples and label sets are the source's bytes; samples come first, so that the ends are offsets into the whole. The store
around it checks whose chunk it is and that it is whole (`cache.wire`); what does not fit together here is no chunk all
the same.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import gt

import msgspec
import orjson

from . import extents
from .extents import Extent, Lives
from .grid import Grid
from .matrix import EMPTY, FLOAT_ENDS, HISTOGRAM_ENDS, Cut, Matrix, Stamps, join, runs

POINTS = 256
"""Of a chunk. A refresh rewrites one, so it should be short; a look-up reads all of a range, so there should be few."""

_MOST_INFOS = 11
"""As many as Prometheus has in one answer, "n more omitted" included. Some name times and counts of samples, and are others
in each part: all of them together would be more at every refresh.
"""

_TAIL = struct.Struct("<III?HB")
_EXTENT = struct.Struct("<qqqqB")
_VERSION = 1
_INFOS = msgspec.json.Decoder(list[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """`extents` are sorted, disjoint, and within the chunk; every sample of `matrix` was asked by one of them, or by one
    that has expired. `infos` are the source's remarks on any part.
    """

    extents: Sequence[Extent] = ()
    matrix: Matrix = EMPTY
    infos: Sequence[str] = ()

    @property
    def size_bytes(self) -> int:
        """Of its samples and names, which is nearly all that is stored."""
        return len(self.matrix.floats.blob) + len(self.matrix.names)

    def aged(self, passed_ms: int) -> "Chunk":
        return Chunk(extents=extents.aged(self.extents, passed_ms), matrix=self.matrix, infos=self.infos)

    def with_part(self, part: "Part", new: Sequence[Extent], grid: Grid, stamps: Stamps) -> "Chunk":
        """With `part` in place of whatever was known of its points; `new` are its extents."""
        matrices = [part.matrix]
        if self.extents and self.extents[0].first < part.first:
            matrices.insert(0, self.clipped(None, part.first - 1, grid, stamps))
        if self.extents and self.extents[-1].last > part.last:
            matrices.append(self.clipped(part.last + 1, None, grid, stamps))
        return Chunk(
            extents=extents.added(self.extents, new),
            matrix=join(matrices),
            infos=united((part.infos, self.infos)),
        )

    def clipped(self, first: int | None, last: int | None, grid: Grid, stamps: Stamps) -> Matrix:
        """Its samples of `first` to `last`. What lies outside of its extents anyway is not searched for."""
        if not self.extents:
            return self.matrix
        cut = Cut(grid, stamps, self.extents[0].first, self.extents[-1].last)
        return self.matrix.clipped(
            cut,
            first if first is not None and first > cut.first else None,
            last if last is not None and last < cut.last else None,
        )

    def life_ms(self, lives: Lives) -> int:
        """How long any of it may still answer."""
        return max(map(lives.left_ms, self.extents), default=-lives.stale_ms) + lives.stale_ms


NOTHING = Chunk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a source said of the points `first` to `last`."""

    first: int
    last: int
    matrix: Matrix
    infos: Sequence[str] = ()
    warnings: Sequence[str] = ()

    def clipped(self, first: int, last: int, grid: Grid, stamps: Stamps) -> "Part":
        """Of it, `first` to `last`, which are within it."""
        matrix = self.matrix.clipped(
            Cut(grid, stamps, self.first, self.last),
            first if first > self.first else None,
            last if last < self.last else None,
        )
        return Part(first=first, last=last, matrix=matrix, infos=self.infos, warnings=self.warnings)


def united(infos: Iterable[Sequence[str]]) -> Sequence[str]:
    """The remarks of several, at most as many as a source has in one answer: those that come first."""
    return sorted(list(dict.fromkeys(chain.from_iterable(infos)))[:_MOST_INFOS])


def number_of(index: int) -> int:
    """Of the chunk that holds a point."""
    return index // POINTS


def bounds(number: int) -> tuple[int, int]:
    """The first and the last index of a chunk."""
    return number * POINTS, (number + 1) * POINTS - 1


def encode(chunk: Chunk) -> bytes:
    matrix = join([chunk.matrix])
    ends = (*matrix.floats.ends, *(matrix.histograms.ends if matrix.histograms is not None else ()))
    infos = orjson.dumps(list(chunk.infos)) if chunk.infos else b""
    return b"".join(
        (
            matrix.floats.blob,
            matrix.names,
            infos,
            struct.pack(f"<{len(ends)}I", *ends),
            *(_EXTENT.pack(*extent) for extent in chunk.extents),
            _TAIL.pack(
                len(matrix.names),
                len(infos),
                len(matrix),
                matrix.histograms is not None,
                len(chunk.extents),
                _VERSION,
            ),
        )
    )


def decode(data: bytes) -> Chunk | None:
    """The chunk, or None for what `encode` did not make."""
    try:
        return _decode(data)
    except (struct.error, ValueError):  # msgspec's errors are ValueErrors
        return None


def _decode(data: bytes) -> Chunk | None:
    tail_at = len(data) - _TAIL.size
    names_bytes, infos_bytes, series, has_histograms, extents_count, version = _TAIL.unpack_from(data, max(0, tail_at))
    ends_count = series * (1 + has_histograms)
    extents_at = tail_at - extents_count * _EXTENT.size
    ends_at = extents_at - 4 * ends_count
    infos_at = ends_at - infos_bytes
    names_at = infos_at - names_bytes
    if version != _VERSION or names_at < 0 or (has_histograms and not series):
        return None
    ends = struct.unpack_from(f"<{ends_count}I", data, ends_at)
    names = data[names_at:infos_at]
    if names.count(b"\n") != series or (ends[-1] if ends else 0) != names_at or any(map(gt, ends, ends[1:])):
        return None
    found = [
        Extent(first, last, age_ms, ttl_ms, bool(settled))
        for first, last, age_ms, ttl_ms, settled in _EXTENT.iter_unpack(data[extents_at:tail_at])
    ]
    if not extents.are_sound(found):
        return None
    return Chunk(
        extents=found,
        matrix=Matrix(
            names=names,
            floats=runs(data, 0, ends[:series], FLOAT_ENDS),
            histograms=runs(data, ends[series - 1], ends[series:], HISTOGRAM_ENDS) if has_histograms else None,
        ),
        infos=_INFOS.decode(data[infos_at:ends_at]) if infos_bytes else (),
    )
