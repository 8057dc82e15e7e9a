from .process import free_port


def test_a_port_is_given_once() -> None:
    given = [free_port() for _ in range(2_000)]
    assert len(set(given)) == len(given)
