import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.chunk import Part
from proxy.core.grid import Grid
from proxy.core.matrix import rows
from proxy.core.model import Call, Kind, Reason
from proxy.core.range_query import Flaw, RangeQuery
from proxy.dialects.loki import LOKI, Nanoseconds

from .asking import FORM, answer, ask, call, passed, recorded

SPAN = "start=1700000000000000000&end=1700003600000000000"

READS = [
    (f"/loki/api/v1/query_range?query=rate(x[1m])&direction=backward&limit=100&step=15000ms&{SPAN}", Kind.QUERY, None),
    ("/loki/api/v1/query?query=count(x)&time=1700000000000000000", Kind.QUERY, None),
    (f"/api/prom/query?query=x&{SPAN}", Kind.QUERY, None),
    (f"/loki/api/v1/labels?{SPAN}", Kind.RESOURCE, None),
    ("/loki/api/v1/label", Kind.RESOURCE, None),
    ("/api/prom/label", Kind.RESOURCE, None),
    ("/loki/api/v1/label/job/values", Kind.RESOURCE, None),
    ("/api/prom/label/job/values", Kind.RESOURCE, None),
    ("/loki/api/v1/series?match[]=a&match[]=b", Kind.RESOURCE, None),
    ("/loki/api/v1/index/stats?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/index/volume?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/index/volume_range?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/index/shards?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/detected_fields?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/detected_field/level/values?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/detected_labels", Kind.RESOURCE, None),
    ("/loki/api/v1/patterns?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/drilldown-limits", Kind.RESOURCE, 10_000),
    ("/config/tenant/v1/limits", Kind.RESOURCE, 10_000),
]


@pytest.mark.parametrize(("target", "kind", "cap_ms"), READS)
def test_reads(target: str, kind: Kind, cap_ms: int | None) -> None:
    found = call(LOKI, target)
    assert (found.kind, found.ttl_cap_ms) == (kind, cap_ms)
    path, _, form = target.partition("?")
    posted = call(LOKI, path, method="POST", body=form.encode(), headers={"Content-Type": FORM})
    assert posted.parts == found.parts


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/loki/api/v1/query?query=count(x)", Reason.NOW),
        ("/loki/api/v1/query_range?query=x", Reason.NOW),
        ("/loki/api/v1/query_range?query=x&since=1h", Reason.NOW),
        (f"/loki/api/v1/query_range?query=x&since=1h&{SPAN}", Reason.NOW),
        ("/loki/api/v1/query_range?query=x&start=1700000000000000000", Reason.NOW),
        (f"/loki/api/v1/query_range?query=%7Ba%3D%22b%22%7D+%7C+line_format+%60%7B%7Bnow%7D%7D%60&{SPAN}", Reason.NOW),
        ("/loki/api/v1/query?query=vector(1)%2Bvector(1)&time=4000000000", Reason.HEALTH),
        (f"/loki/api/v1/query_range?query=x&limit=1&limit=2&{SPAN}", Reason.PARAMETER),
        ("/loki/api/v1/push", Reason.ROUTE),
        ("/api/prom/push", Reason.ROUTE),
        ("/otlp/v1/logs", Reason.ROUTE),
        ("/loki/api/v1/tail?query=x", Reason.ROUTE),
        ("/api/prom/tail?query=x", Reason.ROUTE),
        ("/loki/api/v1/delete?query=x", Reason.ROUTE),
        ("/loki/api/v1/rules", Reason.ROUTE),
        ("/api/prom/rules", Reason.ROUTE),
        ("/prometheus/api/v1/rules", Reason.ROUTE),
        ("/loki/api/v1/cache/generation_numbers", Reason.ROUTE),
        ("/flush", Reason.ROUTE),
        ("/ingester/shutdown", Reason.ROUTE),
        ("/config", Reason.ROUTE),
        ("/log_level", Reason.ROUTE),
        ("/ready", Reason.ROUTE),
    ],
)
def test_passed(target: str, reason: Reason) -> None:
    assert passed(ask(LOKI, target)) is reason


def test_a_word_in_a_line_is_no_moment() -> None:
    call(LOKI, f"/loki/api/v1/query_range?query=%7Ba%3D%22b%22%7D+%7C%3D+%22now%22&{SPAN}")


