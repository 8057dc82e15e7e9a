"""Which answers to a query request may be stored, and how they are taken apart and put together."""

import json
from base64 import b64encode
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.model import Reason
from proxy.dialects.grafana.answers import join, judge, split, with_known

from .bodies import Document, compact


def frame(ref_id: str = "A", **meta: object) -> Document:
    """As Grafana's SDK writes it."""
    fields = [
        {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}, "config": {"interval": 15000}},
        {"name": "Value", "type": "number", "labels": {"job": "api"}, "config": {"displayNameFromDS": "api"}},
    ]
    data: Document = {"values": [[1700000000000, 1700000015000], [0.25, None]], "entities": [None, {"NaN": [1]}]}
    return {"schema": {"refId": ref_id, "meta": {"type": "timeseries-multi", **meta}, "fields": fields}, "data": data}


def result(*frames: Document, **members: object) -> Document:
    return {"status": 200, "frames": frames, **members}


def answer(results: object, **members: object) -> bytes:
    return compact({"results": results, **members}) + b"\n"


def verdict(body: bytes, *shown: str, hidden: tuple[str, ...] = ()) -> Reason | None:
    return judge(body, [*((ref_id, False) for ref_id in shown), *((ref_id, True) for ref_id in hidden)])


@pytest.mark.parametrize(
    "of_a",
    [
        result(frame()),
        result(frame(), frame()),
        result(),
        {"frames": [frame()]},
        {"status": 200},
        {"status": 200, "frames": None},
        {"status": 200, "frames": [], "error": "", "errorSource": ""},
        {
            "status": None,
            "frames": [None, {}, {"schema": None}, {"schema": {"meta": None, "fields": []}}],
            "error": None,
        },
        result(frame(channel="")),
        result(frame(channel=None, custom=None, notices=None, stats=[{"displayName": "Rows", "value": 3}])),
        result(
            frame(notices=[{"severity": "info", "text": "warning"}, {"text": "no more than that"}, {"severity": 1}])
        ),
        result(frame(custom={"status": "finished"})),
        result(frame(custom={"status": 3, "resultType": "matrix"})),
        result(frame(custom=["running"])),
        result(frame(custom="running")),
        result(frame(executedQueryString='{"channel":"x","severity":"error"}')),
        {"refId": "A", "series": None, "tables": None, "dataframes": [b64encode(b'ARROW1 {"notices":null}').decode()]},
    ],
)
def test_a_whole_and_settled_answer_is_stored(of_a: Document) -> None:
    assert verdict(answer({"A": of_a}), "A") is None
    assert verdict(answer({"A": of_a}, kind="QueryDataResponse", apiVersion="query.grafana.app/v0alpha1"), "A") is None


