"""Clipping and joining runs of bytes does what taking every sample apart would do."""

import itertools
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.chunk import NOTHING, POINTS, Chunk, Part, bounds, decode, encode, number_of
from proxy.core.extents import Extent, Lives, asked
from proxy.core.grid import Grid
from proxy.core.matrix import FLOAT_ENDS, HISTOGRAM_ENDS, Cut, Matrix, Row, compact, join, rows
from proxy.dialects.matrix_json import PaddedSeconds, ShortestSeconds

GRIDS = st.sampled_from([Grid(15_000, 0), Grid(1500, 700), Grid(1, 0), Grid(86_400_000, 79_200_000), Grid(7001, 3)])
STAMPS = st.sampled_from([PaddedSeconds(), ShortestSeconds()])
VALUES = st.sampled_from(["0", "1.5", "NaN", "+Inf", "-Inf", "1e-07", "0.26666666666666666"])
NAMES = st.sampled_from(
    [{}, {"__name__": "up"}, {"__name__": "up", "a": "é ☃"}, {"a": 'q"\\'}, {"a": "<&>"}, {"b": ""}, {"b": "[1,"}]
)
FIRST = 100
LAST = 140

Samples = dict[int, str]
Model = dict[tuple[tuple[str, str], ...], tuple[Samples, Samples]]
"""Of each series its floats and its histograms, by index."""


def samples_of() -> st.SearchStrategy[Samples]:
    return st.dictionaries(st.integers(FIRST, LAST), VALUES, max_size=20)


@st.composite
def models(draw: st.DrawFn) -> Model:
    names = draw(st.lists(NAMES, max_size=5, unique_by=lambda name: tuple(sorted(name.items()))))
    model: Model = {}
    for name in names:
        floats = draw(samples_of())
        histograms = draw(st.one_of(st.just({}), samples_of()))
        key = tuple(sorted(name.items()))
        model[key] = (floats, {index: value for index, value in histograms.items() if index not in floats})
    return {key: model[key] for key in sorted(model)}


def made(model: Model, grid: Grid, stamps: PaddedSeconds) -> Matrix:
    def stamp(index: int) -> bytes:
        return stamps.write(grid.time_ms(index))

    found = []
    for key, (floats, histograms) in model.items():
        float_run = b"".join(b'[%s,"%s"],' % (stamp(i), floats[i].encode()) for i in sorted(floats))
        histogram_run = b"".join(
            b'[%s,{"count":"1","sum":"%s","buckets":[[0,"1","2","3"],[1,"1","2","3"]]}],'
            % (stamp(i), histograms[i].encode())
            for i in sorted(histograms)
        )
        name = json.dumps(dict(key)).encode()
        found.append(Row(name, [float_run] if float_run else [], [histogram_run] if histogram_run else []))
    return compact(found)


def read(matrix: Matrix, grid: Grid, stamps: PaddedSeconds) -> Model:
    return read_rows(rows([matrix]), grid, stamps)


def read_rows(found: list[Row], grid: Grid, stamps: PaddedSeconds) -> Model:
    def samples(pieces: Sequence[bytes | memoryview]) -> list[tuple[int, object]]:
        text = b"".join(pieces).removesuffix(b",")
        parsed = json.loads(b"[" + text + b"]", parse_float=str, parse_int=str)
        return [(grid.index_at(stamps.read(stamp.encode())), value) for stamp, value in parsed]

    model: Model = {}
    for row in found:
        floats = {index: str(value) for index, value in samples(row.floats)}
        histograms = {index: str(value["sum"]) for index, value in samples(row.histograms) if isinstance(value, dict)}
        model[tuple(sorted(json.loads(row.name).items()))] = (floats, histograms)
    return model


def clipped(model: Model, first: int, last: int) -> Model:
    def within(samples: Samples) -> Samples:
        return {index: value for index, value in samples.items() if first <= index <= last}

    found = {key: (within(floats), within(histograms)) for key, (floats, histograms) in model.items()}
    return {key: both for key, both in found.items() if any(both)}


@given(models(), GRIDS, STAMPS, st.integers(FIRST - 2, LAST + 2), st.integers(FIRST - 2, LAST + 2))
def test_a_clipped_matrix_has_the_samples_within(
    model: Model, grid: Grid, stamps: PaddedSeconds, one: int, other: int
) -> None:
    first, last = sorted((one, other))
    matrix = made(model, grid, stamps).clipped(Cut(grid, stamps, FIRST, LAST), first, last)
    assert read(matrix, grid, stamps) == clipped(model, first, last)


@given(models(), GRIDS, STAMPS, st.lists(st.integers(FIRST, LAST - 1), max_size=4, unique=True))
def test_whatever_is_cut_is_whole_again_when_joined(
    model: Model, grid: Grid, stamps: PaddedSeconds, cuts: list[int]
) -> None:
    matrix = made(model, grid, stamps)
    edges = [FIRST - 1, *sorted(cuts), LAST]
    parts = [matrix.clipped(Cut(grid, stamps, FIRST, LAST), low + 1, high) for low, high in itertools.pairwise(edges)]
    whole = clipped(model, FIRST, LAST)
    assert read_rows(rows(parts), grid, stamps) == whole
    assert read(join(parts), grid, stamps) == whole
    assert list(read_rows(rows(parts), grid, stamps)) == list(whole)  # in the order of the labels


