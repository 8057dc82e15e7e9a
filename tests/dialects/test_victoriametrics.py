"""VictoriaMetrics' range queries, as far as they are answered from parts."""

import json

import pytest

from proxy.core.chunk import Part
from proxy.core.grid import Grid
from proxy.core.matrix import rows
from proxy.core.model import Reason
from proxy.core.range_query import Flaw, RangeQuery
from proxy.dialects.victoriametrics import VICTORIAMETRICS

from .asking import FORM, ask, call, passed

PATH = "/api/v1/query_range"
BASE = "query=up&start=1700000000&end=1700003600&step=15"


def range_of(query: str, body: bytes = b"") -> RangeQuery | None:
    headers = {"Content-Type": FORM} if body else {}
    method = "POST" if body else "GET"
    return call(VICTORIAMETRICS, f"{PATH}?{query}", method=method, body=body, headers=headers).read_range()


@pytest.mark.parametrize(
    "query",
    [
        BASE,
        "query=sum(up)&start=2023-11-14T22:13:20Z&end=1700003600&step=15s",
        "query=up&start=1700000000.789&end=1700003600&step=1m30s",
        f"{BASE}&extra_label=a%3Db&extra_label=c%3Dd",
        f"{BASE}&extra_filters[]=%7Ba%3D%22b%22%7D&extra_filters=%7Bc%3D%22d%22%7D",
        f"{BASE}&round_digits=3&max_lookback=1m&deny_partial_response=1&timeout=5s",
    ],
)
def test_what_is_answered_from_parts(query: str) -> None:
    assert range_of(query) is not None


@pytest.mark.parametrize(
    "query",
    [
        "query=rate(up[5m])&start=1700000000&end=1700003600&step=15",  # MetricsQL's is another than PromQL's
        "query=up&start=1700000000000&end=1700003600000&step=15",  # milliseconds to newer versions
        "query=up&start=1700000000.7896&end=1700003600&step=15",  # cut, or rounded
        "query=up&start=2023-11-14T22:13Z&end=1700003600&step=15",
        "query=up&start=2023&end=1700003600&step=15",
        "query=up&start=1700000000&end=1700003600",
        "query=up&start=1700000000&end=1700003600&step=1i",
        f"{BASE}&nocache=0",  # would be read before ours
        f"{BASE}&latency_offset=1s",
        f"{BASE}&trace=1",
        f"{BASE}&limit=3",
        f"{BASE}&unknown=1",
    ],
)
def test_what_is_not(query: str) -> None:
    assert range_of(query) is None


@pytest.mark.parametrize(
    "query", [f"{BASE}&nocache=1", BASE.replace("1700000000", "now-1h"), BASE.replace("up", "now()")]
)
def test_what_is_not_even_kept(query: str) -> None:
    assert passed(ask(VICTORIAMETRICS, f"{PATH}?{query}")) in (Reason.NO_STORE, Reason.NOW)


@pytest.mark.parametrize(
    "other", ["extra_label=a%3Db", "extra_filters[]=x", "round_digits=3", "max_lookback=1m", "deny_partial_response=1"]
)
def test_what_changes_answers_tells_them_apart(other: str) -> None:
    one, two = range_of(BASE), range_of(f"{BASE}&{other}")
    assert one is not None
    assert two is not None
    assert one.parts != two.parts


@pytest.mark.parametrize(
    ("query", "body", "narrowed"),
    [
        (BASE, b"", ("query=up&start=1700000015.000&end=1700000030.500&step=15&nocache=1", b"")),
        ("", BASE.encode(), ("nocache=1", b"query=up&start=1700000015.000&end=1700000030.500&step=15")),
    ],
)
def test_a_part_is_asked_past_the_sources_own_cache(query: str, body: bytes, narrowed: tuple[str, bytes]) -> None:
    found = range_of(query, body)
    assert found is not None
    part = found.narrow(1_700_000_015_000, 1_700_000_030_500)
    assert (part.query, part.body) == narrowed
    assert not found.verbatim


@pytest.mark.parametrize(("step", "withheld_ms"), [("15", 75_000), ("1h", 3_660_000)])
def test_what_it_says_of_the_last_minute_and_a_step_is_for_one_answer(step: str, withheld_ms: int) -> None:
    query = range_of(BASE.replace("step=15", f"step={step}"))
    assert query is not None
    assert query.withheld_ms == withheld_ms


SERIES = '{"metric":{"__name__":"up"},"values":[[1700000000.5,"1"],[1700000001,"2"]]}'
DATA = f'"data":{{"resultType":"matrix","result":[{SERIES}]}}'


def read(body: str) -> Part | Flaw:
    query = range_of("query=up&start=1700000000.5&end=1700000001&step=0.5")
    assert query is not None
    return query.codec.read(body.encode(), Grid(500, 0), query.first, query.last)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"status":"success",{DATA}}}',
        f'{{"status":"success","isPartial":false,{DATA},"stats":{{"seriesFetched":"1"}},"trace":{{}}}}',
    ],
)
def test_an_answer_is_read_and_written_again_without_what_is_no_part_of_it(body: str) -> None:
    part, query = read(body), range_of(BASE)
    assert isinstance(part, Part)
    assert query is not None
    written = query.codec.write(rows([part.matrix]), part.infos, part.warnings)
    assert json.loads(written) == {
        "status": "success",
        "data": {"resultType": "matrix", "result": [json.loads(SERIES)]},
    }


@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        (f'{{"status":"success","isPartial":true,{DATA}}}', Flaw.PARTIAL),
        (f'{{"status":"success",{DATA.replace(".5", ".6")}}}', Flaw.GRID),
        (f'{{"status":"success",{DATA},"new":1}}', Flaw.SHAPE),
    ],
)
def test_what_was_not_asked_for_is_not_taken(body: str, flaw: Flaw) -> None:
    assert read(body) is flaw


def test_deltas_are_the_operators_choice() -> None:
    assert not VICTORIAMETRICS.deltas