@pytest.mark.parametrize(
    ("of_b", "reason"),
    [
        ({"status": 400, "error": "parse error", "errorSource": "downstream"}, Reason.ERROR_IN_BODY),
        ({"status": 500, "frames": []}, Reason.ERROR_IN_BODY),
        ({"status": 207, "frames": []}, Reason.ERROR_IN_BODY),
        ({"status": 0, "frames": []}, Reason.ERROR_IN_BODY),
        (result(error="timeout"), Reason.ERROR_IN_BODY),
        (result(error={"message": "timeout"}), Reason.ERROR_IN_BODY),
        (result(errorSource="plugin"), Reason.ERROR_IN_BODY),
        (result(frame(), frame(channel="ds/uid/tail/1")), Reason.STREAM),
        (result(frame(channel={"scope": "ds"})), Reason.STREAM),
        (result(frame(), frame(custom={"queryID": "7", "status": "running"})), Reason.NOW),
        (result(frame(custom={"status": "Submitted"})), Reason.NOW),
        (result(frame(notices=[{"severity": "info"}, {"severity": "warning", "text": "partial"}])), Reason.PARTIAL),
        (result(frame(notices=[{"severity": "Error", "text": "partial"}])), Reason.PARTIAL),
        ({"dataframes": [b64encode(b'ARROW1 {"notices":[{"severity":"warning"').decode()]}, Reason.PARTIAL),
        ({"dataframes": [b64encode(b'ARROW1 {"channel":"ds/').decode()]}, Reason.PARTIAL),
        ({"dataframes": ["QVJST1cx", "no base64"]}, Reason.MALFORMED),
        (None, Reason.MALFORMED),
        ([], Reason.MALFORMED),
        ({"status": "200"}, Reason.MALFORMED),
        ({"frames": {}}, Reason.MALFORMED),
        ({"frames": [{"schema": {"meta": {"notices": "error"}}}]}, Reason.MALFORMED),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_one_query_s_mark_keeps_the_answer_from_being_stored(of_b: object, reason: Reason, first: bool) -> None:
    results = {"B": of_b, "A": result(frame())} if first else {"A": result(frame()), "B": of_b}
    assert verdict(answer(results), "A", "B") is reason


def test_every_query_is_answered_and_no_other() -> None:
    body = answer({"A": result(), "B": result()})
    assert verdict(body, "A", "B") is None
    assert verdict(body, "B", hidden=("A",)) is None
    assert verdict(body, "A", "B", hidden=("C",)) is None
    assert verdict(body, "A", "B", "C") is Reason.PARTIAL
    assert verdict(body, "A") is Reason.MALFORMED
    assert verdict(answer({}), "A") is Reason.PARTIAL
    assert verdict(answer({}), hidden=("A",)) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"message":"Query data error"}',
        b'{"results":null}',
        b'{"results":[]}',
        b'{"results":{"A":{"status":200}}',
        b'{"results":{"A":{"status":200}}}{}',
        b'{"results":{"A":{"status":200},}}',
        b'{"results":{"A":{"status":200},"A":{"status":200}}}',
        b'{"results":{"A":{"status":400},"\\u0041":{"status":200}}}',
        b'{"results":{"A":{"status":200,"frames":[{"data":{"values":[[1,]]}}]}}}',
        b'{"results":{"A":{"status":200,"frames":[{"data":{"values":[[NaN]]}}]}}}',
        b'{"results":{"A":{"status":200,"frames":' + b"[" * 100_000 + b"]" * 100_000 + b"}}}",
        b"<!DOCTYPE html>",
        b"data: {}\n\n",
    ],
)
def test_what_is_no_answer_is_not_stored(body: bytes) -> None:
    assert verdict(body, "A") is Reason.MALFORMED


ANSWER = answer(
    {"A": result(frame("A")), "B": result(frame("B")), "C": {"status": 200, "x": 1.50}},
    kind="QueryDataResponse",
    apiVersion="v0",
)


def test_each_unit_gets_a_whole_answer_of_its_own() -> None:
    body = b'{"kind":"K","results":{"A":{"x": 1.50,"s":"\\u003c"},"B":{},"C":{"e":"\xc3\xa9"}},"apiVersion": "v0"}\n'
    assert split(body, [frozenset("B"), frozenset("AC")]) == [
        b'{"kind":"K","results":{"B":{}},"apiVersion":"v0"}\n',
        b'{"kind":"K","results":{"A":{"x": 1.50,"s":"\\u003c"},"C":{"e":"\xc3\xa9"}},"apiVersion":"v0"}\n',
    ]


def test_one_unit_s_answer_is_the_answer() -> None:
    body = b' {"results": {"A":{}} }'
    assert split(body, [frozenset("AB")]) == [body]
    assert join([body]) is body


def test_a_unit_whose_queries_are_all_left_out_has_an_empty_answer() -> None:
    assert split(b'{"results":{"A":{}}}', [frozenset("A"), frozenset("B")]) == [
        b'{"results":{"A":{}}}',
        b'{"results":{}}',
    ]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"message":"x"}', b'{"results":[]}', b'{"results":null}', b'{"results":{"Z":{}}}']
)
def test_what_has_no_results_of_the_units_is_not_taken_apart(body: bytes) -> None:
    assert split(body, [frozenset("A"), frozenset("B")]) is None


