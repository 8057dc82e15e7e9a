from proxy.cache.breaker import Breaker


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed()


def test_failures_in_a_row_open_it() -> None:
    breaker = Breaker(failures=3)
    assert not breaker.is_open
    fail(breaker, 2)
    assert not breaker.is_open
    fail(breaker, 1)
    assert breaker.is_open


def test_failures_between_successes_do_not() -> None:
    breaker = Breaker(failures=3)
    for _ in range(10):
        fail(breaker, 2)
        breaker.succeeded()
    assert not breaker.is_open


def test_a_success_closes_it_at_once() -> None:
    breaker = Breaker(failures=3)
    fail(breaker, 100)
    breaker.succeeded()
    assert not breaker.is_open
    fail(breaker, 2)
    assert not breaker.is_open
