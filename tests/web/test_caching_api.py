"""The Caching API as its clients use it, over HTTP."""

import asyncio
import gzip
import io
import json
import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from proxy.errors import SettingsNotDurable
from proxy.settings.contents import Contents
from proxy.settings.file import FileSettings
from proxy.settings.store import Edit
from proxy.web.errors import json_errors

from .admin_app import UID, Admin, admin
from .answer_fields import FIELDS

CACHE = f"/api/datasources/{UID}/cache"
HEADERS = {"Authorization": "Bearer admin"}
BODY = {
    "dataSourceID": 1,
    "dataSourceUID": UID,
    "enabled": True,
    "useDefaultTTL": False,
    "ttlQueriesMs": 60_000,
    "ttlResourcesMs": 300_000,
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Admin]:
    async with admin(tmp_path) as running:
        yield running


async def ask(api: Admin, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
    options["headers"] = HEADERS | options.get("headers", {})
    async with api.client.request(method, path, **options) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


def generations(api: Admin) -> dict[str, str]:
    """Those in force: what a deletion is to leave."""
    return {uid: settings.generation for uid, settings in api.book.snapshot.sources.items()}


def settings(answer: dict[str, Any]) -> tuple[bool, bool, int, int]:
    return answer["enabled"], answer["useDefaultTTL"], answer["ttlQueriesMs"], answer["ttlResourcesMs"]


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("GET", "", None, "Data source cache settings loaded"),
        ("POST", "", BODY, "Data source cache settings updated"),
        ("POST", "/enable", None, "Data source cache enabled"),
        ("POST", "/disable", None, "Data source cache disabled"),
        ("POST", "/clean", None, "Data source cache cleaned"),
    ],
)
@pytest.mark.parametrize("prefix", [f"/api/datasources/{UID}", f"/api/datasources/uid/{UID}", "/api/datasources/1"])
async def test_every_answer_has_its_message_and_all_ten_fields(
    api: Admin, prefix: str, method: str, path: str, body: dict[str, Any] | None, message: str
) -> None:
    status, answer = await ask(api, method, f"{prefix}/cache{path}", json=body)
    assert status == 200
    assert {name: type(value) for name, value in answer.items()} == FIELDS
    assert answer["message"] == message
    assert (answer["dataSourceID"], answer["dataSourceUID"]) == (1, UID)
    for time in (answer["created"], answer["updated"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", time)
        assert datetime.fromisoformat(time).tzinfo is not None


async def test_a_source_never_configured_reads_as_off_with_the_default(api: Admin) -> None:
    _, answer = await ask(api, "GET", CACHE)
    assert settings(answer) == (False, True, 300_000, 300_000)
    assert answer["defaultTTLMs"] == 300_000
    assert answer["created"] == answer["updated"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (False, False, 0, 0)),
        (BODY, (True, False, 60_000, 300_000)),
        (BODY | {"useDefaultTTL": True}, (True, True, 300_000, 300_000)),
        ({"enabled": True}, (True, False, 0, 0)),
        ({"ttlQueriesMs": 31_536_000_000}, (False, False, 31_536_000_000, 0)),
        ({"dataSourceID": 0, "dataSourceUID": "", "enabled": True}, (True, False, 0, 0)),
        ({"enabled": True, "ttl": "unknown", "defaultTTLMs": "ignored"}, (True, False, 0, 0)),
    ],
)
async def test_a_body_replaces_the_whole_configuration(
    api: Admin, body: dict[str, Any], expected: tuple[bool, bool, int, int]
) -> None:
    await ask(api, "POST", CACHE, json=BODY | {"ttlQueriesMs": 1, "ttlResourcesMs": 2})
    status, answer = await ask(api, "POST", CACHE, json=body)
    assert (status, settings(answer)) == (200, expected)
    assert settings((await ask(api, "GET", CACHE))[1]) == expected


async def test_ttls_that_are_ignored_are_kept(api: Admin) -> None:
    await ask(api, "POST", CACHE, json=BODY | {"useDefaultTTL": True})
    kept = api.book.snapshot.sources[UID].config
    assert (kept.ttl_queries_ms, kept.ttl_resources_ms) == (60_000, 300_000)


async def test_enabling_and_disabling_keep_the_ttls(api: Admin) -> None:
    await ask(api, "POST", CACHE, json=BODY)
    assert settings((await ask(api, "POST", f"{CACHE}/disable"))[1]) == (False, False, 60_000, 300_000)
    assert settings((await ask(api, "POST", f"{CACHE}/enable"))[1]) == (True, False, 60_000, 300_000)


