"""S-20 to S-22: no path leaves the source's base under any decoding; see also T12 and T13."""

import pytest

from tests.servers.listener import MATRIX, listening, source
from tests.servers.scripted import Scripted, json_answer

ESCAPES = [
    *("/api/v1/../../admin/tsdb/delete_series", "/..", "/../", "/api/..", "/./x", "/api/.", "/a//../b"),
    *("/..%2fadmin", "/..%2Fadmin", "/%2e%2e/admin", "/%2E%2E/admin", "/%2e%2e%2fadmin", "/.%2e/admin", "/%2e./admin"),
    *("/..;/admin", "/..;x=1/admin", "/%2e%2e;/admin", "/..%3b/admin", "/..%3Bx/admin"),
    *("/..\\admin", "/..%5cadmin", "/%2e%2e%5Cadmin", "/a\\..\\b", "/a%5c%2e%2e%5cb"),
    *("/%252e%252e%252fadmin", "/%252e%252e/admin", "/..%252fadmin", "/%25252e%25252e/admin", "/..%255cadmin"),
    *("/%00", "/x%00.json", "/%2500", "/%0d%0aX-A:%201", "/%250a", "/x%7f"),
    *("/" + "%" + "25" * 12 + "2e", "/%u002e%u002e/../x", "/%c0%ae/../x"),
]
ALLOWED = ["/...", "/a..b", "/..a", "/a../b", "/v1.0/x", "/.well-known", "/a%2fb", "/%25zz", "/x%2e", "/%c0%ae%c0%ae/x"]


@pytest.mark.parametrize("path", ESCAPES)
async def test_a_path_that_could_leave_the_base_is_refused(path: str) -> None:
    async with Scripted(json_answer(MATRIX)) as upstream, listening(source(f"{upstream.url}/base")) as millpond:
        for method in ("GET", "POST"):
            reply = await millpond.ask(f"/ds/prom{path}?a=b", method=method, body=b"")
            assert reply.status == 400
        assert upstream.connections == 0


@pytest.mark.parametrize("path", ALLOWED)
async def test_a_path_that_cannot_arrives_byte_for_byte(path: str) -> None:
    async with Scripted(json_answer(MATRIX)) as upstream, listening(source(f"{upstream.url}/base")) as millpond:
        assert (await millpond.ask(f"/ds/prom{path}?p=../..%2f")).status == 200
    assert upstream.targets == [f"/base{path}?p=../..%2f"]
