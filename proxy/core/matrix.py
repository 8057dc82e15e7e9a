"""Series over a stretch of a grid, held as the bytes that the source wrote.

A sample is never taken apart: a series' samples are one run of bytes, `[<stamp>,<value>],` again and again, and to clip
is to find where the sample of an index begins, and to join is to put runs behind one another. A `Matrix` is a view:
its runs are offsets into a blob that several of them may share, so nothing is copied before an answer or a chunk is
written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain
from operator import sub
from typing import NamedTuple, Protocol

import orjson

from .grid import Grid

Offsets = Sequence[int]

FLOAT_ENDS = b'"],['
"""Where a sample ends and the next one begins: in a value's text there is neither a quote nor a bracket."""
HISTOGRAM_ENDS = b"}],["
"""The same for native histograms, whose samples are objects with arrays of buckets in them."""
_SLACK_BYTES = 96
"""Values are not all of one length: some samples before the place where one is thought to be."""
_EMPTY_SHARE = 8
"""One in so many series may be without samples: label sets that are alike all along are quicker to put together. Are there
more, as where series come and go, their label sets would be most of what is kept.
"""
_SORTED_BYTES = 8 * 1024
"""To read a label set and to find its place takes as long as to join so many."""
_VIEWED_BYTES = 16 * 1024
"""A view of a run is dearer to make than a short copy of it."""


class Unreadable(ValueError):
    """Samples or labels that no codec has passed: something else than a source wrote them."""


class Stamps(Protocol):
    """How a source writes a sample's time. `read` raises ValueError for what is none."""

    def write(self, time_ms: int) -> bytes: ...
    def read(self, stamp: bytes) -> int: ...


