"""With data sources of the file beside Grafana's: on Grafana's own address the Caching API is about Grafana's alone."""

from collections.abc import Iterator, Mapping

import pytest

from tests.servers.grafana.server import Grafana, bearer
from tests.servers.millpond import Millpond

from .place import ADMIN, CONFIG, WRITER, Place

FILE = """
datasources:
  - {uid: prom, url: "http://127.0.0.1:9", type: prometheus, id: 2}
  - {uid: own, url: "http://127.0.0.1:9", type: prometheus, id: 77}
"""


@pytest.fixture(scope="module")
def both() -> Iterator[Place]:
    with Grafana() as grafana, Millpond("--grafana-url", grafana.url, config=CONFIG + FILE) as millpond:
        place = Place(grafana, millpond)
        for uid in ("prom", "testdata"):
            place.settings(uid)  # met
        yield place


@pytest.mark.parametrize("headers", [ADMIN, bearer(WRITER)], ids=["grafana", "token"])
def test_a_uid_of_both_is_grafanas(both: Place, headers: Mapping[str, str]) -> None:
    assert both.cache("prom", headers=headers, body={"ttlQueriesMs": 1000}).status == 200
    assert both.settings("prom", headers)["dataSourceID"] == both.id_of("prom")
    on_admin = both.ask("GET", "/api/datasources/prom/cache", bearer(WRITER), base=both.millpond.admin_url)
    assert (on_admin.json["dataSourceID"], on_admin.json["ttlQueriesMs"]) == (2, 300_000)


@pytest.mark.parametrize("headers", [ADMIN, bearer(WRITER)], ids=["grafana", "token"])
def test_so_is_a_number_of_both(both: Place, headers: Mapping[str, str]) -> None:
    assert both.id_of("testdata") == 2
    assert both.settings("2", headers)["dataSourceUID"] == "testdata"


@pytest.mark.parametrize("headers", [ADMIN, bearer(WRITER)], ids=["grafana", "token"])
def test_the_files_are_the_admin_listeners(both: Place, headers: Mapping[str, str]) -> None:
    assert both.cache("own", headers=headers, method="GET").status == 404
    on_admin = both.ask("GET", "/api/datasources/own/cache", bearer(WRITER), base=both.millpond.admin_url)
    assert on_admin.json["dataSourceID"] == 77