def test_nanoseconds_are_told_apart() -> None:
    targets = [f"/loki/api/v1/query?query=x&time=170000000000000000{digit}" for digit in range(3)]
    assert len({call(LOKI, target).parts for target in targets}) == 3


@pytest.mark.parametrize(
    "name", ["g755_ui_other__GET_loki_api_v1_label", "g755_ui_other__GET_loki_api_v1_query_range",
             "logcli__GET_loki_api_v1_labels", "logcli__GET_loki_api_v1_query_range", "logcli__GET_loki_api_v1_series"]
)  # fmt: skip
def test_what_real_clients_send_is_read(name: str) -> None:
    assert isinstance(recorded(LOKI, name), Call)


@pytest.mark.parametrize(
    ("target", "body", "reason"),
    [
        (READS[0][0], b'{"status":"success","data":{"resultType":"streams","result":[],"stats":{}}}', None),
        (READS[0][0], b'{"status":"success","data":{},"warnings":["limit reached"]}', Reason.PARTIAL),
        (READS[0][0], b"parse error at line 1", Reason.MALFORMED),
        (READS[0][0], b'{"status":"error","error":"x"}', Reason.ERROR_IN_BODY),
        (READS[0][0], b'{"status":"success","data":' + b"[" * 100_000, Reason.MALFORMED),
        ("/loki/api/v1/index/stats?query=x", b'{"streams":1,"chunks":2}', None),
        ("/loki/api/v1/drilldown-limits", b'{"limits":{}}', None),
        ("/config/tenant/v1/limits", b"ingestion_rate_mb: 4\n", None),  # YAML
        ("/config/tenant/v1/limits", b"<html>", Reason.MALFORMED),
    ],
)
def test_judge(target: str, body: bytes, reason: Reason | None) -> None:
    assert call(LOKI, target).judge(answer(body)) is reason


def test_headers_that_only_schedule_are_noise() -> None:
    assert LOKI.noise == {"x-loki-query-limits-context", "x-query-queue-time", "x-loki-actor-path"}


def range_of(query: str, path: str = "/loki/api/v1/query_range", body: bytes = b"") -> RangeQuery | None:
    headers = {"Content-Type": FORM} if body else {}
    return call(LOKI, f"{path}?{query}", method="POST" if body else "GET", body=body, headers=headers).read_range()


METRIC = "query=" + quote('sum by (level) (count_over_time({job="x"}[1m]))')
NS = "start=1700000000789000000&end=1700003600000000000"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1700000000789000000", (1_700_000_000_789, False)),
        ("1700000000789000001", (1_700_000_000_789, True)),
        ("1700000000789999999", (1_700_000_000_789, True)),
        ("10000000000", (10_000, False)),  # eleven digits: nanoseconds
        ("1700000000", (1_700_000_000_000, False)),
        ("1700000000.5", (1_700_000_000_500, False)),
        ("1700000000.1236", (1_700_000_000_124, False)),  # rounded to thousandths, as Prometheus does
        ("2023-11-14T22:13:20.789Z", (1_700_000_000_789, False)),
        ("2023-11-14T22:13:20.789123Z", None),
        ("1.7e18", None),
        ("-1", None),
        ("now", None),
        ("", None),
    ],
)
def test_times(text: str, found: tuple[int, bool] | None) -> None:
    assert Nanoseconds().read(text) == found


@given(st.integers(0, 10**13 - 1))
def test_a_time_that_is_written_reads_back(time_ms: int) -> None:
    assert Nanoseconds().read(Nanoseconds().write(time_ms)) == (time_ms, False)


def test_a_part_is_asked_in_nanoseconds_by_the_same_request() -> None:
    query = range_of(f"direction=backward&{NS}&limit=100&{METRIC}&step=15000ms")
    assert query is not None
    narrowed = query.narrow(1_700_000_015_789, 1_700_000_030_789)
    assert narrowed.query == (
        f"direction=backward&start=1700000015789000000&end=1700000030789000000&limit=100&{METRIC}&step=15000ms"
    )
    assert query.verbatim
    aligned = query.aligned()
    assert (aligned.start_ms, aligned.end_ms, aligned.verbatim) == (1_699_999_995_000, 1_700_003_595_000, False)


