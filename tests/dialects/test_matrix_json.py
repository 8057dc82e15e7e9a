"""What Prometheus' matrix is read and written as, and what is not taken for one."""

import json
import tracemalloc

import pytest

from proxy.core.chunk import Part
from proxy.core.grid import Grid
from proxy.core.matrix import rows
from proxy.core.range_query import Flaw
from proxy.dialects.matrix_json import PROMETHEUS_MATRIX, PaddedSeconds, ShortestSeconds

GRID = Grid(15_000, 0)
FIRST, LAST = 100, 103  # 1500 s to 1545 s


def answer(*series: str, rest: str = "", data: str = "") -> bytes:
    result = ",".join(series)
    return b'{"status":"success","data":{"resultType":"matrix","result":[%s]%s}%s}' % (
        result.encode(),
        data.encode(),
        rest.encode(),
    )


def one(values: str, labels: str = '"a":"b"') -> str:
    return f'{{"metric":{{{labels}}},"values":[{values}]}}'


def read(body: bytes) -> Part | Flaw:
    return PROMETHEUS_MATRIX.read(body, GRID, FIRST, LAST)


HISTOGRAM = '{"count":"3","sum":"4.5","buckets":[[1,"0.5","1","2"],[0,"1","2","1"]]}'


@pytest.mark.parametrize(
    "body",
    [
        answer(),
        answer(one('[1500,"1"],[1515,"NaN"],[1530,"+Inf"],[1545,"1e-07"]')),
        answer(one('[1530,"1"]')),
        answer(one('[1500,"1"]', '"a":"[1515,\\"x\\"],"'), one('[1515,"2"]', '"a":"é ☃ \\u003c"')),
        answer(f'{{"metric":{{}},"histograms":[[1500,{HISTOGRAM}],[1530,{HISTOGRAM}]]}}'),
        answer(f'{{"metric":{{"a":"b"}},"values":[[1500,"1"]],"histograms":[[1515,{HISTOGRAM}]]}}'),
        answer(one('[1500,"1"]'), rest=',"warnings":["w"],"infos":["PromQL info: é \\"x\\""]'),
    ],
)
def test_what_is_read_is_written_byte_for_byte(body: bytes) -> None:
    part = read(body)
    assert isinstance(part, Part)
    written = PROMETHEUS_MATRIX.write(rows([part.matrix]), part.infos, part.warnings)
    assert json.loads(written) == json.loads(body)
    if b"infos" not in body:
        assert written == body


@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        (b"", Flaw.SHAPE),
        (b"null", Flaw.SHAPE),
        (answer()[:-1], Flaw.SHAPE),
        (answer().replace(b"success", b"error"), Flaw.SHAPE),
        (answer().replace(b"matrix", b"vector"), Flaw.SHAPE),
        (answer(rest=',"isPartial":true'), Flaw.PARTIAL),
        (answer(rest=',"new":1'), Flaw.SHAPE),  # would be lost
        (answer(data=',"stats":{}'), Flaw.SHAPE),
        (answer('{"metric":{},"values":[],"exemplars":[]}'), Flaw.SHAPE),
        (answer(one('[1500,"1"]'), one('[1515,"1"]')), Flaw.DOUBLE),
        (answer(one('[1500,"1"]', '"a":"b","c":"d"'), one('[1515,"1"]', '"c":"d","a":"b"')), Flaw.DOUBLE),
        (answer(one('[1485,"1"]')), Flaw.GRID),  # before what was asked for
        (answer(one('[1560,"1"]')), Flaw.GRID),
        (answer(one('[1501,"1"]')), Flaw.GRID),
        (answer(one('[1500.000,"1"]')), Flaw.GRID),
        (answer(one('[1500.5,"1"]')), Flaw.GRID),
        (answer(one('[1515,"1"],[1500,"1"]')), Flaw.ORDER),
        (answer(one('[1500,"1"],[1500,"1"]')), Flaw.ORDER),
        (answer(one('[1500,"1"],[1515,"1"],[1515,"1"],[1530,"1"],[1545,"1"]')), Flaw.ORDER),
        (answer(one("[1500,1]")), Flaw.SHAPE),
        (answer(one('[1500,"1"],[1515,2]')), Flaw.SHAPE),
        (answer(one('[1500,"1"],7')), Flaw.SHAPE),
        (answer(one('[1500,"1"], [1515,"1"]')), Flaw.SHAPE),
        (answer(one('[1500,"1"],\n[1515,"1"]')), Flaw.SHAPE),
        (answer(one('[1500,"1","2"]')), Flaw.SHAPE),
        (answer(one('[1500,"a,b"]')), Flaw.SHAPE),
        (answer(one('[1500,"a\\"],[1515,\\"b"]')), Flaw.SHAPE),
        (answer(one('["1500","1"]')), Flaw.SHAPE),
        (answer('{"metric":{"a":1},"values":[[1500,"1"]]}'), Flaw.SHAPE),
        (answer('{"metric":[],"values":[[1500,"1"]]}'), Flaw.SHAPE),
        (answer('{"metric":{"a":\n"b"},"values":[[1500,"1"]]}'), Flaw.SHAPE),
        (answer('{"metric":{},"values":{}}'), Flaw.SHAPE),
        (answer('{"metric":{},"values":"[]"}'), Flaw.SHAPE),
        (answer('{"metric":{},"histograms":[[1500,1]]}'), Flaw.SHAPE),
        (answer(f'{{"metric":{{}},"histograms":[[1501,{HISTOGRAM}]]}}'), Flaw.GRID),
        (answer('{"metric":{},"histograms":[[1500,{"a":[{"b":1}],"c":[[1515,{}]]}]]}'), Flaw.SHAPE),
    ],
)
def test_what_was_not_asked_for_is_not_taken(body: bytes, flaw: Flaw) -> None:
    assert read(body) is flaw


