"""Which queries of a request are asked and kept together."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.grafana.units import independent

Query = dict[str, object]


def groups(**queries: Query) -> list[str]:
    """By refId: "AC" are two that belong together."""
    ref_ids = list(queries)
    found = independent([{"refId": ref_id, **query} for ref_id, query in queries.items()], ref_ids)
    return ["".join(ref_ids[position] for position in group) for group in found]


def test_one_query_is_alone() -> None:
    assert groups(A={"expr": "A"}) == ["A"]


def test_queries_that_do_not_speak_of_one_another_are_apart() -> None:
    assert groups(A={"expr": "up"}, B={"expr": "up"}, C={"rawSql": "SELECT 1"}) == ["A", "B", "C"]


@pytest.mark.parametrize(
    "mention",
    [
        {"target": "sumSeries(#A, x)"},
        {"target": "sumSeries(#Ab)"},
        {"expression": "$A + 1"},
        {"expression": "${A}"},
        {"expression": "$A1"},
        {"expression": "a"},
        {"rawSql": "SELECT *\nFROM\nA\nWHERE true"},
        {"rawSql": "select * from `a`"},
        {"rawSql": 'x "A"'},
        {"rawSql": "\tA"},
        {"deep": [{"deeper": {"deepest": ["A"]}}]},
        {"deep": {"A": 1}},
        {"A": 1},
        {"conditions": [{"query": {"params": ["A"]}}]},
        {"refs": {"refId": "A"}},
        {"target": {"datasource": {"query": "A"}}},
        {"alias": "A"},
        {"hide": True, "expr": "A"},
    ],
)
def test_who_speaks_of_another_belongs_with_it(mention: Query) -> None:
    assert groups(A={"expr": "up"}, B=mention, C={"expr": "up"}) == ["AB", "C"]
    assert groups(B=mention, C={"expr": "up"}, A={"expr": "up"}) == ["BA", "C"]


@pytest.mark.parametrize(
    "words",
    [{"expr": "AB"}, {"expr": "BA"}, {"expr": "A_1"}, {"expr": "_A"}, {"expr": "Ä"}, {"expr": "$BA"}, {"expr": 1}],
)
def test_a_part_of_a_word_is_no_name(words: Query) -> None:
    assert groups(A={"expr": "up"}, C=words) == ["A", "C"]


@pytest.mark.parametrize("member", ["id", "name", "alias"])
def test_short_names_are_names(member: str) -> None:
    assert groups(A={member: "m1"}, B={"expression": "M1 * 2"}, C={member: "m2"}) == ["AB", "C"]


def test_a_data_source_s_name_is_no_mention() -> None:
    assert groups(A={"expr": "up"}, B={"datasource": {"uid": "A", "type": "a"}, "refId": "B"}) == ["A", "B"]


def test_names_that_are_no_words_count_wherever_they_stand() -> None:
    found = independent([{"expr": "up"}, {"expression": "${Query 1}s"}, {"expr": "up"}], ["Query 1", "B", "C"])
    assert found == [[0, 1], [2]]


def test_a_long_word_behind_a_mark_costs_no_more_than_itself() -> None:
    query: Query = {"expr": "$" + "a" * 20_000}
    tracemalloc.start()
    try:
        independent([query, {}], ["A", "B"])
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1_000_000


def test_mentions_chain() -> None:
    assert groups(A={"x": "B"}, B={}, C={}, D={"x": "C"}, E={"x": "D and A"}, F={}) == ["ABCDE", "F"]


NAMES = st.sampled_from(["A", "B", "a b", "m1", "Ab", "Q.1", "é", "İ"])
BEFORE = st.sampled_from(["", " ", "$", "${", "#", "\n", "\\", "(", "-", '"', "/"])
AFTER = st.sampled_from(["", " ", "}", ")", "+", "\n", "\\n", ".", ","])


@given(st.permutations(["A", "B", "a b", "m1", "Ab", "Q.1", "é", "İ"]), NAMES, BEFORE, AFTER)
def test_no_mention_is_missed(ref_ids: list[str], name: str, before: str, after: str) -> None:
    queries: list[Query] = [{"expr": "zzz"} for _ in ref_ids]
    queries.append({"expr": f"zzz {before}{name}{after}"})
    together = next(group for group in independent(queries, [*ref_ids, "last"]) if len(ref_ids) in group)
    assert ref_ids.index(name) in together


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=5) | st.none()), min_size=1, max_size=6))
def test_every_query_is_in_one_group_in_order(queries: list[dict[str, str | None]]) -> None:
    found = independent(queries, [str(position) for position in range(len(queries))])
    assert sorted(position for group in found for position in group) == list(range(len(queries)))
    assert all(group == sorted(group) for group in found)
    assert [group[0] for group in found] == sorted(group[0] for group in found)
