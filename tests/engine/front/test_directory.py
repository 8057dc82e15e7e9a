"""A data source is what Grafana says of it, to the caller, to the token of the configuration, or to its pages."""

import asyncio

import pytest

from proxy.dialects.grafana.routes import ById, ByName, ByUid, Ref
from proxy.dialects.grafana.sharing import Sharing
from proxy.engine.front.asking import Told
from proxy.engine.front.directory import DataSource, Directory

from .grafana import Says, told

HEADERS = (("Authorization", "viewer"),)
SOURCE = {
    "id": 7,
    "uid": "m",
    "orgId": 1,
    "name": "My SQL",
    "type": "mysql",
    "access": "proxy",
    "version": 3,
    "jsonData": {},
}
PAGES = {"datasources": {"My SQL": {"id": 7, "uid": "m", "type": "mysql", "access": "proxy", "jsonData": {}}}}
UID, SETTINGS = "/api/datasources/uid/m", "/api/frontend/settings"


class Looking:
    def __init__(self, answers: dict[object, Told], token: str = "") -> None:
        self.now = 100.0
        self.met: list[DataSource] = []
        self.says = Says(answers)
        self.directory = Directory(self.says, lambda: self.now, token=token, met=self._met)

    async def _met(self, source: DataSource) -> None:
        self.met.append(source)

    async def find(self, ref: Ref, org_id: int = 1) -> DataSource | None:
        return (await self.directory.find(org_id, ref, HEADERS)).value


@pytest.mark.parametrize(
    ("ref", "path"),
    [
        (ByUid("m"), UID),
        (ById(7), "/api/datasources/7"),
        (ByName("My SQL"), "/api/datasources/name/My%20SQL"),
    ],
)
async def test_it_is_read_as_the_caller(ref: Ref, path: str) -> None:
    looking = Looking({path: told(SOURCE)})
    found = await looking.find(ref)
    assert found is not None
    assert (found.key, found.id, found.type, found.sharing) == ("1/m", 7, "mysql", Sharing.SHARED)
    assert looking.met == [found]
    assert looking.says.asked == [path]


async def test_another_version_is_another_state_and_so_are_other_settings() -> None:
    old = {name: value for name, value in SOURCE.items() if name != "version"}
    states = [SOURCE, SOURCE | {"version": 4}, old, old | {"jsonData": {"a": 1}}, old | {"url": "http://a"}]
    found = [await Looking({UID: told(state)}).find(ByUid("m")) for state in states]
    assert len({source.version for source in found if source is not None}) == 5


async def test_what_one_caller_is_shown_more_than_another_is_no_other_state() -> None:
    seen = [SOURCE, SOURCE | {"accessControl": {"a": True}}, SOURCE | {"url": "", "database": "d"}]
    found = [await Looking({UID: told(state)}).find(ByUid("m")) for state in seen]
    assert len({source.version for source in found if source is not None}) == 1


async def test_it_is_looked_at_again_after_half_a_minute() -> None:
    looking = Looking({UID: told(SOURCE)})
    await looking.find(ByUid("m"))
    looking.says.answers[UID] = told(SOURCE | {"version": 4})
    looking.now += 29
    first = await looking.find(ByUid("m"))
    looking.now += 1
    second = await looking.find(ByUid("m"))
    assert first is not None
    assert second is not None
    assert (first.version, second.version) == ("3", "4")


async def test_the_token_reads_what_the_caller_may_not() -> None:
    answers: dict[object, Told] = {(UID, "viewer"): Told(403), (UID, "Bearer t"): told(SOURCE, "of=the-token")}
    looking = Looking(answers, token="t")
    fact = await looking.directory.find(1, ByUid("m"), HEADERS)
    assert fact.value is not None
    assert fact.cookies == ()


async def test_a_renewed_session_goes_to_the_caller_it_is_of_and_not_to_who_waits_for_the_same_data_source() -> None:
    looking = Looking({UID: told(SOURCE, "grafana_session=of-the-first")})
    first, second = await asyncio.gather(
        looking.directory.find(1, ByUid("m"), HEADERS),
        looking.directory.find(1, ByUid("m"), (("Authorization", "another"),)),
    )
    assert looking.says.asked == [UID]
    assert first.cookies == (("Set-Cookie", "grafana_session=of-the-first"),)
    assert second.cookies == ()


async def test_a_token_of_another_organisation_has_read_anothers() -> None:
    answers: dict[object, Told] = {(UID, "viewer"): Told(403), (UID, "Bearer t"): told(SOURCE)}
    assert await Looking(answers, token="t").find(ByUid("m"), org_id=2) is None


async def test_what_the_pages_are_told_is_the_last_resort() -> None:
    for ref in (ByUid("m"), ById(7), ByName("My SQL")):
        found = await Looking({SETTINGS: told(PAGES)}).find(ref)
        assert found is not None
        assert (found.key, found.name) == ("1/m", "My SQL")
    assert await Looking({SETTINGS: told(PAGES)}).find(ByUid("other")) is None


@pytest.mark.parametrize(
    "answer",
    [
        Told(0),
        Told(500),
        Told(200, b"<html>"),
        told([]),
        told(SOURCE | {"uid": "n"}),
        told(SOURCE | {"orgId": 2}),
        told(SOURCE | {"id": "7"}),
        told({name: value for name, value in SOURCE.items() if name != "type"}),
    ],
)
async def test_what_is_not_certain_is_none(answer: Told) -> None:
    assert await Looking({UID: answer}).find(ByUid("m")) is None


async def test_a_data_source_is_forgotten_by_its_name_in_here() -> None:
    looking = Looking({UID: told(SOURCE)})
    await looking.find(ByUid("m"))
    looking.directory.forget("1/other")
    await looking.find(ByUid("m"))
    assert len(looking.says.asked) == 1
    looking.directory.forget("1/m")
    await looking.find(ByUid("m"))
    assert len(looking.says.asked) == 2
