"""A query asked again: what does not change its answer makes no difference, each thing that does makes another answer."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.servers.grafana import sessions
from tests.servers.grafana.server import basic, cookie

from . import calls
from .calls import BASE, FROM_MS, JSON, QUERY, TO_MS, of, over
from .stand import NOW_S, Call, same_answer, standing

VIEWER, EDITOR = basic("viewer"), basic("editor")
INTERVAL_MS = 15_000


def backwards(value: Any) -> Any:
    """With the members of each object in the opposite order."""
    if isinstance(value, dict):
        return {name: backwards(value[name]) for name in reversed(value)}
    return [backwards(each) for each in value] if isinstance(value, list) else value


def with_headers(**headers: str) -> Call:
    return BASE.but(headers=JSON | {name.replace("_", "-"): value for name, value in headers.items()})


def same_path(query: str) -> Call:
    return BASE.but(path=f"/api/ds/query?{query}")


SAME = {
    "shuffled keys": BASE.but(body=json.dumps(backwards(json.loads(BASE.body))).encode()),
    "compact": BASE.but(body=json.dumps(json.loads(BASE.body), separators=(",", ":")).encode()),
    "indented": BASE.but(body=json.dumps(json.loads(BASE.body), indent=2).encode()),
    "escaped": BASE.but(body=BASE.body.replace(b'"up"', b'"\\u0075p"')),
    "another dashboard": with_headers(
        X_Dashboard_Uid="d2", X_Dashboard_Title="Other", X_Panel_Id="7", X_Panel_Title="P", X_Panel_Plugin_Id="table"
    ),
    "what the page says of it": with_headers(X_Plugin_Id="prometheus", X_Datasource_Uid="prom", X_Query_Group_Id="g1"),
    "another browser": with_headers(
        User_Agent="Mozilla/5.0", Accept_Language="de", X_Grafana_Device_Id="abc", Sec_Fetch_Mode="cors", DNT="1"
    ),
    "traced": with_headers(
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b3="0", X_Request_Id="1"
    ),
    "from elsewhere": with_headers(X_Forwarded_For="192.0.2.1", X_Real_IP="192.0.2.1", Referer="http://a/d/abc"),
    "its own page": with_headers(Origin="http://127.0.0.1"),
    "as browsers accept": with_headers(Accept="application/json, text/plain, */*", Accept_Encoding="gzip, br"),
    "with a charset": with_headers(Content_Type="application/json; charset=utf-8"),
    "no skipping": with_headers(X_Cache_Skip="false"),
    "settings afresh": with_headers(X_Grafana_NoCache="true"),
    "another request id": same_path("ds_type=prometheus&requestId=Q123"),
    "request id in the body": of(QUERY, requestId="Q9"),
    "request id in the query": of(QUERY | {"requestId": "1A"}),
    "another editor": of(QUERY | {"editorMode": "code"}),
    "a row of Explore": of(QUERY | {"key": "Q-6ff9a6a1-6dd4-4d3b-a2f1-0"}),
    "another panel TTL": of(QUERY | {"queryCachingTTL": 60_000}),
    "the number besides": of(QUERY | {"datasourceId": 1}),
    "not hidden": of(QUERY | {"hide": False}),
    "a default written out": of(QUERY | {"queryType": ""}),
    "the picked range as dates": of(QUERY, range={"from": "2026-11-22T23:00:00Z", "to": "2026-11-23T00:00:00Z"}),
    "later in the interval": over(FROM_MS + INTERVAL_MS - 1, TO_MS + INTERVAL_MS - 1),
}

DIFFERENT = {
    "text": of(QUERY | {"expr": "down"}),
    "text's letters": of(QUERY | {"expr": "Up"}),
    "space in the text": of(QUERY | {"expr": "up "}),
    "refId": of(QUERY | {"refId": "B"}),
    "data source": of(QUERY | {"datasource": {"type": "loki", "uid": "loki"}}),
    "no type of the data source": of(QUERY | {"datasource": {"uid": "prom"}}),
    "interval": of(QUERY | {"intervalMs": 30_000}),
    "width": of(QUERY | {"maxDataPoints": 241}),
    "query type": of(QUERY | {"queryType": "instant"}),
    "format": of(QUERY | {"format": "table"}),
    "legend": of(QUERY | {"legendFormat": "{{instance}}"}),
    "a flag": of(QUERY | {"range": False}),
    "a flag as text": of(QUERY | {"range": "true"}),
    "a flag as number": of(QUERY | {"range": 1}),
    "no flag": of({name: value for name, value in QUERY.items() if name != "range"}),
    "time zone": of(QUERY | {"utcOffsetSec": 3600}),
    "scopes": of(QUERY | {"scopes": [{"name": "team"}]}),
    "filters": of(QUERY | {"adhocFilters": [{"key": "a", "value": "1"}]}),
    "order of a list": of(QUERY | {"filters": [{"key": "b"}, {"key": "a"}]}),
    "an unknown member": of(QUERY | {"extra": None}),
    "noise deeper down": of(QUERY | {"nested": {"requestId": "1"}}),
    "key of a plugin": of(QUERY | {"key": "mine"}),
    "hidden": of(QUERY | {"hide": True}),
    "member of the body": of(QUERY, debug=True),
    "from": over(FROM_MS + INTERVAL_MS, TO_MS),
    "to": over(FROM_MS, TO_MS + INTERVAL_MS),
    "the next interval": over(FROM_MS + INTERVAL_MS, TO_MS + INTERVAL_MS),
    "just before": over(FROM_MS - 1, TO_MS - 1),
    "a relative range": over("now-1h", "now"),
    "a time range of its own": of(QUERY | {"timeRange": {"from": str(FROM_MS), "to": str(TO_MS)}}),
    "times in the query": with_headers(X_Query_V2="true"),
    "from an expression": with_headers(X_Grafana_From_Expr="true"),
    "an unknown header": with_headers(X_Team="a"),
    "an unknown parameter": same_path("debug=1"),
    "another API": calls.asked_of_service("prom", "up").but(body=BASE.body),
}

NEVER = {
    "skipped": with_headers(X_Cache_Skip="true"),
    "no-cache": with_headers(Cache_Control="no-cache"),
    "no-store": with_headers(Cache_Control="no-store"),
    "an alert's": with_headers(FromAlert="true"),
    "a rule's": with_headers(X_Rule_Uid="abc"),
    "a foreign page": with_headers(Origin="http://evil.example"),
    "no origin to speak of": with_headers(Origin="null"),
    "conditional": with_headers(If_None_Match='"a"'),
    "another method inside": with_headers(X_HTTP_Method_Override="DELETE"),
    "only a page is wanted": with_headers(Accept="text/event-stream"),
    "text": with_headers(Content_Type="text/plain"),
    "form": with_headers(Content_Type="application/x-www-form-urlencoded"),
    "another charset": with_headers(Content_Type="application/json; charset=utf-16"),
    "no content type": BASE.but(headers={}),
    "compressed": BASE.but(headers=JSON | {"Content-Encoding": "gzip"}, body=gzip.compress(BASE.body)),
    "an organisation by parameter": same_path("orgId=1"),
    "a token by parameter": same_path("auth_token=abc"),
    "no body": BASE.but(body=b""),
    "no JSON": BASE.but(body=BASE.body[:-1]),
    "more than JSON": BASE.but(body=BASE.body + b"{}"),
    "a key twice": BASE.but(body=BASE.body.replace(b'"expr": "up"', b'"expr": "down", "expr": "up"')),
    "a body's key twice": BASE.but(body=BASE.body.replace(b'"to":', b'"to": "1", "to":')),
    "a key in capitals": BASE.but(body=BASE.body.replace(b'"queries"', b'"Queries"')),
    "a number nobody holds": BASE.but(body=BASE.body.replace(b'"range": true', b'"range": 1e400')),
    "a list": BASE.but(body=b"[" + BASE.body + b"]"),
    "no queries": calls.ds_query(),
    "a refId twice": calls.ds_query(QUERY, QUERY | {"expr": "down"}),
    "no data source": of({name: value for name, value in QUERY.items() if name != "datasource"}),
    "a data source that is not there": of(QUERY | {"datasource": {"type": "prometheus", "uid": "gone"}}),
    "another's number besides": of(QUERY | {"datasourceId": 3}),
    "Grafana's own data": of(QUERY | {"datasource": {"type": "grafana", "uid": "grafana"}}),
    "mixed": of(QUERY | {"datasource": {"type": "mixed", "uid": "-- Mixed --"}}),
    "of a dashboard": of(QUERY | {"datasource": {"type": "dashboard", "uid": "-- Dashboard --"}}),
    "a user's name": of(QUERY | {"expr": "up{user='${__user.login}'}"}),
    "the future": over(TO_MS + 3_600_000, TO_MS + 7_200_000),
    "no times": BASE.but(body=json.dumps({"queries": [QUERY]}).encode()),
    "a date": over("2026-11-22", "2026-11-23"),
    "words": over("yesterday", "today"),
    "no interval": of(QUERY | {"intervalMs": 0}),
    "an interval in words": of(QUERY | {"intervalMs": "15s"}),
}


@pytest.mark.parametrize("call", SAME.values(), ids=SAME)
async def test_what_changes_no_answer_is_a_hit(tmp_path: Path, call: Call) -> None:
    async with standing(tmp_path) as stand:
        first = await stand.ask(BASE, VIEWER)
        again = await stand.ask(call, EDITOR)
        assert (again.status, again.x_cache, again.body) == (200, "HIT", first.body)
        assert stand.executions("prom") == 1


@pytest.mark.parametrize("call", DIFFERENT.values(), ids=DIFFERENT)
async def test_what_changes_the_answer_is_a_miss(tmp_path: Path, call: Call) -> None:
    async with standing(tmp_path) as stand:
        await stand.ask(BASE, VIEWER)
        expected = await stand.oracle(call, EDITOR)
        other = await stand.ask(call, EDITOR)
        assert other.x_cache == "MISS"
        assert same_answer(other, expected)
        assert (await stand.ask(BASE, EDITOR)).x_cache == "HIT"  # and leaves the other where it was


@pytest.mark.parametrize("call", NEVER.values(), ids=NEVER)
async def test_what_is_not_understood_or_not_wanted_is_never_a_hit(tmp_path: Path, call: Call) -> None:
    async with standing(tmp_path) as stand:
        who = cookie(sessions.begin(stand.world, 2).token)
        await stand.ask(BASE, who)
        for _ in range(2):
            expected = await stand.oracle(call, who)
            answer = await stand.ask(call, who)
            assert answer.x_cache == "BYPASS"
            assert same_answer(answer, expected)


# Resources


LABELS = "/api/datasources/uid/prom/resources/api/v1/labels"


def got(path: str, **headers: str) -> Call:
    return Call(method="GET", path=path, headers={name.replace("_", "-"): value for name, value in headers.items()})


RANGE = f"start={NOW_S - 3600}&end={NOW_S}"


@pytest.mark.parametrize(
    ("one", "other", "x_cache"),
    [
        (f"{LABELS}?a=1&b=2", f"{LABELS}?b=2&a=1", "HIT"),
        (f"{LABELS}?{RANGE}", f"{LABELS}?start={NOW_S - 3600 + 59}&end={NOW_S + 59}", "HIT"),
        (f"{LABELS}?{RANGE}", f"{LABELS}?start={NOW_S - 3600 + 60}&end={NOW_S + 60}", "MISS"),
        (f"{LABELS}?a=1", f"{LABELS}?a=2", "MISS"),
        (f"{LABELS}?a=1", f"{LABELS}?A=1", "MISS"),
        (f"{LABELS}?a=1&a=2", f"{LABELS}?a=2&a=1", "MISS"),
        (f"{LABELS}?a=1", f"{LABELS}", "MISS"),
        (LABELS, f"{LABELS}/", "MISS"),
        (LABELS, "/api/datasources/uid/loki/resources/api/v1/labels", "MISS"),
        (LABELS, f"{LABELS}2", "MISS"),
        (f"{LABELS}?match[]=up", f"{LABELS}?match%5B%5D=up", "HIT"),
        (f"{LABELS}?match[]=a", f"{LABELS}?match[]=b", "MISS"),
    ],
)
async def test_resources(tmp_path: Path, one: str, other: str, x_cache: str) -> None:
    async with standing(tmp_path) as stand:
        assert (await stand.ask(got(one), VIEWER)).x_cache == "MISS"
        assert (await stand.ask(got(other), EDITOR)).x_cache == x_cache


@pytest.mark.parametrize(
    "call",
    [
        got(LABELS, X_Cache_Skip="true"),
        got(LABELS, Cache_Control="no-cache"),
        got(LABELS, Origin="http://evil.example"),
        got(f"{LABELS}?orgId=1"),
        got("/api/datasources/uid/prom/health"),
        got("/api/datasources/uid/prom/resources//api/v1/labels"),
        Call(method="POST", path="/api/datasources/uid/mysql/resources/names", headers=JSON, body=b"{}"),
        Call(method="PUT", path=LABELS, headers=JSON, body=b"{}"),
        Call(method="DELETE", path=LABELS),
    ],
    ids=lambda call: f"{call.method} {call.path} {[*call.headers]}",
)
async def test_calls_of_plugins_that_are_never_answered_from_the_cache(tmp_path: Path, call: Call) -> None:
    async with standing(tmp_path) as stand:
        await stand.ask(got(LABELS), VIEWER)
        for _ in range(2):
            expected = await stand.oracle(call, VIEWER)
            answer = await stand.ask(call, VIEWER)
            assert answer.x_cache in ("", "BYPASS")
            assert answer.status == expected.status