async def test_a_segment_is_a_uid_first_and_then_an_id(api: Admin) -> None:
    assert (await ask(api, "GET", "/api/datasources/7/cache"))[1]["dataSourceUID"] == "7"
    assert (await ask(api, "GET", "/api/datasources/8/cache"))[1]["dataSourceUID"] == "eight"
    for unknown in ("9", "08", "+8", "nope", "a%2Fb", "%00", "uid"):
        status, answer = await ask(api, "GET", f"/api/datasources/{unknown}/cache")
        assert (status, answer) == (404, {"message": "Data source not found"})


async def test_the_terraform_provider(api: Admin) -> None:
    """Its calls for a resource's life: what is false or 0 is left out, the id never sent, the org always."""
    org = {"X-Grafana-Org-Id": "1"}

    async def call(method: str, path: str = "", body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body)
        headers = org | ({"Content-Type": "application/json"} if body is not None else {})
        status, answer = await ask(api, method, f"{CACHE}{path}?dataSourceType=prometheus", data=data, headers=headers)
        assert status == 200
        return answer

    # Create, disabled with the default TTL, on a source never configured.
    assert (await call("GET"))["enabled"] is False
    await call("POST", "/disable")
    await call("POST", "", {"dataSourceUID": UID, "useDefaultTTL": True})
    assert settings(await call("GET")) == (False, True, 300_000, 300_000)
    # Update: enabled, with TTLs of its own.
    enabled = {"dataSourceUID": UID, "enabled": True, "ttlQueriesMs": 60_000, "ttlResourcesMs": 300_000}
    await call("POST", "", enabled)
    read = await call("GET")
    assert settings(read) == (True, False, 60_000, 300_000)
    assert read["dataSourceUID"] == UID
    # Disable, keep the TTLs; then delete.
    await call("GET")
    await call("POST", "/disable")
    await call("POST", "", {"dataSourceUID": UID, "ttlQueriesMs": 60_000, "ttlResourcesMs": 300_000})
    assert settings(await call("GET")) == (False, False, 60_000, 300_000)
    await call("POST", "/disable")
    assert settings(await call("GET")) == (False, False, 60_000, 300_000)


# What is refused

