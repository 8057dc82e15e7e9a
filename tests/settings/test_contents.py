"""The pure steps: merging copies is a join, ids are kept, the file gives first values only."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.schema import Caching, Duration, Source, SourceCache
from proxy.settings.contents import (
    Contents,
    Moment,
    complete,
    configure,
    decode,
    encode,
    in_force,
    merge,
    move,
)
from proxy.settings.model import CacheConfig, Record

NOW = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)
MOMENT = Moment(now=NOW, random="ffff")
LATER = Moment(now=NOW + timedelta(seconds=5), random="0000")
BEFORE = Moment(now=NOW - timedelta(days=1), random="eeee")


def source(uid: str, id_: int | None = None, **cache: Any) -> Source:
    return Source(uid=uid, url="http://localhost:9090", id=id_, cache=SourceCache(**cache))


def test_grafanas_ids_hold_and_take_none_of_the_files() -> None:
    had = complete(Contents(), [source("a"), source("b")], MOMENT)
    sources = [source("a"), source("b"), source("1/x", 1), source("2/x", 2), source("c")]
    ids = {uid: record.id for uid, record in complete(had, sources, LATER).records.items()}
    assert ids == {"a": 1, "b": 2, "1/x": 1, "2/x": 2, "c": 3}
    later = complete(had, [*sources[:2], source("1/x", 7)], LATER)
    assert later.records["1/x"].id == 7


records = st.builds(
    Record,
    uid=st.just("a"),
    id=st.integers(1, 2),
    generation=st.sampled_from("pqr"),
    created=st.sampled_from("123"),
    updated=st.sampled_from("123"),
    revision=st.integers(1, 3),
    changed=st.none() | st.builds(CacheConfig, enabled=st.booleans()),
)
contents = st.builds(
    Contents,
    generation=st.sampled_from(["", "p", "q"]),
    records=st.dictionaries(st.sampled_from("ab"), records, max_size=2),
)


@given(contents)
def test_merging_with_itself_or_with_nothing_changes_nothing(one: Contents) -> None:
    assert merge(one, one) == merge(one, Contents()) == merge(Contents(), one) == one


@given(contents, contents)
def test_the_order_of_a_merge_does_not_matter(one: Contents, other: Contents) -> None:
    assert merge(one, other).same(merge(other, one))


@given(contents, contents, contents)
def test_the_grouping_of_merges_does_not_matter(one: Contents, two: Contents, three: Contents) -> None:
    assert merge(merge(one, two), three).same(merge(one, merge(two, three)))


@given(contents, contents)
def test_a_merge_revives_no_generation(one: Contents, other: Contents) -> None:
    merged = merge(one, other)
    for copy in (one, other):
        assert merged.generation >= copy.generation
        assert all(merged.records[uid].generation >= record.generation for uid, record in copy.records.items())


@given(records)
def test_a_record_reads_back_as_it_was_written(record: Record) -> None:
    assert decode(encode(record)) == record


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"changed": null}', '{"changed": {"x": 1}}', "\x00"])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        decode(text)


def test_generations_are_unique_and_later_ones_sort_later_whatever_the_clock_does() -> None:
    first = MOMENT.generation("")
    assert first < LATER.generation("")
    assert first < LATER.generation(first)
    assert first < BEFORE.generation(first), "the clock was set back"
    assert first < MOMENT.generation(first) != first


def test_times_are_rfc_3339_with_offset_and_never_go_back() -> None:
    assert MOMENT.stamp() == "2026-03-01T12:00:00+00:00"
    assert BEFORE.stamp(MOMENT.stamp()) == MOMENT.stamp()
    assert LATER.stamp(MOMENT.stamp()) == "2026-03-01T12:00:05+00:00"


@pytest.mark.parametrize(
    ("sources", "ids"),
    [
        ([("a", None), ("b", None)], {"a": 1, "b": 2}),
        ([("a", None), ("b", 1)], {"a": 2, "b": 1}),
        ([("a", 7), ("b", None)], {"a": 7, "b": 1}),
        ([("a", None), ("b", 2), ("c", None), ("d", 1)], {"a": 3, "b": 2, "c": 4, "d": 1}),
    ],
)
def test_absent_ids_are_given_out_from_1_beside_the_configured_ones(
    sources: list[tuple[str, int | None]], ids: dict[str, int]
) -> None:
    made = complete(Contents(), [source(*it) for it in sources], MOMENT)
    assert {uid: record.id for uid, record in made.records.items()} == ids


def test_ids_are_kept_when_sources_come_and_go() -> None:
    made = complete(Contents(), [source("a"), source("b")], MOMENT)
    made = complete(made, [source("c"), source("b")], LATER)
    assert {uid: record.id for uid, record in made.records.items()} == {"a": 1, "b": 2, "c": 3}
    assert complete(made, [source("b"), source("a")], LATER) == made


def test_a_configured_id_takes_precedence_over_one_given_out() -> None:
    made = complete(Contents(), [source("a")], MOMENT)
    moved = complete(made, [source("a"), source("b", 1)], LATER)
    assert (moved.records["a"].id, moved.records["b"].id) == (2, 1)
    assert moved.records["a"].revision == made.records["a"].revision + 1
    assert moved.records["a"].updated == made.records["a"].updated, "the caching settings did not change"


def test_an_id_that_two_replicas_gave_out_is_told_apart_again() -> None:
    one = complete(Contents(), [source("a")], MOMENT)
    other = complete(Contents(), [source("b")], LATER)
    both = complete(merge(other, one), [source("b"), source("a")], LATER)
    assert {uid: record.id for uid, record in both.records.items()} == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("cache", "expected"),
    [
        ({}, (False, True, 300_000, 300_000)),
        ({"enabled": True}, (True, True, 300_000, 300_000)),
        ({"enabled": True, "ttl_queries_ms": Duration(60_000)}, (True, False, 60_000, 300_000)),
        ({"enabled": True, "ttl_resources_ms": Duration(0)}, (True, False, 300_000, 0)),
    ],
)
def test_the_file_gives_the_first_values(cache: dict[str, Any], expected: tuple[bool, bool, int, int]) -> None:
    given_source = source("a", **cache)
    made = complete(Contents(), [given_source], MOMENT)
    settings = in_force(made, given_source, Caching())
    assert (
        settings.config.enabled,
        settings.config.use_default_ttl,
        settings.ttl_queries_ms,
        settings.ttl_resources_ms,
    ) == expected


def test_what_the_api_set_wins_over_the_file_and_ignored_ttls_are_kept() -> None:
    given_source = source("a", enabled=True, ttl_queries_ms=Duration(1))
    config = CacheConfig(enabled=True, use_default_ttl=True, ttl_queries_ms=7, ttl_resources_ms=8)
    made = configure(complete(Contents(), [given_source], MOMENT), "a", config, LATER)
    settings = in_force(made, given_source, Caching(ttl_ms=Duration(1_000)))
    assert settings.config == config
    assert (settings.ttl_queries_ms, settings.ttl_resources_ms) == (1_000, 1_000)
    assert settings.created == MOMENT.stamp()
    assert settings.updated == LATER.stamp()


@pytest.mark.parametrize("enabled", [True, False])
def test_only_a_change_to_off_moves_the_sources_generation(enabled: bool) -> None:
    made = complete(Contents(), [source("a"), source("b")], MOMENT)
    changed = configure(made, "a", CacheConfig(enabled=enabled), LATER)
    assert (changed.records["a"].generation > made.records["a"].generation) is not enabled
    assert changed.records["b"] == made.records["b"]
    assert changed.generation == made.generation


def test_of_changes_that_replicas_made_without_knowing_each_others_the_later_one_holds() -> None:
    """One made three and died with the store that had them; the other had not seen them when it made its own."""
    both = complete(Contents(), [source("a")], MOMENT)
    one = both
    for ttl_ms in (1, 2, 3):
        one = configure(one, "a", CacheConfig(ttl_queries_ms=ttl_ms), MOMENT)
    other = configure(both, "a", CacheConfig(ttl_queries_ms=4), LATER)
    assert (
        merge(one, other).records["a"].changed == merge(other, one).records["a"].changed == other.records["a"].changed
    )


def test_a_clock_that_was_set_back_loses_no_change() -> None:
    made = configure(complete(Contents(), [source("a")], LATER), "a", CacheConfig(ttl_queries_ms=1), LATER)
    changed = configure(made, "a", CacheConfig(ttl_queries_ms=2), MOMENT)
    assert merge(made, changed).records["a"].changed == changed.records["a"].changed


def test_cleaning_moves_one_generation_and_no_time() -> None:
    made = complete(Contents(), [source("a"), source("b")], MOMENT)
    everything = move(made, None, LATER)
    assert everything.generation > made.generation
    assert everything.records == made.records
    one = move(made, "a", LATER)
    assert one.generation == made.generation
    assert one.records["b"] == made.records["b"]
    assert one.records["a"] == replace(made.records["a"], generation=one.records["a"].generation, revision=2)