class Cut(NamedTuple):
    """What has to be known to cut samples: all of them are at points `first` to `last` of the grid."""

    grid: Grid
    stamps: Stamps
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """One run of samples a series: `blob[begins[i]:ends[i]]`, samples separated by `between`, each with a comma behind."""

    blob: bytes
    begins: Offsets
    ends: Offsets
    between: bytes

    def slices(self) -> "list[bytes] | list[memoryview]":
        blob = self.blob
        if len(blob) < _VIEWED_BYTES:
            return [blob[begin:end] for begin, end in zip(self.begins, self.ends, strict=True)]
        view = memoryview(blob)
        return [view[begin:end] for begin, end in zip(self.begins, self.ends, strict=True)]

    def lengths(self) -> list[int]:
        return list(map(sub, self.ends, self.begins))

    def clipped(self, cut: Cut, first: int | None, last: int | None) -> "Runs":
        """Only the samples of `first` to `last`; None is no bound, and costs no search."""
        begins, ends = self.begins, self.ends
        if first is not None:
            begins = self._positions(cut, first)
        if last is not None:
            ends = list(map(max, begins, self._positions(cut, last + 1)))
        return Runs(blob=self.blob, begins=begins, ends=ends, between=self.between)

    def _positions(self, cut: Cut, index: int) -> Offsets:
        """Where in each run the first sample that is not before `index` begins, or the run's end. It is looked for where it
        is if the run has a sample everywhere, first.
        """
        needle = b"[%s,%s" % (cut.stamps.write(cut.grid.time_ms(index)), b'"' if self.between == FLOAT_ENDS else b"{")
        find, search = self.blob.find, self._search
        share = (index - cut.first) / (cut.last + 1 - cut.first)
        found = []
        for begin, end in zip(self.begins, self.ends, strict=True):
            guess = begin + int((end - begin) * share) - _SLACK_BYTES
            at = find(needle, guess if guess > begin else begin, end)
            found.append(at if at >= 0 else search(cut, begin, end, index))
        return found

    def _search(self, cut: Cut, begin: int, end: int, index: int) -> int:
        """The same where that was wrong, or the index has no sample, by bisection: all that begins before `low` is too
        early, nothing that begins at `high` or behind it is. Raises Unreadable.
        """
        blob, between = self.blob, self.between
        low, high = begin, end
        while low < high:
            boundary = blob.rfind(between, low, (low + high) // 2)
            at = boundary + len(between) - 1 if boundary >= 0 else low
            try:
                time_ms = cut.stamps.read(blob[at + 1 : blob.index(b",", at)])
            except ValueError:
                raise Unreadable("not a sample") from None
            if cut.grid.index_at(time_ms) >= index:
                high = at
                continue
            boundary = blob.find(between, at, high)
            low = boundary + len(between) - 1 if boundary >= 0 else high
        return low


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """`names` are the series' label sets, each one line of JSON, in the order of the runs; the lines end with a newline.

    `histograms` is None where no series has any.
    """

    names: bytes
    floats: Runs
    histograms: Runs | None = None
    is_compact: bool = False
    """Its blob has its own runs and nothing else."""

    def __len__(self) -> int:
        return len(self.floats.begins)

    def clipped(self, cut: Cut, first: int | None, last: int | None) -> "Matrix":
        if first is None and last is None:
            return self
        return Matrix(
            names=self.names,
            floats=self.floats.clipped(cut, first, last),
            histograms=self.histograms.clipped(cut, first, last) if self.histograms is not None else None,
        )


EMPTY = Matrix(names=b"", floats=Runs(blob=b"", begins=(), ends=(), between=FLOAT_ENDS))

Pieces = Sequence[bytes | memoryview]


class Row(NamedTuple):
    """A series' samples as pieces that follow one another, some of them empty; never all."""

    name: bytes
    floats: Pieces
    histograms: Pieces = ()


def rows(matrices: Sequence[Matrix]) -> list[Row]:
    """The series of matrices that follow one another in time, in the order of their labels; no series without samples."""
    if not _are_alike(matrices):
        return _sorted(matrices)
    names = split_names(matrices[0].names) if matrices else ()
    floats: list[Pieces] = list(zip(*[matrix.floats.slices() for matrix in matrices], strict=True))
    histograms: list[Pieces] = list(
        zip(*[matrix.histograms.slices() for matrix in matrices if matrix.histograms is not None], strict=True)
    )
    found = map(Row, names, floats, histograms) if histograms else map(Row, names, floats)
    return [row for row in found if any(row.floats) or any(row.histograms)]


def work_bytes(matrices: Sequence[Matrix]) -> int:
    """How much it is to make `rows` of them, in bytes that could be joined meanwhile."""
    to_sort = 0 if _are_alike(matrices) else sum(map(len, matrices))
    return sum(len(matrix.floats.blob) for matrix in matrices) + _SORTED_BYTES * to_sort


def _are_alike(matrices: Sequence[Matrix]) -> bool:
    """The usual case: the same series in each, in the source's own order."""
    return all(matrix.names == matrices[0].names for matrix in matrices)


def _sorted(matrices: Sequence[Matrix]) -> list[Row]:
    found: dict[Labels, tuple[bytes, list[bytes | memoryview], list[bytes | memoryview]]] = {}
    for row in [row for matrix in matrices for row in rows([matrix])]:
        _, floats, histograms = found.setdefault(labels(row.name), (row.name, [], []))
        floats += row.floats
        histograms += row.histograms
    return [Row(*found[key]) for key in sorted(found)]


def join(matrices: Sequence[Matrix]) -> Matrix:
    """One matrix, with a blob of its own, of matrices that follow one another in time."""
    if len(matrices) == 1 and matrices[0].is_compact:
        return matrices[0]
    if not _are_alike(matrices) or any(matrix.histograms is not None for matrix in matrices):
        return compact(rows(matrices))
    lengths = list(map(sum, zip(*[matrix.floats.lengths() for matrix in matrices], strict=True)))
    if lengths.count(0) > len(lengths) // _EMPTY_SHARE:
        return compact(rows(matrices))
    blob = b"".join(chain.from_iterable(zip(*[matrix.floats.slices() for matrix in matrices], strict=True)))
    return Matrix(
        names=matrices[0].names, floats=runs(blob, 0, tuple(accumulate(lengths)), FLOAT_ENDS), is_compact=True
    )


def compact(found: Sequence[Row]) -> Matrix:
    """The floats' runs from the blob's beginning, then those of the histograms, nothing between or behind them."""
    blob = b"".join(
        [piece for row in found for piece in row.floats] + [piece for row in found for piece in row.histograms]
    )
    float_ends = tuple(accumulate(sum(map(len, row.floats)) for row in found))
    floats_end = float_ends[-1] if float_ends else 0
    histogram_ends = tuple(accumulate((sum(map(len, row.histograms)) for row in found), initial=floats_end))[1:]
    return Matrix(
        names=b"".join([row.name + b"\n" for row in found]),
        floats=runs(blob, 0, float_ends, FLOAT_ENDS),
        histograms=runs(blob, floats_end, histogram_ends, HISTOGRAM_ENDS) if floats_end < len(blob) else None,
        is_compact=True,
    )


def runs(blob: bytes, begin: int, ends: Offsets, between: bytes) -> Runs:
    """Runs that lie one behind the other, from `begin`."""
    return Runs(blob=blob, begins=(begin, *ends[:-1]) if ends else (), ends=ends, between=between)


Labels = tuple[tuple[str, str], ...]


def labels(name: bytes) -> Labels:
    """A label set in the order in which Prometheus compares them: by name, then by value. Code points sort as their UTF-8
    does. Raises Unreadable for what is no object of strings.
    """
    return _remembered_labels(name) if len(name) <= _REMEMBERED_LABELS_BYTES else _labels(name)


def _labels(name: bytes) -> Labels:
    try:
        found = orjson.loads(name)
    except orjson.JSONDecodeError:
        raise Unreadable("not a label set") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise Unreadable("not a label set")
    return tuple(sorted(found.items()))


_REMEMBERED_LABELS_BYTES = 512
_remembered_labels = lru_cache(maxsize=8192)(_labels)


def split_names(names: bytes) -> tuple[bytes, ...]:
    return _remembered(names) if len(names) <= _REMEMBERED_BYTES else _split(names)


def _split(names: bytes) -> tuple[bytes, ...]:
    return tuple(names.split(b"\n")[:-1])


_REMEMBERED_BYTES = 64 * 1024
_remembered = lru_cache(maxsize=64)(_split)
"""A panel's chunks have the same series, refresh after refresh."""