@pytest.mark.parametrize("step", ["15000ms", "15", "15.0", "15s"])
def test_steps(step: str) -> None:
    query = range_of(f"{METRIC}&{NS}&step={step}")
    assert query is not None
    assert query.grid == (15_000, 1_700_000_000_789 % 15_000)


@pytest.mark.parametrize("name", ["limit=7", "direction=forward", "interval=5s"])
def test_what_acts_on_lines_alone_is_told_apart_all_the_same(name: str) -> None:
    one, two = range_of(f"{METRIC}&{NS}&step=15"), range_of(f"{METRIC}&{NS}&step=15&{name}")
    assert one is not None
    assert two is not None
    assert one.parts != two.parts


def test_only_alignment_gives_a_grid_to_a_start_between_milliseconds() -> None:
    query = range_of(f"{METRIC}&start=1700000000789000001&end=1700003600000000000&step=15")
    assert query is not None
    assert query.starts_between
    assert not query.aligned().starts_between


@pytest.mark.parametrize(
    "query",
    [
        f"query={quote('{a=`b`}')}&{NS}&step=15",  # lines of logs
        f"query={quote('topk(3, rate({a=`b`}[1m]))')}&{NS}&step=15",
        f"query={quote('rate({a=`b`}[1m] offset -1m)')}&{NS}&step=15",
        f"{METRIC}&{NS}",
        f"{METRIC}&{NS}&step=15&shards=1",
        f"{METRIC}&{NS}&step=15&unknown=1",
        f"{METRIC}&{NS}&step=0.0005",
        f"{METRIC}&{NS}&step=300ms",  # 11,997 steps
        f"{METRIC}&start=1700000000000000000&end=1600000000000000000&step=15",
        f"{METRIC}&start=1700000000000000002&end=1700000000000000001&step=15",  # an end before the start
    ],
)
def test_what_is_not_answered_from_parts(query: str) -> None:
    assert range_of(query) is None


def test_the_legacy_path_is_never_answered_from_parts() -> None:
    assert range_of(f"{METRIC}&{NS}&step=15") is not None
    assert range_of(f"{METRIC}&{NS}&step=15", path="/api/prom/query") is None


def test_a_form_is_read_like_a_url() -> None:
    one, two = range_of(f"{METRIC}&{NS}&step=15"), range_of("", body=f"{METRIC}&{NS}&step=15".encode())
    assert one is not None
    assert two is not None
    assert (one.parts, one.grid, one.first, one.last) == (two.parts, two.grid, two.first, two.last)


SERIES = '{"metric":{"level":"info"},"values":[[1700000000.5,"0.125"],[1700000001,"3"]]}'
STATS = '"stats":{"summary":{"execTime":0.01}}'


def read(body: str) -> Part | Flaw:
    query = range_of(f"{METRIC}&start=1700000000500000000&end=1700000001&step=500ms")
    assert query is not None
    return query.codec.read(body.encode(), Grid(500, 0), query.first, query.last)


@pytest.mark.parametrize("members", ["", f",{STATS}", f',"encodingFlags":["categorize-labels"],{STATS}'])
def test_an_answer_is_read_and_written_again_without_what_is_no_part_of_it(members: str) -> None:
    part = read(f'{{"status":"success","data":{{"resultType":"matrix"{members},"result":[{SERIES}]}}}}')
    query = range_of(f"{METRIC}&{NS}&step=15")
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
        ('{"status":"success","data":{"resultType":"streams","result":[]}}', Flaw.SHAPE),
        ("parse error at line 1", Flaw.SHAPE),
        ('{"status":"success","data":{"resultType":"matrix","result":[],"new":1}}', Flaw.SHAPE),
        (f'{{"status":"success","stats":{{}},"data":{{"resultType":"matrix","result":[{SERIES}]}}}}', Flaw.SHAPE),
        (
            f'{{"status":"success","data":{{"resultType":"matrix","result":[{SERIES.replace(".5", ".500")}]}}}}',
            Flaw.GRID,
        ),
    ],
)
def test_what_was_not_asked_for_is_not_taken(body: str, flaw: Flaw) -> None:
    assert read(body) is flaw


def test_deltas_are_the_operators_choice() -> None:
    assert not LOKI.deltas
