"""The judge itself: it must convict what is wrong, and may not convict what is right."""

import pytest

from .oracle import OTHERS_SECONDS, SLACK_SECONDS, Oracle, Settings
from .river import body_of, fields_of

FIRST = Settings(enabled=True, ttl_ms=60_000)
SHORT = Settings(enabled=True, ttl_ms=2_000)


@pytest.fixture
def oracle() -> Oracle:
    return Oracle(replicas=("one", "two"), first=FIRST)


def as_it_was(before: Settings) -> Settings:
    return before


def test_a_clean_holds_at_once_where_it_was_acknowledged_and_a_second_later_elsewhere(oracle: Oracle) -> None:
    oracle.acknowledged(oracle.called(as_it_was, 10.0), "one", 11.0, cleans=True)
    assert oracle.oldest("one", 10.9) == float("-inf")
    assert oracle.oldest("one", 11.0) == 10.0
    assert oracle.oldest("two", 11.0) == float("-inf")
    assert oracle.oldest("two", 11.0 + OTHERS_SECONDS) == 10.0


def test_a_clean_that_failed_promises_nothing(oracle: Oracle) -> None:
    oracle.called(as_it_was, 10.0)
    assert oracle.oldest("one", 99.0) == float("-inf")


def test_a_ttl_binds_from_its_acknowledgement_on(oracle: Oracle) -> None:
    called = oracle.called(lambda _: SHORT, 10.0)
    assert oracle.possible() == {FIRST, SHORT}, "while it is under way"
    oracle.acknowledged(called, "one", 11.0, cleans=False)
    assert oracle.longest_seconds("one", 10.5) == 60 + SLACK_SECONDS
    assert oracle.longest_seconds("one", 11.0) == 2 + SLACK_SECONDS
    assert oracle.longest_seconds("two", 11.0) == 60 + SLACK_SECONDS
    assert oracle.possible() == {SHORT}


def test_a_change_that_failed_may_have_been_taken_and_need_not(oracle: Oracle) -> None:
    oracle.called(lambda _: SHORT, 10.0)
    off = oracle.called(lambda before: Settings(enabled=False, ttl_ms=before.ttl_ms), 12.0)
    oracle.acknowledged(off, "two", 13.0, cleans=True)
    assert {(each.enabled, each.ttl_ms) for each in oracle.possible()} == {(False, 60_000), (False, 2_000)}


def test_a_change_that_never_came_leaves_nothing(oracle: Oracle) -> None:
    oracle.never_came(oracle.called(lambda _: SHORT, 10.0))
    assert oracle.possible() == {FIRST}


def test_half_an_answer_and_two_in_one_are_none() -> None:
    body = body_of({"asked_at": 1.0, "sent_at": 2.0, "tenant": "", "target": "/q?kind=plain", "serial": 1})
    assert fields_of(body)["serial"] == 1
    for broken in (body[:-1], body[: len(body) // 2], body + body, body.replace(b'"serial": 1', b'"serial": 2')):
        with pytest.raises(ValueError):
            fields_of(broken)
