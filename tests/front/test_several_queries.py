"""Requests of several queries: each unit is an answer of its own; what may not be kept is asked for again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from proxy.config.schema import Caching
from tests.servers.grafana.model import Permission
from tests.servers.grafana.server import basic

from . import calls
from .stand import Answer, Call, Stand, same_answer, standing

VIEWER, EDITOR = basic("viewer"), basic("editor")

A, B = calls.query("prom", "a", ref_id="A"), calls.query("loki", "b", ref_id="B", kind="loki")
C = {"refId": "C", "datasource": {"type": "__expr__", "uid": "__expr__"}, "type": "math", "expression": "$A * 2"}
D = {**C, "refId": "D", "expression": "$A + $B"}


async def executed(stand: Stand, call: Call, who: Mapping[str, str] = VIEWER) -> tuple[str, Sequence[int], Answer]:
    """How it was answered, and how often A and B were executed for it."""
    before = [stand.executions("prom", "A"), stand.executions("loki", "B")]
    answer = await stand.ask(call, who)
    after = [stand.executions("prom", "A"), stand.executions("loki", "B")]
    return answer.x_cache, [now - then for now, then in zip(after, before, strict=True)], answer


async def test_of_several_queries_only_the_new_one_is_executed(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        assert (await executed(stand, calls.ds_query(A)))[:2] == ("MISS", [1, 0])
        expected = await stand.oracle(calls.ds_query(A, B), VIEWER)
        x_cache, counts, answer = await executed(stand, calls.ds_query(A, B))
        assert (x_cache, counts) == ("MISS", [0, 1])
        assert same_answer(answer, expected)
        for queries in ((A, B), (B, A), (B,), (A,)):
            expected = await stand.oracle(calls.ds_query(*queries), VIEWER)
            x_cache, counts, answer = await executed(stand, calls.ds_query(*queries), EDITOR)
            assert (x_cache, counts) == ("HIT", [0, 0])
            assert same_answer(answer, await stand.oracle(calls.ds_query(*queries), VIEWER))


async def test_queries_with_an_expression_are_one(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        for queries in ((A, C), (A, B, D), (A, B, C, D), (A | {"hide": True}, C)):
            call = calls.ds_query(*queries)
            expected = await stand.oracle(call, VIEWER)
            first = await stand.ask(call, VIEWER)
            again = await stand.ask(call, EDITOR)
            assert [first.x_cache, again.x_cache] == ["MISS", "HIT"]
            assert first.body == again.body
            assert same_answer(first, expected)
        assert (await stand.ask(calls.ds_query(A), VIEWER)).x_cache == "MISS"  # what an expression made of it is not it


async def test_an_expression_without_what_it_names_is_refused_as_by_grafana(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        for call in (calls.ds_query(C), calls.ds_query(B, C)):
            expected = await stand.oracle(call, VIEWER)
            for _ in range(2):
                answer = await stand.ask(call, VIEWER)
                assert answer.x_cache != "HIT"
                assert same_answer(answer, expected)


async def test_all_of_a_mixed_requests_sources_must_be_allowed(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        stand.world.permissions.append(
            Permission(
                given=False, subject="user:viewer", org_id=1, action="datasources:query", scope="datasources:uid:loki"
            )
        )
        await stand.ask(calls.ds_query(A, B), EDITOR)
        for call in (calls.ds_query(A, B), calls.ds_query(B), calls.ds_query(A, B, D)):
            answer = await stand.ask(call, VIEWER)
            assert (answer.status, answer.x_cache) == (403, "BYPASS")
        assert (await stand.ask(calls.ds_query(A), VIEWER)).x_cache == "HIT"


async def test_one_query_of_an_uncached_source_takes_all_past_the_cache(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        await stand.ask(calls.ds_query(A, B), VIEWER)
        await stand.app.book.set_enabled("1/loki", False)
        assert (await executed(stand, calls.ds_query(A, B)))[:2] == ("DISABLED", [1, 1])
        assert (await executed(stand, calls.ds_query(A)))[:2] == ("HIT", [0, 0])


# What may not be stored


UNFIT = {
    "failed": {"fail": "boom"},
    "failed badly": {"fail": "boom", "failStatus": 500},
    "live": {"channel": "ds/prom/stream"},
    "running": {"asyncStatus": "running"},
    "submitted": {"asyncStatus": "submitted"},
    "warned of": {"notice": "partial"},
}


@pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT)
@pytest.mark.parametrize("multi_status", [False, True], ids=["400", "207"])
@pytest.mark.parametrize("path", ["/api/ds/query", "/apis/query.grafana.app/v0alpha1/namespaces/default/query"])
async def test_what_may_not_be_kept_is_answered_as_by_grafana_and_asked_for_again(
    tmp_path: Path, unfit: dict[str, Any], multi_status: bool, path: str
) -> None:
    async with standing(tmp_path) as stand:
        stand.world.flags.multi_status = multi_status
        for call in (calls.ds_query(A | unfit), calls.ds_query(A | unfit, B), calls.ds_query(A | unfit, B, D)):
            for _ in range(2):
                expected = await stand.oracle(call.but(path=path), VIEWER)
                _, (of_a, _), answer = await executed(stand, call.but(path=path))
                assert answer.x_cache == "MISS"
                assert of_a == 1
                assert same_answer(answer, expected)


@pytest.mark.parametrize("multi_status", [False, True], ids=["400", "207"])
async def test_a_failed_query_besides_a_known_one(tmp_path: Path, multi_status: bool) -> None:
    async with standing(tmp_path) as stand:
        stand.world.flags.multi_status = multi_status
        await stand.ask(calls.ds_query(A), VIEWER)
        call = calls.ds_query(A, B | {"fail": "boom"})
        expected = await stand.oracle(call, VIEWER)
        x_cache, counts, answer = await executed(stand, call)
        assert (x_cache, counts) == ("MISS", [0, 1])
        assert same_answer(answer, expected)


async def test_what_is_too_large_is_not_kept(tmp_path: Path) -> None:
    async with standing(tmp_path, caching=Caching(max_value_mb=0.05)) as stand:
        large = calls.ds_query(A | {"kilobytes": 100})
        for call in (large, large, calls.ds_query(A | {"kilobytes": 100}, B)):
            expected = await stand.oracle(call, VIEWER)
            answer = await stand.ask(call, VIEWER)
            assert answer.x_cache == "MISS"
            assert answer.json["results"].keys() == expected.json["results"].keys()