@pytest.mark.parametrize("order", list(permutations([frozenset("A"), frozenset("B"), frozenset("C")])))
def test_parts_in_any_order_make_the_answer_again(order: list[frozenset[str]]) -> None:
    parts = split(ANSWER, order)
    assert parts is not None
    assert join(parts) == ANSWER
    assert [verdict(part, *unit) for part, unit in zip(parts, order, strict=True)] == [None, None, None]


def test_ref_ids_are_in_the_order_of_go() -> None:
    ref_ids = ["é", "a", "B", "A1", "A", "\U0001f600", "\uffff", "10", "9"]
    joined = join([answer({ref_id: {}}) for ref_id in ref_ids])
    assert joined is not None
    assert list(json.loads(joined)["results"]) == sorted(ref_ids, key=str.encode)


def test_other_members_and_the_last_line_feed_are_the_first_part_s() -> None:
    one, other = b'{"results":{"B":{}},"kind":"one"}', b'{"kind":"other","more":1,"results":{"A":{}}}\n'
    assert join([one, other]) == b'{"results":{"A":{},"B":{}},"kind":"one"}'
    assert join([other, one]) == b'{"kind":"other","more":1,"results":{"A":{},"B":{}}}\n'


@pytest.mark.parametrize(
    "bodies",
    [
        [],
        [answer({"A": {}}), answer({"A": {}})],
        [answer({"A": {}}), b"{}"],
        [b"", answer({"A": {}})],
        [answer({"A": {}}), b'{"results":[]}'],
    ],
)
def test_what_does_not_fit_is_not_put_together(bodies: list[bytes]) -> None:
    assert join(bodies) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
REF_IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f/"), max_size=3)


@given(st.dictionaries(REF_IDS, JSON, min_size=1, max_size=5), JSON, st.data())
def test_what_was_taken_apart_is_put_together_again(
    results: dict[str, object], other: object, data: st.DataObject
) -> None:
    body = answer(dict(sorted(results.items())), other=other)
    units: dict[int, set[str]] = {}
    for ref_id in results:
        units.setdefault(data.draw(st.integers(0, 3)), set()).add(ref_id)
    parts = split(body, [frozenset(unit) for unit in units.values()])
    assert parts is not None
    joined = join(parts)
    assert joined is not None
    assert json.loads(joined) == json.loads(body)
    assert list(json.loads(joined)["results"]) == sorted(results)


@given(st.binary() | JSON.map(compact) | JSON.map(answer), st.lists(REF_IDS, min_size=2, max_size=3, unique=True))
def test_any_bytes_are_an_answer_or_not(body: bytes, ref_ids: list[str]) -> None:
    assert isinstance(judge(body, [(ref_id, False) for ref_id in ref_ids]), Reason | None)
    assert isinstance(split(body, [frozenset({ref_id}) for ref_id in ref_ids]), list | None)
    assert isinstance(join([body, ANSWER]), bytes | None)
    assert isinstance(with_known(body, [ANSWER]), bytes | None)


def test_a_failed_answer_has_what_is_known_beside_it() -> None:
    failed = answer({"B": {"status": 400, "error": "parse error"}}, message="x")
    known = [answer({"C": {"status": 200}}), answer({"A": {"status": 200}}, message="y")]
    assert with_known(failed, known) == answer(
        {"A": {"status": 200}, "B": {"status": 400, "error": "parse error"}, "C": {"status": 200}}, message="x"
    )
    assert with_known(failed, []) == failed


@pytest.mark.parametrize("failed", [b"", b'{"message":"Unauthorized"}', b'{"results":null}', b"<html>"])
@pytest.mark.parametrize("known", [[], [answer({"A": {}})]])
def test_a_failed_answer_without_results_stays_what_it_is(failed: bytes, known: list[bytes]) -> None:
    assert with_known(failed, known) is None


def test_a_failed_answer_that_has_what_is_known_is_not_touched() -> None:
    assert with_known(answer({"A": {"status": 500}}), [answer({"A": {"status": 200}})]) is None