@given(st.lists(models(), min_size=1, max_size=4), GRIDS, STAMPS)
def test_series_that_come_and_go_are_joined_in_the_order_of_their_labels(
    found: list[Model], grid: Grid, stamps: PaddedSeconds
) -> None:
    """Matrices of stretches that follow one another, each with its own series."""
    span = LAST - FIRST + 1
    expected: Model = {}
    matrices = []
    for number, model in enumerate(found):
        later: Model = {
            key: ({i + number * span: v for i, v in floats.items()}, {i + number * span: v for i, v in hist.items()})
            for key, (floats, hist) in model.items()
        }
        matrices.append(made(later, grid, stamps))
        for key, (floats, hist) in later.items():
            before = expected.setdefault(key, ({}, {}))
            expected[key] = (before[0] | floats, before[1] | hist)
    expected = {key: expected[key] for key in sorted(expected) if any(expected[key])}
    joined = read(join(matrices), grid, stamps)
    assert joined == expected
    if len({matrix.names for matrix in matrices}) > 1:
        assert list(joined) == list(expected)


TIMES = st.integers(0, 2**40)


@st.composite
def extents_lists(draw: st.DrawFn) -> list[Extent]:
    """Sorted and disjoint."""
    borders = sorted(draw(st.sets(st.integers(-99, 99), max_size=8)))
    return [
        Extent(first, last, draw(TIMES), draw(TIMES), draw(st.booleans()))
        for first, last in zip(borders[::2], borders[1::2], strict=False)
    ]


@given(models(), GRIDS, extents_lists(), st.lists(st.text(max_size=8), max_size=3))
def test_a_chunk_reads_back(model: Model, grid: Grid, extents: list[Extent], infos: list[str]) -> None:
    chunk = Chunk(extents=extents, matrix=made(model, grid, PaddedSeconds()), infos=infos)
    data = encode(chunk)
    found = decode(data)
    assert found is not None
    assert (found.extents, list(found.infos)) == (extents, infos)
    assert read(found.matrix, grid, PaddedSeconds()) == read(chunk.matrix, grid, PaddedSeconds())
    again = decode(encode(found))
    assert again is not None
    assert read(again.matrix, grid, PaddedSeconds()) == read(chunk.matrix, grid, PaddedSeconds())


@given(models(), st.integers(0, 2000), st.integers(0, 255))
def test_a_chunk_that_was_cut_or_changed_is_none_or_raises_nothing(model: Model, at: int, byte: int) -> None:
    data = bytearray(encode(Chunk(extents=(), matrix=made(model, Grid(1, 0), PaddedSeconds()))))
    data[at % len(data)] = byte
    decode(bytes(data))
    for length in (0, at % len(data)):
        decode(bytes(data[:length]))


@pytest.mark.parametrize(
    "extents",
    [
        [Extent(5, 4, 0, 1, True)],
        [Extent(0, 10, 0, 1, True), Extent(3, -1, 0, 1, True)],
        [Extent(0, 2, 0, 1, True), Extent(2, 3, 0, 1, True)],
        [Extent(3, 4, 0, 1, True), Extent(0, 1, 0, 1, True)],
        [Extent(0, 1, -1, 1, True)],
    ],
)
def test_a_chunk_of_points_that_cannot_have_been_asked_is_none(extents: list[Extent]) -> None:
    assert decode(encode(Chunk(extents=extents))) is None


LIVES = Lives(young_ms=60, settled_ms=1000)


@given(
    GRIDS,
    STAMPS,
    st.lists(st.tuples(st.integers(0, POINTS - 1), st.integers(0, POINTS - 1), st.integers(0, 9)), max_size=8),
)
def test_parts_that_are_merged_make_what_each_point_was_last_said_to_be(
    grid: Grid, stamps: PaddedSeconds, parts: list[tuple[int, int, int]]
) -> None:
    """Each part says its own number of every second point, and of every third under another series."""
    chunk, expected = NOTHING, dict[int, tuple[str | None, str | None]]()
    for one, other, said in parts:
        first, last = min(one, other), max(one, other)
        everywhere = range(first, last + 1)
        here = {i: str(said) for i in everywhere if i % 2 == said % 2}
        there = {i: str(said) for i in everywhere if i % 3 == said % 3}
        matrix = made({(("a", "1"),): (here, {}), (("b", "2"),): ({}, there)}, grid, stamps)
        part = Part(first=first, last=last, matrix=matrix)
        chunk = chunk.with_part(part, asked(first, last, settled_to=9999, age_ms=0, lives=LIVES), grid, stamps)
        expected |= {i: (here.get(i), there.get(i)) for i in everywhere}
        kept = decode(encode(chunk))
        assert kept is not None
        chunk = kept
    found = read(chunk.matrix, grid, stamps)
    here, _ = found.get((("a", "1"),), ({}, {}))
    _, there = found.get((("b", "2"),), ({}, {}))
    assert here == {i: a for i, (a, _) in expected.items() if a is not None}
    assert there == {i: b for i, (_, b) in expected.items() if b is not None}
    assert {i for e in chunk.extents for i in range(e.first, e.last + 1)} == set(expected)


def test_the_chunks_of_a_range_cover_it() -> None:
    for index in (-257, -256, -1, 0, 255, 256, 10**9):
        first, last = bounds(number_of(index))
        assert first <= index <= last
        assert last - first + 1 == POINTS


def test_a_samples_end_is_found_in_floats_and_in_histograms() -> None:
    assert FLOAT_ENDS in b'[1,"2"],[3,"4"],'
    assert HISTOGRAM_ENDS in b'[1,{"a":[[0,"1"],[1,"2"]]}],[3,{}],'
