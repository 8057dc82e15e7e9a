import pytest

from proxy.cache.breaker import Breaker


@pytest.fixture
def now() -> list[float]:
    return [50.0]


@pytest.fixture
def breaker(now: list[float]) -> Breaker:
    return Breaker(failures=3, retry_seconds=2.0, monotonic=lambda: now[0])


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed()


def test_a_new_one_lets_everyone_through(breaker: Breaker) -> None:
    assert not breaker.is_open
    assert [breaker.allows() for _ in range(100)] == [True] * 100


def test_failures_in_a_row_open_it(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert not breaker.is_open
    assert breaker.allows()
    fail(breaker, 1)
    assert breaker.is_open
    assert not breaker.allows()


def test_failures_between_successes_do_not(breaker: Breaker) -> None:
    for _ in range(10):
        fail(breaker, 2)
        breaker.succeeded()
    assert not breaker.is_open
    assert breaker.allows()


def test_while_open_one_caller_in_a_while_tries(breaker: Breaker, now: list[float]) -> None:
    fail(breaker, 3)
    tried = 0
    for _ in range(100):  # ten seconds, of which each tenth has five callers
        tried += [breaker.allows() for _ in range(5)].count(True)
        now[0] += 0.1
    assert tried == 4
    assert breaker.is_open


def test_a_failed_try_is_waited_after_too(breaker: Breaker, now: list[float]) -> None:
    fail(breaker, 3)
    now[0] += 2.0
    assert breaker.allows()
    now[0] += 1.5
    fail(breaker, 1)
    now[0] += 1.5
    assert not breaker.allows()
    now[0] += 0.5
    assert breaker.allows()


def test_a_success_closes_it_at_once(breaker: Breaker, now: list[float]) -> None:
    fail(breaker, 3)
    now[0] += 2.0
    assert breaker.allows()
    breaker.succeeded()
    assert not breaker.is_open
    assert [breaker.allows() for _ in range(10)] == [True] * 10
    fail(breaker, 2)
    assert not breaker.is_open


def test_a_try_whose_end_is_never_told_holds_nobody_up(breaker: Breaker, now: list[float]) -> None:
    fail(breaker, 3)
    now[0] += 2.0
    assert breaker.allows()
    now[0] += 2.0
    assert breaker.allows()