@pytest.mark.parametrize("nothing", ["{}", "null", '{"name":"","executionTime":"0s","children":null}'])
def test_an_answer_of_thanos_is_one_though_it_says_that_nothing_was_analysed(nothing: str) -> None:
    """Its querier and its query frontend say so in every answer: Go's `omitempty` leaves out no struct."""
    part = read(answer(one('[1500,"1"]'), data=f',"analysis":{nothing}'))
    assert isinstance(part, Part)
    assert PROMETHEUS_MATRIX.write(rows([part.matrix]), (), ()) == answer(one('[1500,"1"]'))


def test_many_series_of_few_samples_over_many_points_take_no_memory_for_those_they_do_not_have() -> None:
    body = answer(*(one(f'[{15 * number},"1"]', f'"a":"{number}"') for number in range(2000)))
    tracemalloc.start()
    try:
        assert isinstance(PROMETHEUS_MATRIX.read(body, GRID, 0, 11_000), Part)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 100 * len(body)


def test_a_series_without_samples_is_none() -> None:
    part = read(answer(one(""), one('[1500,"1"]', '"c":"d"')))
    assert isinstance(part, Part)
    assert part.matrix.names == b'{"c":"d"}\n'


@pytest.mark.parametrize(
    ("time_ms", "padded", "shortest"),
    [
        (0, b"0", b"0"),
        (1_700_000_000_000, b"1700000000", b"1700000000"),
        (1_700_000_000_500, b"1700000000.500", b"1700000000.5"),
        (1_700_000_000_050, b"1700000000.050", b"1700000000.05"),
        (1_700_000_000_005, b"1700000000.005", b"1700000000.005"),
        (1_700_000_010_000, b"1700000010", b"1700000010"),
    ],
)
def test_stamps_are_written_as_the_sources_write_them(time_ms: int, padded: bytes, shortest: bytes) -> None:
    for stamps, text in ((PaddedSeconds(), padded), (ShortestSeconds(), shortest)):
        assert stamps.write(time_ms) == text
        assert stamps.read(text) == time_ms


def test_a_front_end_that_writes_fewer_decimals_is_read_and_clipped_too() -> None:
    grid = Grid(500, 0)
    body = answer(one('[10,"1"],[10.5,"2"],[11,"3"],[11.5,"4"],[12,"5"]'))
    part = PROMETHEUS_MATRIX.read(body, grid, 20, 24)
    assert isinstance(part, Part)
    cut = part.clipped(21, 23, grid, PROMETHEUS_MATRIX.stamps)
    written = PROMETHEUS_MATRIX.write(rows([cut.matrix]), (), ())
    assert written == answer(one('[10.5,"2"],[11,"3"],[11.5,"4"]'))