EXAMPLE = b"""{
   "dataSourceID": 1,
   "dataSourceUID": "jZrmlLCGka",
   "enabled": true,
   "useDefaultTTL": false,
   "ttlQueriesMs": 60000,
   "ttlResourcesMs": 300000,
}"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (EXAMPLE, "Invalid JSON at line 7, column 28: a comma with nothing after it."),
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"null", "must be a JSON object"),
        (b"[]", "must be a JSON object"),
        (b"1", "must be a JSON object"),
        (b"{", "line 1, column 2"),
        (b'{"enabled": tru}', "line 1, column 13"),
        (b'{"enabled": true} x', "line 1, column 19"),
        (b'{"enabled": true}{}', "line 1, column 18"),
        (b"{'enabled': true}", "line 1, column 2"),
        (b'{"enabled": true, "enabled": false}', '"enabled" is there twice'),
        (b'{"x": {"a": 1, "a": 1}}', '"a" is there twice'),
        (b'{"ttlQueriesMs": NaN}', "line 1, column 18: NaN"),
        (b'{"ttlQueriesMs": -Infinity}', "line 1, column 18: -Infinity"),
        (b'{"ttlQueriesMs": 1e400}', "line 1, column 18: a number that is too large"),
        (b'{"ttlQueriesMs": ' + b"9" * 5000 + b"}", "a number that is too large"),
        (b'{"ttlQueriesMs": -1}', "ttlQueriesMs must be between 0 and"),
        (b'{"ttlResourcesMs": 31536000001}', "ttlResourcesMs must be between 0 and"),
        (b'{"ttlQueriesMs": 9223372036854775808}', "ttlQueriesMs must be between 0 and"),
        (b'{"ttlQueriesMs": "60000"}', 'ttlQueriesMs must be a whole number, not "60000"'),
        (b'{"ttlQueriesMs": 1.5}', "ttlQueriesMs must be a whole number"),
        (b'{"ttlQueriesMs": 60000.0}', "ttlQueriesMs must be a whole number"),
        (b'{"ttlQueriesMs": true}', "ttlQueriesMs must be a whole number"),
        (b'{"ttlQueriesMs": null}', "ttlQueriesMs must be a whole number, not null"),
        (b'{"enabled": 1}', "enabled must be true or false"),
        (b'{"enabled": "true"}', "enabled must be true or false"),
        (b'{"useDefaultTTL": []}', "useDefaultTTL must be true or false"),
        (b'{"dataSourceUID": 1}', "dataSourceUID must be a string"),
        (b'{"dataSourceUID": "other"}', "dataSourceUID is not that of the data source in the path"),
        (b'{"dataSourceUID": "\\ud800"}', "dataSourceUID is not"),
        (b'{"dataSourceID": 2}', "dataSourceID is not that of the data source in the path"),
        (b'{"dataSourceID": "1"}', "dataSourceID must be a whole number"),
        (b"\xef\xbb\xbf{}", "line 1, column 1: a byte order mark"),
        ('{"enabled": true}'.encode("utf-16"), "not UTF-8"),
        ('{"enabled": true}'.encode("utf-16-le"), "line 1, column 2"),
        (b'{"x": "\xff"}', "not UTF-8 (byte 8)"),
        (b'{"x": "\x00"}', "line 1, column 8"),
        (b'{"x":' * 17 + b"1" + b"}" * 17, "more than 16 levels"),
        (b"[" * 60_000, "more than 16 levels"),
        (b'"' + b'\\"' * 32_000, "line 1, column 1"),
    ],
    ids=lambda value: repr(value[:32]) if isinstance(value, bytes) else "",
)
async def test_a_bad_body_is_refused_and_nothing_changes(api: Admin, body: bytes, message: str) -> None:
    before = api.book.snapshot
    headers = {"Content-Type": "application/json"}
    status, answer = await ask(api, "POST", CACHE, data=body, headers=headers)
    assert status == 400
    assert message in answer["message"]
    assert api.book.snapshot is before


@pytest.mark.parametrize("size", [64 * 1024 + 1, 10_000_000])
async def test_a_large_body_is_refused(api: Admin, size: int) -> None:
    before = api.book.snapshot
    headers = {"Content-Type": "application/json"}
    status, answer = await ask(api, "POST", CACHE, data=io.BytesIO(b"{}".ljust(size)), headers=headers)
    assert status == 413
    assert "65536 bytes" in answer["message"]
    assert api.book.snapshot is before
    largest = b"{}".ljust(64 * 1024)
    assert (await ask(api, "POST", CACHE, data=largest, headers=headers))[0] == 200


ZSTD = b"\x28\xb5\x2f\xfd"
CODED = {
    "gzip": (gzip.compress(b"{}"), gzip.compress(bytes(50_000_000), 1)),
    "zstd": (ZSTD + b"\x20\x02\x11\x00\x00{}", ZSTD + b"\x00\x40" + b"\x02\x00\x10\x00" * 400 + b"\x01\x00\x00"),
}


@pytest.mark.parametrize("coding", CODED)
async def test_a_coded_body_is_undone_and_a_bomb_refused(api: Admin, coding: str) -> None:
    """By aiohttp, which knows zstd where it finds the library that packs values in Redis."""
    body, bomb = CODED[coding]
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    assert (await ask(api, "POST", CACHE, data=body, headers=headers))[0] == 200
    before = api.book.snapshot
    assert (await ask(api, "POST", CACHE, data=io.BytesIO(bomb), headers=headers))[0] == 413
    assert api.book.snapshot is before


@pytest.mark.parametrize("path", ["", "/enable", "/disable", "/clean"])
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"],
)
async def test_a_body_of_another_type_is_refused(api: Admin, path: str, content_type: str) -> None:
    before = api.book.snapshot
    headers = {"Content-Type": content_type}
    assert (await ask(api, "POST", CACHE + path, data=b"{}", headers=headers))[0] == 415
    assert api.book.snapshot is before
    assert not api.clearing.calls


@pytest.mark.parametrize("path", ["", "/enable", "/disable", "/clean"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "", "http://["])
async def test_a_foreign_origin_is_refused(api: Admin, path: str, origin: str) -> None:
    before = api.book.snapshot
    status, _ = await ask(api, "POST", CACHE + path, json={}, headers={"Origin": origin})
    assert status == 403
    assert api.book.snapshot is before
    assert not api.clearing.calls


async def test_our_own_origin_is_none_of_them(api: Admin) -> None:
    origin = str(api.client.make_url("")).rstrip("/")
    assert (await ask(api, "POST", f"{CACHE}/enable", headers={"Origin": origin}))[0] == 200


@pytest.mark.parametrize("path", ["/enable", "/disable", "/clean"])
async def test_a_body_where_none_is_needed_is_ignored(api: Admin, path: str) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert (await ask(api, "POST", CACHE + path, data=b"{,", headers=headers))[0] == 200
    assert (await ask(api, "POST", CACHE + path, headers={"Content-Type": "text/plain"}))[0] == 200, "no body"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/cache", "GET,POST"),
        ("DELETE", "/cache", "GET,POST"),
        ("OPTIONS", "/cache/enable", "POST"),
        ("GET", "/cache/clean", "POST"),
        ("PATCH", "/cache/disable", "POST"),
    ],
)
async def test_another_method_is_answered_with_those_allowed(api: Admin, method: str, path: str, allow: str) -> None:
    async with api.client.request(method, f"/api/datasources/{UID}{path}", headers=HEADERS) as response:
        assert response.status == 405
        assert response.headers["Allow"] == allow
        assert "Access-Control-Allow-Origin" not in response.headers
        assert await response.json() == {"message": "Method not allowed"}


@pytest.mark.parametrize("path", ["/", "/api/datasources", f"{CACHE}/", f"{CACHE}/x", "/api/datasources//cache"])
async def test_another_path_is_not_found_in_json(api: Admin, path: str) -> None:
    assert await ask(api, "GET", path) == (404, {"message": "Not found"})


async def test_what_fails_inside_is_not_shown(aiohttp_client: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_: web.Request) -> web.Response:
        raise RuntimeError("inside")

    app = web.Application(middlewares=[json_errors])
    app.router.add_get("/", fail)
    client = await aiohttp_client(app)
    async with client.get("/?secret") as response:
        assert response.status == 500
        assert "inside" not in await response.text()
    assert "inside" in caplog.text
    assert "secret" not in caplog.text


# Clean, disable, and what cannot be kept


async def test_clean_moves_every_generation_then_deletes_everything_and_answers_the_sources_settings(
    api: Admin,
) -> None:
    before = api.book.snapshot.sources
    for _ in range(2):
        status, answer = await ask(api, "POST", f"{CACHE}/clean")
        assert (status, settings(answer)) == (200, (False, True, 300_000, 300_000))
    after = api.book.snapshot.sources
    assert all(before[uid].generation != after[uid].generation for uid in before)
    assert len(api.clearing.calls) == 2
    assert api.clearing.calls[-1] == generations(api)


async def test_clean_of_one_source_leaves_the_others(api: Admin) -> None:
    before = api.book.snapshot.sources
    assert (await ask(api, "POST", f"{CACHE}/clean?scope=datasource"))[0] == 200
    after = api.book.snapshot.sources
    assert {uid for uid in before if before[uid].generation != after[uid].generation} == {UID}
    assert api.clearing.calls == [generations(api)]


@pytest.mark.parametrize("query", ["scope=all", "scope=", "scope=datasource&scope=datasource"])
async def test_an_unknown_scope_cleans_nothing(api: Admin, query: str) -> None:
    assert (await ask(api, "POST", f"{CACHE}/clean?{query}"))[0] == 400
    assert not api.clearing.calls


@pytest.mark.parametrize(("path", "body"), [("/disable", None), ("", {})])
async def test_disabling_moves_the_generation_and_deletes_that_sources_entries(
    api: Admin, path: str, body: dict[str, Any] | None
) -> None:
    await ask(api, "POST", f"{CACHE}/enable")
    before = api.book.snapshot.sources[UID].generation
    assert (await ask(api, "POST", CACHE + path, json=body))[0] == 200
    assert api.book.snapshot.sources[UID].generation != before
    assert api.clearing.calls == [generations(api)]


async def test_a_deletion_that_fails_is_answered_200_and_goes_on(api: Admin) -> None:
    api.clearing.results = [False, False, False]
    assert (await ask(api, "POST", f"{CACHE}/clean"))[0] == 200
    async with asyncio.timeout(10):
        while len(api.clearing.calls) < 4:
            await asyncio.sleep(0.001)
    assert len(api.failures) == 3


class ReadOnly(FileSettings):
    """A settings file that can no longer be written, once `broken`."""

    broken = False

    async def change(self, edit: Edit) -> Contents:
        if self.broken:
            raise SettingsNotDurable("The change could not be saved, and nothing has changed: read-only.")
        return await super().change(edit)


async def test_what_cannot_be_made_durable_is_500_and_changes_nothing(tmp_path: Path) -> None:
    store = ReadOnly(tmp_path)
    async with admin(tmp_path, store) as api:
        await ask(api, "POST", CACHE, json=BODY)
        before = await ask(api, "GET", CACHE)
        store.broken = True
        snapshot = api.book.snapshot
        for path in ("", "/enable", "/disable", "/clean", "/clean?scope=datasource"):
            status, answer = await ask(api, "POST", CACHE + path, json={})
            assert status == 500
            assert "nothing has changed" in answer["message"]
        assert api.book.snapshot is snapshot
        assert not api.clearing.calls
        assert await ask(api, "GET", CACHE) == before
