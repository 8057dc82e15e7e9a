"""When Grafana does not answer, nothing is said of what it would have to say, and nothing changes."""

from collections.abc import Iterator

import pytest

from tests.servers.grafana.server import Grafana, basic, bearer
from tests.servers.millpond import Millpond
from tests.servers.process import wait_until

from .place import CONFIG, WRITER, Place, x_cache


@pytest.fixture
def failing() -> Iterator[Place]:
    """What callers may is remembered here."""
    config = CONFIG.replace("permission_ttl: 1ms", "permission_ttl: 1m")
    with Grafana() as grafana, Millpond("--grafana-url", grafana.url, config=config) as millpond:
        yield Place(grafana, millpond)


def test_without_grafana_nothing_is_said_of_a_data_source_and_nothing_changes(failing: Place) -> None:
    before = failing.settings("mysql")
    failing.kept("postgres")
    failing.grafana.kill()
    for uid in ("loki", "absent", "123456"):  # of which nothing is known: not that they are gone
        for method, operation in (("GET", ""), ("POST", ""), ("POST", "/enable"), ("POST", "/clean")):
            reply = failing.cache(uid, operation, method=method, body={} if method == "POST" else None)
            assert (reply.status, "Grafana" in reply.json["message"]) == (502, True)
    for operation in ("", "/enable", "/disable"):  # a caller of whom nothing is known
        assert failing.cache("mysql", operation, basic("orgadmin"), body={} if not operation else None).status == 502
    failing.grafana.start()
    wait_until(
        lambda: failing.cache("mysql", headers=basic("orgadmin"), method="GET").status == 200
    )  # a doubt is kept for a second
    assert failing.settings("mysql", basic("orgadmin")) == before
    assert failing.settings("loki", basic("orgadmin"))["enabled"] is False
    assert x_cache(failing.query("postgres")) == "HIT"


def test_tokens_of_the_configuration_need_no_grafana(failing: Place) -> None:
    failing.settings("mysql")
    failing.grafana.kill()
    reply = failing.cache("mysql", "/enable", bearer(WRITER))
    assert (reply.status, reply.json["enabled"]) == (200, True)
