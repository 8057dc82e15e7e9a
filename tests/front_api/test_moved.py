"""Who moves to another organisation past Millpond, while it remembers where they were: what they ask is asked where they
were, so that nothing of the one organisation is kept, or believed, for the other.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.servers.grafana.model import Edition
from tests.servers.grafana.server import Grafana, Reply, basic, bearer, cookie
from tests.servers.millpond import Millpond

from .place import Place, in_org, query_body, row, x_cache

CONFIG = "grafana: {permission_ttl: 1m, cache: {enabled: true}}"


@pytest.fixture(scope="module", params=["oss", "enterprise", "legacy"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    edition: Edition = request.param
    with Grafana(edition=edition) as grafana, Millpond("--grafana-url", grafana.url, config=CONFIG) as millpond:
        grafana.add_source("twice", "infinity", 1, json_data={"oauthPassThru": True})
        grafana.add_source("twice", "infinity", 2)
        yield Place(grafana, millpond)


@pytest.fixture
def moved(place: Place) -> Mapping[str, str]:
    """The session of somebody whom Millpond remembers in the first organisation, and who is in the second."""
    login = f"mover-{place.new_uid()}"
    place.grafana.add_user(login, {1: "Viewer", 2: "Viewer"})
    session = cookie(place.grafana.log_in(login))
    assert row(place.query("prom", session, "before"))["org"] == 1
    assert place.grafana.ask("POST", "/api/user/using/2", headers=session).status == 200
    return session


def several(place: Place, headers: Mapping[str, str]) -> Reply:
    body = query_body("prom")
    body["queries"] = [{**body["queries"][0], "refId": ref_id} for ref_id in "ABC"]
    return place.ask("POST", "/api/ds/query", headers, body)


def resource(place: Place, headers: Mapping[str, str]) -> Reply:
    return place.ask("GET", "/api/datasources/uid/prom/resources/api/v1/labels", headers)


@pytest.mark.parametrize("ask", [lambda place, headers: place.query("prom", headers), several, resource])
def test_what_they_ask_is_kept_for_none_of_those_they_left(place: Place, moved: Mapping[str, str], ask: Any) -> None:
    first = ask(place, moved)
    second = ask(place, basic("viewer"))
    assert (first.status, second.status) == (200, 200)
    assert orgs(first) == orgs(second) == {1}


def test_nor_what_they_ask_of_a_data_source_itself(place: Place, moved: Mapping[str, str]) -> None:
    place.ask("GET", "/api/datasources/proxy/uid/prom/api/v1/labels", moved)
    assert [place.grafana.proxied("prom", org_id) for org_id in (1, 2)] == [1, 0]


@pytest.mark.parametrize("named", ["2", "0", "x", ""])
def test_a_name_of_the_organisation_that_grafana_does_not_heed_is_no_other(oss: Place, named: str) -> None:
    """A service account is of its own organisation, whatever the header says; what is no number names none."""
    uid = oss.create(oss.create(), in_org(2))
    for org_id in (1, 2):
        oss.cache(uid, "/enable", in_org(org_id))
    token = bearer(oss.grafana.add_account("robot", "Viewer", org_id=1))
    replies = [oss.query(uid, {**token, "X-Grafana-Org-Id": named}), oss.query(uid, basic("viewer"))]
    assert [(row(reply)["org"], x_cache(reply)) for reply in replies] == [(1, "MISS"), (1, "HIT")]
    assert row(oss.query(uid, basic("viewer2")))["org"] == 2


def orgs(reply: Reply) -> set[int]:
    """Of which organisation's data source the answers are."""
    if "results" not in reply.json:
        return {int(reply.json["org"])}
    found = set()
    for result in reply.json["results"].values():
        names = [each["name"] for each in result["frames"][0]["schema"]["fields"]]
        found.add(int(result["frames"][0]["data"]["values"][names.index("org")][0]))
    return found


def test_nor_is_what_they_are_told_of_a_data_source_believed(place: Place, moved: Mapping[str, str]) -> None:
    """In the first organisation it knows its users, in the second it does not."""
    place.query("twice", moved)
    for login in ("viewer", "editor"):
        reply = place.query("twice", basic(login))
        assert (row(reply)["user"], x_cache(reply)) == (login, "MISS")
