"""Loki's metric queries through a running Millpond that aligns them: what is asked, and that parts put together are what
the source says of the whole.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from tests.servers.millpond import Millpond
from tests.servers.source import RunningSource, RunSource
from tests.servers.wire import Reply, ask
from tests.sources import loki
from tests.sources.loki_metrics import matrix, parse

from .configured import caching

RANGE = "/loki/api/v1/query_range"
STEP_MS = 5_000
START_MS = 1_700_000_000_000
END_MS = START_MS + 300_000
OFF_MS = 1_789
"""How far clients are off the grid."""
FORM = ("Content-Type", "application/x-www-form-urlencoded")

HOW = {
    "aligned": {"enabled": True, "align": True},
    "unaligned": {"enabled": True},
    "default": {},
    "off": {"enabled": False, "align": True},
}


@dataclass(frozen=True, slots=True)
class Side:
    """A source in front of which one Millpond has it as often as there are ways of deltas."""

    source: RunningSource
    millpond: Millpond

    def ask(
        self,
        start_ms: int = START_MS + OFF_MS,
        end_ms: int = END_MS + OFF_MS,
        *headers: tuple[str, str],
        query: str = "",
        uid: str = "aligned",
        step: str = "5000ms",
        post: bool = False,
        more: str = "",
    ) -> tuple[Reply, list[str]]:
        """The answer, and what the source was asked for it."""
        before = self.source.count
        text = f"direction=backward&query={quote(query)}&start={start_ms}000000&end={end_ms}000000&step={step}{more}"
        path = f"/ds/{uid}{RANGE}"
        if post:
            reply = ask(self.millpond.port, path, *headers, FORM, method="POST", body=text.encode())
        else:
            reply = ask(self.millpond.port, f"{path}?{text}", *headers)
        asked = self.source.recorder.requests[before:]
        return reply, [request.body.decode() or request.target for request in asked]


@pytest.fixture(scope="module")
def shared(run_source: RunSource) -> Iterator[Side]:
    source = run_source(loki.make())
    sources = [{"uid": uid, "type": "loki", "url": source.url, "delta": delta} for uid, delta in HOW.items()]
    with Millpond(config=caching(*sources)) as millpond:
        yield Side(source, millpond)


@pytest.fixture
def side(shared: Side) -> Side:
    """Whose chunks of other tests are gone."""
    for uid in HOW:
        shared.millpond.api("POST", f"{uid}/cache/clean")
    return shared


def times(target: str) -> tuple[str, str]:
    found = re.search(r"start=(\d+)&end=(\d+)&step=5000ms", target)
    assert found, target
    return found[1], found[2]


def ns(time_ms: int) -> str:
    return f"{time_ms}000000"


def truth(query: str, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
    return matrix(parse(query), start_ms * 1_000_000, end_ms * 1_000_000, STEP_MS * 1_000_000)


def data(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("application/json")
    found: dict[str, Any] = json.loads(reply.decoded)["data"]
    return found


QUERIES = [
    'sum by (level) (count_over_time({job="x"}[1m]))',
    'rate({app="web"} |= "7" [90s])',
    'count_over_time({level="error"}[10s])',
    "sum(bytes_rate({}[5m]))",
    "sum(rate({app='nothing'}[5m]))".replace("'", '"'),
]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("post", [False, True])
def test_a_panel_asks_for_the_points_that_it_has_not_seen(side: Side, query: str, post: bool) -> None:
    def see(start_ms: int, end_ms: int, *gaps: tuple[int, int], x_cache: str = "MISS") -> None:
        reply, asked = side.ask(start_ms + OFF_MS, end_ms + OFF_MS, query=query, post=post)
        assert [times(each) for each in asked] == [(ns(first_ms), ns(last_ms)) for first_ms, last_ms in gaps]
        assert reply.x_cache == x_cache
        assert data(reply)["result"] == truth(query, start_ms, end_ms)

    see(START_MS, END_MS, (START_MS, END_MS))
    see(START_MS, END_MS, x_cache="HIT")
    see(START_MS + STEP_MS, END_MS + STEP_MS, (END_MS + STEP_MS, END_MS + STEP_MS))  # a refresh
    see(START_MS + 60_000, END_MS - 60_000, x_cache="HIT")  # a zoom
    see(START_MS - 90_000, END_MS - 90_000, (START_MS - 90_000, START_MS - STEP_MS))  # a pan
    see(START_MS - 120_000, END_MS + 60_000,
        (START_MS - 120_000, START_MS - 95_000), (END_MS + 10_000, END_MS + 60_000))  # both sides  # fmt: skip


def test_the_first_answer_is_the_sources_own_to_the_aligned_range(side: Side) -> None:
    reply, asked = side.ask(query=QUERIES[0], more="&limit=700")
    assert asked == [
        f"{RANGE}?direction=backward&query={quote(QUERIES[0])}&start={ns(START_MS)}&end={ns(END_MS)}&step=5000ms&limit=700"
    ]
    assert reply.headers["Cache-Status"] == "millpond; fwd=uri-miss; fwd-status=200; stored"
    assert data(reply)["stats"] == {"summary": {"execTime": side.source.count, "totalBytesProcessed": 0}}


def test_what_is_put_together_has_no_statistics(side: Side) -> None:
    side.ask(query=QUERIES[0])
    reply, _ = side.ask(START_MS + 15_000, END_MS + 15_000, query=QUERIES[0])
    assert data(reply).keys() == {"resultType", "result"}
    last_s = END_MS // 1000
    assert f'detail="{last_s + 5}..{last_s + 15}"' in reply.headers["Cache-Status"]
    assert "fwd=partial" in reply.headers["Cache-Status"]


def test_steps_of_a_fraction_of_a_second(side: Side) -> None:
    query, step_ms = QUERIES[2], 2_500
    for start_ms, end_ms in ((START_MS, END_MS), (START_MS + step_ms, END_MS + step_ms)):
        reply, _ = side.ask(start_ms + OFF_MS, end_ms + OFF_MS, query=query, step="2500ms")
        assert data(reply)["result"] == matrix(parse(query), start_ms * 10**6, end_ms * 10**6, step_ms * 10**6)
    assert "fwd=partial" in reply.headers["Cache-Status"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("X-Scope-OrgID", ("a", "b", "a|b")),
        ("Authorization", ("Bearer a", "Bearer b")),
        ("Cookie", ("a=1", "a=2")),
        ("X-Loki-Response-Encoding-Flags", ("a", "b")),
    ],
)
def test_tenants_are_told_apart(side: Side, name: str, values: tuple[str, ...]) -> None:
    for value in values:
        reply, asked = side.ask(START_MS, END_MS, (name, value), query=QUERIES[0])
        assert (reply.x_cache, len(asked)) == ("MISS", 1)
    for value in values:
        _, asked = side.ask(START_MS, END_MS + STEP_MS, (name, value), query=QUERIES[0])
        assert [times(each) for each in asked] == [(ns(END_MS + STEP_MS), ns(END_MS + STEP_MS))]
        assert side.source.last.headers[name] == value


@pytest.mark.parametrize("more", ["&limit=7", "&direction=forward", "&interval=5s"])
def test_parameters_are_told_apart(side: Side, more: str) -> None:
    side.ask(query=QUERIES[0])
    _, asked = side.ask(query=QUERIES[0], more=more)
    assert len(asked) == 1


@pytest.mark.parametrize("uid", ["default", "off"])
def test_without_deltas_nothing_is_changed(side: Side, uid: str) -> None:
    first, asked = side.ask(query=QUERIES[0], uid=uid)
    assert [times(each) for each in asked] == [(ns(START_MS + OFF_MS), ns(END_MS + OFF_MS))]
    assert data(first)["result"] == truth(QUERIES[0], START_MS + OFF_MS, END_MS + OFF_MS)
    second, asked = side.ask(query=QUERIES[0], uid=uid)
    assert (second.x_cache, asked, second.body) == ("HIT", [], first.body)
    third, asked = side.ask(START_MS + OFF_MS + STEP_MS, END_MS + OFF_MS + STEP_MS, query=QUERIES[0], uid=uid)
    assert third.x_cache == "MISS"
    assert [times(each) for each in asked] == [(ns(START_MS + OFF_MS + STEP_MS), ns(END_MS + OFF_MS + STEP_MS))]


def test_without_alignment_a_grid_is_known_once_it_was_seen(side: Side) -> None:
    def see(steps: int, *gaps: tuple[int, int]) -> None:
        start_ms, end_ms = START_MS + OFF_MS + steps * STEP_MS, END_MS + OFF_MS + steps * STEP_MS
        reply, asked = side.ask(start_ms, end_ms, query=QUERIES[1], uid="unaligned")
        assert [times(each) for each in asked] == [
            (ns(first_ms + OFF_MS), ns(last_ms + OFF_MS)) for first_ms, last_ms in gaps
        ]
        assert data(reply)["result"] == truth(QUERIES[1], start_ms, end_ms)

    see(0, (START_MS, END_MS))
    see(1, (START_MS + STEP_MS, END_MS + STEP_MS))
    see(2, (END_MS + 2 * STEP_MS, END_MS + 2 * STEP_MS))


def test_without_alignment_a_start_between_milliseconds_has_no_grid(side: Side) -> None:
    for _ in range(3):
        start, end = f"{START_MS}000001", f"{END_MS}000001"
        before = side.source.count
        target = f"{RANGE}?query={quote(QUERIES[1])}&start={start}&end={end}&step=5000ms"
        ask(side.millpond.port, f"/ds/unaligned{target}")
        assert [request.target for request in side.source.recorder.requests[before:]] in ([target], [])


@pytest.mark.parametrize(
    "query",
    ['{job="x"}', '{job="x"} |= "("', 'sum(count_over_time({job="x"}[1m] offset -1m))', 'topk(2, rate({job="x"}[1m]))'],
)
def test_what_is_not_sliceable_is_asked_as_it_came(side: Side, query: str) -> None:
    for seconds in range(3):
        start_ms, end_ms = START_MS + OFF_MS + seconds * 1000, END_MS + OFF_MS + seconds * 1000
        reply, asked = side.ask(start_ms, end_ms, query=query)
        assert [times(each) for each in asked] == [(ns(start_ms), ns(end_ms))]
        assert "partial" not in reply.headers["Cache-Status"]


def test_errors_stay_as_they_are(side: Side) -> None:
    reply, asked = side.ask(query="sum(rate({job}[1m]))")
    assert (reply.status, reply.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert reply.body == b"parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"
    assert len(asked) == 1


def test_an_end_before_the_start_is_the_sources_to_refuse(side: Side) -> None:
    reply, _ = side.ask(END_MS, START_MS, query=QUERIES[0])
    assert (reply.status, reply.body[:13]) == (400, b"end timestamp")


def test_warnings_reach_the_client_and_nothing_of_it_is_kept(side: Side) -> None:
    ways = side.source.app[loki.WAYS]

    def see(steps: int, *gaps: tuple[int, int]) -> Reply:
        reply, asked = side.ask(START_MS + steps * STEP_MS, END_MS + steps * STEP_MS, query=QUERIES[3])
        assert [times(each) for each in asked] == [(ns(first_ms), ns(last_ms)) for first_ms, last_ms in gaps]
        assert data(reply)["result"] == truth(QUERIES[3], START_MS + steps * STEP_MS, END_MS + steps * STEP_MS)
        return reply

    ways.warns = True
    try:
        assert json.loads(see(0, (START_MS, END_MS)).decoded)["warnings"]
        ways.warns = False
        assert "warnings" not in json.loads(see(0, (START_MS, END_MS)).decoded)
        ways.warns = True
        assert json.loads(see(1, (END_MS + STEP_MS, END_MS + STEP_MS)).decoded)["warnings"]
    finally:
        ways.warns = False
    assert "warnings" not in json.loads(see(1, (END_MS + STEP_MS, END_MS + STEP_MS)).decoded)


def test_a_source_that_aligns_by_itself_is_found_out_unless_we_do(run_source: RunSource) -> None:
    source = run_source(loki.make())
    source.app[loki.WAYS].aligns = True
    sources = [{"uid": uid, "type": "loki", "url": source.url, "delta": HOW[uid]} for uid in ("aligned", "unaligned")]
    with Millpond(config=caching(*sources)) as millpond:
        side = Side(source, millpond)
        for steps in range(3):
            start_ms, end_ms = START_MS + steps * STEP_MS, END_MS + steps * STEP_MS
            for uid in ("aligned", "unaligned"):
                reply, _ = side.ask(start_ms + OFF_MS, end_ms + OFF_MS, query=QUERIES[0], uid=uid)
                assert data(reply)["result"] == truth(QUERIES[0], start_ms, end_ms)
        unfit = {name: value for name, value in millpond.metrics().items() if "unfit" in name and value}
        assert re.findall(r'"(aligned|unaligned)"', " ".join(unfit)) == ["unaligned"]
