"""Whose TTL holds: the panel's, the data source's, the default; the smallest of several; max_ttl over all."""

import pytest

from proxy.core.model import Call, Kind
from proxy.engine.terms import Term, Terms
from proxy.settings.model import CacheConfig, Snapshot, SourceSettings


def settings(uid: str, ttl_ms: int, *, max_ttl_ms: int = 0, enabled: bool = True) -> SourceSettings:
    return SourceSettings(
        uid=uid,
        id=1,
        config=CacheConfig(enabled=enabled, use_default_ttl=False, ttl_queries_ms=ttl_ms, ttl_resources_ms=7_000),
        created="",
        updated="",
        default_ttl_ms=300_000,
        max_ttl_ms=max_ttl_ms,
        generation="1",
    )


def ttl_ms(terms: Terms, *sources: SourceSettings, kind: Kind = Kind.QUERY) -> int | None:
    call = Call(kind=kind, parts=(), judge=lambda answer: None)
    return terms.ttl_ms(Snapshot(version=1, sources={source.uid: source for source in sources}), call)


A, B = Term("a", "1"), Term("b", "1")


@pytest.mark.parametrize(
    ("panel_ms", "past_ms", "a_ms", "b_ms", "max_ms", "expected"),
    [
        (None, 0, 60_000, 90_000, 0, 60_000),
        (5_000, 0, 60_000, 90_000, 0, 5_000),
        (120_000, 0, 60_000, 90_000, 0, 120_000),
        (120_000, 0, 60_000, 90_000, 100_000, 100_000),
        (None, 0, 60_000, 90_000, 10_000, 10_000),
        (None, 3_600_000, 60_000, 90_000, 0, 3_600_000),
        (None, 3_600_000, 60_000, 90_000, 600_000, 600_000),
        (None, 10_000, 60_000, 90_000, 0, 60_000),
        (5_000, 3_600_000, 60_000, 90_000, 0, 5_000),
        (None, 3_600_000, 0, 90_000, 0, 0),
    ],
)
def test_the_order_of_ttls(
    panel_ms: int | None, past_ms: int, a_ms: int, b_ms: int, max_ms: int, expected: int
) -> None:
    terms = Terms(terms=(Term("a", "1", panel_ms), Term("b", "1", panel_ms)), past_ttl_ms=past_ms)
    assert ttl_ms(terms, settings("a", a_ms, max_ttl_ms=max_ms), settings("b", b_ms, max_ttl_ms=max_ms)) == expected


def test_a_panels_ttl_is_of_its_own_query() -> None:
    terms = Terms(terms=(Term("a", "1", 600_000), B))
    assert ttl_ms(terms, settings("a", 1_000), settings("b", 90_000)) == 90_000


def test_a_resource_has_its_own_ttl_and_no_panels() -> None:
    terms = Terms(terms=(Term("a", "1", 5_000),), past_ttl_ms=3_600_000)
    assert ttl_ms(terms, settings("a", 60_000), kind=Kind.RESOURCE) == 7_000


def test_none_once_one_source_is_cleaned_disabled_or_gone() -> None:
    a, b = settings("a", 60_000), settings("b", 90_000)
    assert ttl_ms(Terms(terms=(A, Term("b", "0"))), a, b) is None
    assert ttl_ms(Terms(terms=(A, B)), a, settings("b", 90_000, enabled=False)) is None
    assert ttl_ms(Terms(terms=(A, B)), a) is None
