"""What identifies the answer to a query request, and what does not."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.model import Pass, Reason
from proxy.dialects.grafana.queries import QueryRequest, Unit, read
from proxy.dialects.grafana.source_ref import Builtin, SourceRef

from .bodies import (
    CLOUDWATCH,
    CLOUDWATCH_MATH,
    EXPRESSION,
    FROM,
    LOKI,
    MYSQL,
    NOW,
    PROMETHEUS,
    RANGE,
    TO,
    Document,
    compact,
    request,
    without,
)

GOLDEN = [PROMETHEUS, LOKI, MYSQL, CLOUDWATCH]
GOLDEN_NAMES = ["prometheus", "loki", "mysql", "cloudwatch"]


def understood(body: bytes, *, now_ms: int = NOW, per_query_times: bool = False, width_step: int = 0) -> QueryRequest:
    found = read(body, now_ms=now_ms, per_query_times=per_query_times, width_step=width_step)
    assert isinstance(found, QueryRequest)
    return found


def refused(body: bytes, *, per_query_times: bool = False) -> Reason:
    found = read(body, now_ms=NOW, per_query_times=per_query_times)
    assert isinstance(found, Pass)
    return found.reason


def only(request: QueryRequest) -> Unit:
    (unit,) = request.units
    return unit


def parts(
    body: bytes, *, now_ms: int = NOW, per_query_times: bool = False, width_step: int = 0
) -> list[tuple[bytes, ...]]:
    found = understood(body, now_ms=now_ms, per_query_times=per_query_times, width_step=width_step)
    return [unit.parts for unit in found.units]


def shuffled(document: object, seed: int) -> object:
    if isinstance(document, dict):
        members = [(name, shuffled(value, seed)) for name, value in document.items()]
        random.Random(seed).shuffle(members)
        return dict(members)
    return [shuffled(item, seed) for item in document] if isinstance(document, list | tuple) else document


@pytest.mark.parametrize("query", GOLDEN, ids=GOLDEN_NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_order_of_members_and_spelling_do_not_count(query: Document, seed: int) -> None:
    document = {"queries": [query], **RANGE}
    for spelling in (compact, lambda each: json.dumps(each, indent=1).encode(), lambda each: compact(each) + b"\n"):
        assert parts(spelling(shuffled(document, seed))) == parts(compact(document))


@pytest.mark.parametrize(
    "noise",
    [
        {"queryCachingTTL": 60000},
        {"queryCachingTTL": None},
        {"requestId": "Q237"},
        {"requestId": None},
        {"editorMode": "builder"},
        {"key": "Q-8a0fd0fb-7d6a-4e4c-9c35-1f4b4b0b0c7e-0"},
        {"datasourceId": 1},
        {"datasourceId": 99},
        {"datasourceId": None},
        {"hide": False},
    ],
)
def test_noise_of_a_query_does_not_count(noise: Document) -> None:
    plain = without(PROMETHEUS, "requestId", "editorMode", "datasourceId")
    assert parts(request({**plain, **noise})) == parts(request(plain))


def test_noise_of_the_body_does_not_count() -> None:
    picked = {"from": "2023-11-14T22:13:20.123Z", "to": "now", "raw": {"from": "now-6h", "to": "now"}}
    assert parts(request(PROMETHEUS, range=picked, requestId="Q1")) == parts(request(PROMETHEUS))


@pytest.mark.parametrize(
    ("name", "default"), [("refId", "A"), ("maxDataPoints", 100), ("intervalMs", 1000), ("queryType", "")]
)
def test_what_is_absent_is_the_server_s_default(name: str, default: object) -> None:
    same = parts(request({**PROMETHEUS, name: default}))
    assert parts(request(without(PROMETHEUS, name))) == same
    assert parts(request({**PROMETHEUS, name: None})) == same


def test_order_of_queries_does_not_count() -> None:
    one, other = parts(request(PROMETHEUS, LOKI)), parts(request(LOKI, PROMETHEUS))
    assert one == other[::-1]
    assert parts(request(PROMETHEUS, EXPRESSION)) == parts(request(EXPRESSION, PROMETHEUS))


def test_a_query_alone_is_the_query_among_others() -> None:
    assert parts(request(PROMETHEUS, LOKI, MYSQL)) == [parts(request(query))[0] for query in (PROMETHEUS, LOKI, MYSQL)]


CHANGES: list[Document] = [
    {"expr": "up"},
    {"instant": True},
    {"range": False},
    {"exemplar": True},
    {"legendFormat": ""},
    {"utcOffsetSec": 7200},
    {"interval": "1m"},
    {"intervalMs": 30000},
    {"maxDataPoints": 1434},
    {"queryType": "x"},
    {"refId": "B"},
    {"datasource": {"type": "prometheus", "uid": "other"}},
    {"datasource": {"type": "other", "uid": "PBFA97CFB590B2093"}},
    {"datasource": {"type": "prometheus", "uid": "PBFA97CFB590B2093", "apiVersion": "v2"}},
    {"datasource": "PBFA97CFB590B2093"},
    {"hide": True},
    {"hide": 0},
    {"hide": None},
    {"key": "orders"},
    {"key": 7},
    {"requestId": 7},
    {"editorMode": {"a": 1}},
    {"unknown": None},
    {"scopes": [{"name": "a"}]},
    {"adhocFilters": [{"key": "job", "operator": "=", "value": "api"}]},
    {"deep": {"requestId": "1"}},
    {"deep": {"hide": False}},
    {"timeRange": {"from": "1", "to": "2"}},
    {"RefId": "A"},
]


def test_each_member_changed_one_at_a_time_is_another_question() -> None:
    questions = [parts(request(PROMETHEUS))[0]]
    questions += [parts(request({**PROMETHEUS, **change}))[0] for change in CHANGES]
    questions += [
        parts(request({**PROMETHEUS, "deep": deep}))[0]
        for deep in (
            {},
            {"requestId": "2"},
            {"key": "Q-1"},
            {"editorMode": "code"},
            {"queryCachingTTL": 1},
            {"queryType": ""},
        )
    ]
    questions += [
        parts(request(PROMETHEUS, debug=True))[0],
        parts(request(PROMETHEUS, debug=False))[0],
        parts(request(PROMETHEUS, publicDashboardAccessToken="x"))[0],
        parts(request(PROMETHEUS, **{"from": str(FROM - 15000)}))[0],
        parts(request(PROMETHEUS, to=str(TO - 15000)))[0],
        parts(request(PROMETHEUS), per_query_times=True)[0],
    ]
    assert len(set(questions)) == len(questions)


@pytest.mark.parametrize("query", GOLDEN, ids=GOLDEN_NAMES)
def test_no_plugin_s_member_is_noise(query: Document) -> None:
    whole = {**query, "refId": "Z"}
    names = [name for name in whole if name not in ("requestId", "editorMode", "datasource", "datasourceId")]
    questions = [parts(request(whole))[0], *(parts(request(without(whole, name)))[0] for name in names)]
    assert len(set(questions)) == len(questions)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_two_documents_are_never_one(one: object, other: object) -> None:
    """repr tells 1, 1.0, True and -0.0 apart, and nothing else than order of members is lost."""
    same = parts(request({**PROMETHEUS, "x": one})) == parts(request({**PROMETHEUS, "x": other}))
    assert same == (told_apart(one) == told_apart(other))


def told_apart(value: object) -> object:
    match value:
        case dict():
            return "dict", sorted((name, told_apart(each)) for name, each in value.items())
        case list():
            return "list", [told_apart(each) for each in value]
        case _:
            return type(value).__name__, repr(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"0.1", b"0.10000000000000001"),
        (b"18446744073709551616", b"18446744073709551617"),
        (b"18446744073709551616", b"18446744073709551616.0"),
        (b"-9223372036854775809", b"-9223372036854775810"),
        (b"-0", b"0"),
        (b"-0.0", b"0.0"),
        (b"1", b"1.0"),
        (b"1", b"true"),
        (b"1", b'"1"'),
        (b"1e-400", b"0.0"),
        (b"1e999999999999999999999", b"1e99999999999999999999999"),
        (b"1e-99999999999999999999", b"0.0"),
        (b'"\\ud800"', b'"\\ufffd"'),
        (b"[]", b"{}"),
        (b"NaN", b"null"),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'{"a":1,"\\u0061":2}', b'{"a":2}'),
    ],
)
def test_what_readers_could_confuse_is_told_apart_or_not_read(one: bytes, other: bytes) -> None:
    def identity(value: bytes) -> tuple[bytes, ...] | None:
        body = b'{"queries":[{"datasource":{"uid":"u"},"x":%b}],"from":"0","to":"1000"}' % value
        found = read(body, now_ms=NOW, per_query_times=False)
        return found.units[0].parts if isinstance(found, QueryRequest) else None

    identities = [each for each in (identity(one), identity(other)) if each is not None]
    assert len(set(identities)) == len(identities)


@pytest.mark.parametrize("number", [b"1e3", b"1E3", b"1000.0", b"1.0e+3", b"100e1", b"1000.00"])
def test_a_number_s_spelling_does_not_count(number: bytes) -> None:
    body = b'{"queries":[{"datasource":{"uid":"u"},"x":%b}],"from":"0","to":"1000"}'
    assert parts(body % number) == parts(body % b"1000.0")


def test_a_later_refresh_is_the_same_question_until_the_interval_is_over() -> None:
    """15 s: 1,700,000,000,123 lies 5,123 ms into its interval, and so does `to`."""

    def at(shift: int) -> list[tuple[bytes, ...]]:
        return parts(request(PROMETHEUS, **{"from": str(FROM + shift), "to": str(TO + shift)}), now_ms=NOW + shift)

    assert at(-5123) == at(0) == at(9876)
    assert len({str(at(shift)) for shift in (-5124, 0, 9877)}) == 3


def test_each_query_s_interval_rounds_its_own_range() -> None:
    moved = {"from": str(FROM + 9877), "to": str(TO + 9877)}
    (prometheus, loki), (later_prometheus, later_loki) = (
        parts(request(PROMETHEUS, LOKI)),
        parts(request(PROMETHEUS, LOKI, **moved), now_ms=NOW + 9877),
    )
    assert prometheus != later_prometheus
    assert loki == later_loki


def test_ranges_without_a_common_moment_are_two_questions_however_long_the_interval() -> None:
    day = 86_400_000
    asked = [
        parts(request({**MYSQL, "intervalMs": day}, **{"from": str(start), "to": str(start + 600_000)}))[0]
        for start in range(1_699_920_000_000, 1_699_920_000_000 + day, 3_600_000)
    ]
    assert len(set(asked)) == len(asked)


def test_relative_ranges_last_as_long_as_their_bucket() -> None:
    def at(now_ms: int, start: str = "now-6h") -> list[tuple[bytes, ...]]:
        return parts(request(PROMETHEUS, **{"from": start, "to": "now"}), now_ms=now_ms)

    assert at(TO) == at(TO + 1000)
    assert at(TO) != at(TO + 15000)
    assert at(TO) != at(TO, "now-360m") != parts(request(PROMETHEUS), now_ms=TO)


@pytest.mark.parametrize(
    ("start", "end", "absolute"),
    [("now-1h", "now", False), (str(FROM), "now", False), ("5m", str(TO), False), (str(FROM), str(TO), True)],
)
def test_a_range_is_absolute_or_relative(start: str, end: str, absolute: bool) -> None:
    assert understood(request(LOKI, **{"from": start, "to": end})).is_absolute is absolute


def test_the_range_is_the_first_asker_s_own() -> None:
    found = understood(request(PROMETHEUS))
    assert (found.from_ms, found.to_ms) == (FROM, TO)
    found = understood(request(PROMETHEUS, **{"from": "now-1h/h", "to": "now/h"}), now_ms=FROM)
    assert (found.from_ms, found.to_ms) == (1_699_995_600_000 - 0, 1_700_002_799_999)


@pytest.mark.parametrize("per_query_times", [False, True])
def test_a_query_s_own_range_is_rounded_like_the_common_one(per_query_times: bool) -> None:
    def own(shift: int) -> list[tuple[bytes, ...]]:
        time_range = {"from": str(FROM + shift), "to": str(TO + shift)}
        return parts(request({**PROMETHEUS, "timeRange": time_range}), per_query_times=per_query_times)

    assert own(-5123) == own(0) == own(9876)
    assert own(0) != own(9877)
    assert own(0) != parts(request(PROMETHEUS), per_query_times=per_query_times)


def test_a_query_s_own_range_counts_where_the_server_reads_it() -> None:
    early = {"from": "1000", "to": "2000"}
    body = request({**PROMETHEUS, "timeRange": early}, LOKI)
    assert (understood(body).from_ms, understood(body).to_ms) == (FROM, TO)
    assert (understood(body, per_query_times=True).from_ms, understood(body, per_query_times=True).to_ms) == (1000, TO)
    alone = compact({"queries": [{**PROMETHEUS, "timeRange": early}]})
    assert understood(alone, per_query_times=True).to_ms == 2000
    assert refused(alone) is Reason.PARAMETER


@pytest.mark.parametrize(
    "time_range",
    [
        None,
        "now",
        {},
        {"from": "1"},
        {"from": 1, "to": 2},
        {"from": "x", "to": "2"},
        {"from": "1", "to": "2", "To": "3"},
    ],
)
def test_a_query_s_own_range_that_cannot_be_read_is_not_cached_where_it_counts(time_range: object) -> None:
    body = request({**PROMETHEUS, "timeRange": time_range})
    assert refused(body, per_query_times=True) is Reason.PARAMETER
    assert parts(body) != parts(request(PROMETHEUS))


def test_panel_widths_may_share() -> None:
    def at(points: object, step: int) -> tuple[bytes, ...]:
        return parts(request({**PROMETHEUS, "maxDataPoints": points}), width_step=step)[0]

    assert at(1401, 100) == at(1433, 100) == at(1500, 100) != at(1501, 100)
    assert at(1400, 100) == at(1400, 0)
    assert at(None, 30) == at(91, 30)
    assert len({at(points, 100) for points in (0, -1, 1, "1", 1.5, True, 2**60)}) == 7


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ({"datasource": {"type": "loki", "uid": "u"}}, SourceRef(uid="u", type="loki")),
        ({"datasource": {"uid": "u"}}, SourceRef(uid="u")),
        ({"datasource": {"uid": "u", "type": None}, "datasourceId": 3}, SourceRef(uid="u", id=3)),
        ({"datasource": {"uid": "u", "type": "__expr__"}}, SourceRef(uid="u", type="__expr__")),
        ({"datasource": {"uid": "u"}, "datasourceId": -100}, SourceRef(uid="u")),
        ({"datasource": {"type": "mysql", "uid": ""}, "datasourceId": 3}, SourceRef(id=3, type="mysql")),
        ({"datasource": "Prod"}, SourceRef(name="Prod")),
        ({"datasource": "Prod", "datasourceId": 3}, SourceRef(name="Prod", id=3)),
        ({"datasource": None, "datasourceId": 3}, SourceRef(id=3)),
        ({"datasourceId": 3}, SourceRef(id=3)),
    ],
)
def test_who_is_asked(given: Document, source: SourceRef) -> None:
    (query,) = only(understood(request({"expr": "up", **given}))).queries
    assert (query.source, query.builtin) == (source, None)


@pytest.mark.parametrize(
    ("given", "builtin"),
    [
        ({"datasource": {"type": "__expr__", "uid": "__expr__"}}, Builtin.EXPRESSION),
        ({"datasource": {"type": "__expr__", "uid": "__expr__"}, "datasourceId": -100}, Builtin.EXPRESSION),
        ({"datasource": "__expr__"}, Builtin.EXPRESSION),
        ({"datasource": {"uid": "-100"}}, Builtin.EXPRESSION),
        ({"datasourceId": -100}, Builtin.EXPRESSION),
        ({"datasource": {"type": "grafana", "uid": "grafana"}, "datasourceId": -1}, Builtin.GRAFANA),
        ({"datasource": {"type": "datasource", "uid": "-- Grafana --"}}, Builtin.GRAFANA),
        ({"datasource": "-- Grafana --"}, Builtin.GRAFANA),
        ({"datasource": {"type": "datasource", "uid": "-- Mixed --"}}, Builtin.MIXED),
        ({"datasource": {"type": "datasource", "uid": "-- Dashboard --"}}, Builtin.DASHBOARD),
    ],
)
def test_what_is_no_data_source(given: Document, builtin: Builtin) -> None:
    (query,) = only(understood(request({"expression": "up", **given}))).queries
    assert (query.source, query.builtin) == (None, builtin)
    assert query.is_grafana is (builtin is Builtin.GRAFANA)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"datasource": None},
        {"datasource": {}},
        {"datasource": {"type": "loki"}},
        {"datasource": ""},
        {"datasource": 3},
        {"datasource": ["u"]},
        {"datasource": {"uid": 3}},
        {"datasource": {"uid": "u", "type": 3}},
        {"datasource": {"uid": "u"}, "datasourceId": "3"},
        {"datasource": {"uid": "u"}, "datasourceId": 3.0},
        {"datasource": {"uid": "u"}, "datasourceId": True},
        {"datasourceId": 0},
        {"datasourceId": -1},
        {"datasource": {"uid": "__expr__"}, "datasourceId": 3},
        {"datasource": "grafana", "datasourceId": 3},
        {"datasource": {"uid": "u"}, "Datasource": {"uid": "v"}},
        {"datasource": {"uid": "u"}, "data\u017fource": {"uid": "v"}},
        {"datasource": {"uid": "u"}, "datasourceID": 3},
        {"datasource": {"uid": "u", "UID": "v"}},
        {"datasource": {"uid": "u", "Type": "loki"}},
    ],
)
def test_in_doubt_about_who_is_asked_nothing_is_cached(given: Document) -> None:
    assert refused(request({"expr": "up", **given})) is Reason.PARAMETER


def test_the_id_counts_where_there_is_no_uid() -> None:
    ids: list[Document] = [
        {"datasourceId": 3},
        {"datasourceId": 4},
        {"datasource": "p", "datasourceId": 3},
        {"datasource": "p"},
    ]
    assert len({parts(request({"expr": "up", **given}))[0] for given in ids}) == 4


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.BODY),
        (b"{", Reason.BODY),
        (b"[]", Reason.BODY),
        (b"null", Reason.BODY),
        (b"\xff", Reason.BODY),
        (b"\xef\xbb\xbf" + request(PROMETHEUS), Reason.BODY),
        (request(PROMETHEUS) + b"{}", Reason.BODY),
        (b"[" * 100_000 + b"]" * 100_000, Reason.BODY),
        (b'{"queries":' + b"[" * 500 + b"]" * 500 + b"}", Reason.BODY),
        (compact(RANGE), Reason.BODY),
        (request(), Reason.BODY),
        (compact({"queries": None, **RANGE}), Reason.BODY),
        (compact({"queries": {"A": PROMETHEUS}, **RANGE}), Reason.BODY),
        (compact({"queries": [PROMETHEUS, None], **RANGE}), Reason.BODY),
        (request(PROMETHEUS, Queries=[LOKI]), Reason.BODY),
        (compact({"queries": [PROMETHEUS], "querie\u017f": [LOKI], **RANGE}), Reason.BODY),
        (request(*({**PROMETHEUS, "refId": f"{number}"} for number in range(257))), Reason.BODY),
        (request(PROMETHEUS, FROM="0"), Reason.BODY),
        (request(PROMETHEUS)[:-1] + b',"from":"0"}', Reason.BODY),
        (request(PROMETHEUS)[:-1] + b',"\\u0066rom":"0"}', Reason.BODY),
        (request(PROMETHEUS, PROMETHEUS), Reason.PARAMETER),
        (request(without(PROMETHEUS, "refId"), PROMETHEUS), Reason.PARAMETER),
        (request({**PROMETHEUS, "refId": 1}), Reason.PARAMETER),
        (request({**PROMETHEUS, "intervalMs": 0}), Reason.PARAMETER),
        (request({**PROMETHEUS, "intervalMs": -1}), Reason.PARAMETER),
        (request({**PROMETHEUS, "intervalMs": 1.5}), Reason.PARAMETER),
        (request({**PROMETHEUS, "intervalMs": "1000"}), Reason.PARAMETER),
        (request({**PROMETHEUS, "intervalMs": True}), Reason.PARAMETER),
        (compact({"queries": [PROMETHEUS]}), Reason.PARAMETER),
        (request(PROMETHEUS, **{"from": FROM}), Reason.PARAMETER),
        (request(PROMETHEUS, to=None), Reason.PARAMETER),
        (request(PROMETHEUS, to="2023-11-14"), Reason.PARAMETER),
        (request(PROMETHEUS, **{"from": str(NOW + 1), "to": str(NOW + 2)}), Reason.NOW),
        (request(PROMETHEUS, **{"from": "now+1h", "to": "now+2h"}), Reason.NOW),
    ],
)
def test_what_is_not_understood_passes(body: bytes, reason: Reason) -> None:
    assert refused(body) is reason


@given(st.binary() | VALUES.map(compact) | VALUES.map(lambda value: request(PROMETHEUS, x=value)), st.booleans())
def test_any_body_is_understood_or_passes(body: bytes, per_query_times: bool) -> None:
    assert isinstance(read(body, now_ms=NOW, per_query_times=per_query_times), QueryRequest | Pass)


@pytest.mark.parametrize(
    ("given", "ttl_ms"),
    [
        (60000, 60000),
        (1, 1),
        (1500.5, 1500),
        (0, None),
        (-1, None),
        (None, None),
        ("60000", None),
        (True, None),
        (0.5, None),
    ],
)
def test_the_panel_s_ttl(given: object, ttl_ms: int | None) -> None:
    assert only(understood(request({**PROMETHEUS, "queryCachingTTL": given}))).queries[0].panel_ttl_ms == ttl_ms
    assert only(understood(request(PROMETHEUS))).queries[0].panel_ttl_ms is None


@pytest.mark.parametrize(("given", "hidden"), [(True, True), (False, False), (None, False), ("true", False)])
def test_hidden(given: object, hidden: bool) -> None:
    assert only(understood(request({**PROMETHEUS, "hide": given}))).queries[0].hidden is hidden


def names(body: bytes) -> list[str]:
    return ["".join(query.ref_id for query in unit.queries) for unit in understood(body).units]


def test_queries_are_answered_apart_where_they_do_not_depend_on_one_another() -> None:
    assert names(request(PROMETHEUS, LOKI, MYSQL, CLOUDWATCH)) == ["A", "logs", "C", "D"]
    assert names(request(CLOUDWATCH, PROMETHEUS, CLOUDWATCH_MATH)) == ["DE", "A"]


def test_a_request_with_an_expression_stays_whole() -> None:
    """Its engine turns the answers to all queries into its own series, those that no expression speaks of too."""
    assert names(request(PROMETHEUS, LOKI, EXPRESSION)) == ["AlogsF"]
    assert parts(request(PROMETHEUS, EXPRESSION))[0] not in parts(request(PROMETHEUS))


def test_each_of_a_unit_s_queries_counts() -> None:
    one = parts(request(CLOUDWATCH, CLOUDWATCH_MATH))
    assert one != parts(request({**CLOUDWATCH, "region": "eu-west-1"}, CLOUDWATCH_MATH))
    assert one != parts(request(CLOUDWATCH, {**CLOUDWATCH_MATH, "region": "eu-west-1"}))
    assert one == parts(request(CLOUDWATCH_MATH, CLOUDWATCH))


def test_the_request_for_all_of_its_units_is_the_client_s() -> None:
    body = json.dumps({"queries": [PROMETHEUS, LOKI], **RANGE}, indent=2).encode()
    found = understood(body)
    assert found.body_for(found.units) is body
    assert found.body_for(found.units[::-1]) is body


def test_the_request_for_some_of_its_units_has_their_bytes_and_all_else() -> None:
    body = (
        b'{ "debug": true,"queries": [ {"refId":"A", "datasourceId":1,"x":1.50},'
        b'{"datasource":{"uid":"u"},"refId":"B","s":"\\u00e9"} , {"refId":"C","datasourceId":3}], "from" : "0","to":"1"}'
    )
    found = understood(body)
    assert found.body_for((found.units[2], found.units[0])) == (
        b'{"debug":true,"queries":[{"refId":"A", "datasourceId":1,"x":1.50},{"refId":"C","datasourceId":3}]'
        b',"from":"0","to":"1"}'
    )
    assert b'"s":"\\u00e9"' in found.body_for(found.units[1:2])


@given(st.lists(VALUES, min_size=1, max_size=5), VALUES, st.data())
def test_the_request_for_some_of_its_units_asks_for_them_alone(
    values: list[object], other: object, data: st.DataObject
) -> None:
    queries = [{**without(LOKI, "expr"), "refId": f"query{number}", "x": value} for number, value in enumerate(values)]
    found = understood(request(*queries, other=other))
    units = data.draw(st.lists(st.sampled_from(found.units), min_size=1, unique_by=lambda unit: unit.parts))
    asked = understood(found.body_for(units))
    assert sorted(unit.parts for unit in asked.units) == sorted(unit.parts for unit in units)
    assert (asked.from_ms, asked.to_ms) == (found.from_ms, found.to_ms)
