import json

import pytest
from multidict import CIMultiDict

from proxy.core.model import Answer, Call, Kind, Pass, Reason
from proxy.dialects.influxdb import INFLUXDB, flux_kind, influxql_kind

from .asking import FORM, JSON, answer, ask, call, passed, recorded

FROM_TO = "time >= 1700000000000ms and time <= 1700003600000ms"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f'SELECT mean("v") FROM "cpu" WHERE {FROM_TO} GROUP BY time(10s), "host" fill(null)', Kind.QUERY),
        ('SELECT "v" FROM "cpu" LIMIT 5', Kind.QUERY),
        ('select last(v) from "select into"', Kind.QUERY),
        ("SHOW TAG KEYS FROM cpu", Kind.RESOURCE),
        ('SHOW TAG VALUES WITH KEY = "host"; SHOW MEASUREMENTS', Kind.RESOURCE),
        (f"SHOW MEASUREMENTS; SELECT a FROM b WHERE {FROM_TO}", Kind.QUERY),
        ("SELECT a FROM b WHERE c = 'INTO x; DROP y'", Kind.QUERY),
        (
            f"SELECT max(m) FROM (SELECT mean(v) AS m FROM cpu WHERE {FROM_TO} GROUP BY time(1m)) "
            f"WHERE {FROM_TO} GROUP BY time(5m)",
            Kind.QUERY,
        ),
        ("EXPLAIN SELECT a FROM b", Kind.RESOURCE),
        ("SHOW MEASUREMENTS", Kind.RESOURCE),
    ],
)
def test_influxql_reads(text: str, kind: Kind) -> None:
    assert influxql_kind(text) is kind


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT a INTO b FROM c", Reason.STATEMENT),
        ("SELECT a/**/INTO/**/b FROM c", Reason.STATEMENT),
        ("SELECT a FROM b; DROP MEASUREMENT b", Reason.STATEMENT),
        ("SELECT a FROM b WHERE h =~ /'/; DROP MEASUREMENT b -- '", Reason.STATEMENT),
        # Not NOW: what is known for a read may be asked again on a fresh connection.
        ("SELECT a FROM b WHERE time > now() - 1h; DROP MEASUREMENT b", Reason.STATEMENT),
        ("DROP SERIES FROM x", Reason.STATEMENT),
        ("DELETE FROM x", Reason.STATEMENT),
        ("CREATE DATABASE x", Reason.STATEMENT),
        ("GRANT ALL TO u", Reason.STATEMENT),
        ("KILL QUERY 3", Reason.STATEMENT),
        ("SET PASSWORD FOR u = 'p'", Reason.STATEMENT),
        ("EXPLAIN ANALYZE SELECT a FROM b", Reason.STATEMENT),
        ("EXPLAIN SELECT a INTO c FROM b", Reason.STATEMENT),
        ("EXPLAIN DROP MEASUREMENT b", Reason.STATEMENT),
        ("EXPLAIN", Reason.STATEMENT),
        ("SHOW measurements", Reason.HEALTH),
        ("SHOW QUERIES", Reason.STATEMENT),
        ("SHOW STATS", Reason.STATEMENT),
        ("SHOW SHARDS", Reason.STATEMENT),
        ("SELECT 'a", Reason.STATEMENT),
        ("", Reason.STATEMENT),
        (";", Reason.STATEMENT),
        ("SELECT a FROM b WHERE time > now() - 1h", Reason.NOW),
        ("SELECT mean(a) FROM b GROUP BY time(10s)", Reason.NOW),
        ("SELECT mean(a) FROM b WHERE time > 5ms GROUP BY time(10s)", Reason.NOW),
        ("SELECT max(m) FROM (SELECT v AS m FROM b WHERE time < 5ms) GROUP BY time(5m)", Reason.NOW),
    ],
)
def test_influxql_passes(text: str, reason: Reason) -> None:
    assert influxql_kind(text) == Pass(reason=reason)


def test_get_and_post_share_and_parameters_tell_apart() -> None:
    get = call(INFLUXDB, "/query?db=d&epoch=ms&q=SHOW+MEASUREMENTS")
    post = call(
        INFLUXDB, "/query?db=d&epoch=ms", method="POST", body=b"q=SHOW%20MEASUREMENTS", headers={"Content-Type": FORM}
    )
    assert get.parts == post.parts
    for other in ("db=e&epoch=ms", "db=d&epoch=s", "db=d&epoch=ms&rp=r", "db=d&epoch=ms&u=x&p=y", "db=d&epoch=ms&z=1"):
        assert call(INFLUXDB, f"/query?{other}&q=SHOW+MEASUREMENTS").parts != get.parts


@pytest.mark.parametrize(
    ("target", "headers", "reason"),
    [
        ("/query?db=d&q=SHOW+MEASUREMENTS&chunked=true", {}, Reason.STREAM),
        ("/query?db=d&q=SHOW+MEASUREMENTS", {"Accept": "application/csv"}, Reason.CONTENT_TYPE),
        ("/query?db=d&q=SHOW+MEASUREMENTS&q=DROP+x", {}, Reason.PARAMETER),
        ("/query?db=d&db=e&q=SHOW+MEASUREMENTS", {}, Reason.PARAMETER),
        ("/write?db=d", {}, Reason.ROUTE),
        ("/debug/vars", {}, Reason.ROUTE),
        ("/ping", {}, Reason.ROUTE),
    ],
)
def test_influxql_requests_that_pass(target: str, headers: dict[str, str], reason: Reason) -> None:
    assert passed(ask(INFLUXDB, target, headers=headers)) is reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"results":[{"statement_id":0,"series":[{"name":"cpu","values":[[1,2]]}]}]}', None),
        (b'{"results":[{"statement_id":0}]}', None),
        (b'{"results":[{"statement_id":0,"error":"no"}]}', Reason.ERROR_IN_BODY),
        (b'{"error":"no"}', Reason.ERROR_IN_BODY),
        (b'{"results":[{"series":[{"name":"cpu","partial":true}]}]}', Reason.PARTIAL),
        (b'{"results":[{"partial":true}]}', Reason.PARTIAL),
        (b'{"results":[{"statement_id":0', Reason.MALFORMED),
        (b'{"results":[]}\n{"results":[]}', Reason.MALFORMED),
        (b'{"results":[{"error":"\xff"}]}', Reason.MALFORMED),
        (b'{"results":[{"series":[{"values":' + b"[" * 100_000, Reason.MALFORMED),
    ],
)
def test_influxql_judge(body: bytes, reason: Reason | None) -> None:
    assert call(INFLUXDB, "/query?q=SHOW+DATABASES").judge(answer(body)) is reason


ABSOLUTE = "range(start: 2026-11-23T01:24:28Z, stop: 2026-11-23T02:24:28Z)"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f'from(bucket: "b") |> {ABSOLUTE} |> aggregateWindow(every: 5s, fn: mean)', Kind.QUERY),
        ('from(bucket: "b") |> range(start: 1700000000, stop: 1700003600)', Kind.QUERY),
        (f'import "strings"\nfrom(bucket: "b") |> {ABSOLUTE}', Kind.QUERY),
        (f'from(bucket: "to(now())") |> {ABSOLUTE} // to(bucket: "x")', Kind.QUERY),
        ("buckets()", Kind.RESOURCE),
        (f'r = range from(bucket: "b") |> {ABSOLUTE} |> r(start: 2026-11-23, stop: 2026-11-24)', Kind.QUERY),
        ('import "influxdata/influxdb/schema"\nschema.measurements(bucket: "b")', Kind.RESOURCE),
    ],
)
def test_flux_reads(text: str, kind: Kind) -> None:
    assert flux_kind(text, has_now=False) is kind


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f'from(bucket: "b") |> {ABSOLUTE} |> to(bucket: "c")', Reason.STATEMENT),
        (f'w = to\nfrom(bucket: "b") |> {ABSOLUTE} |> w(bucket: "c")', Reason.STATEMENT),
        (f'import "http"\nfrom(bucket: "b") |> {ABSOLUTE}', Reason.STATEMENT),
        (f'import h "experimental/http"\nfrom(bucket: "b") |> {ABSOLUTE}', Reason.STATEMENT),
        (f'import "sql"\nfrom(bucket: "b") |> {ABSOLUTE}', Reason.STATEMENT),
        (f'import "slack"\nfrom(bucket: "b") |> {ABSOLUTE}', Reason.STATEMENT),
        ('from(bucket: "b', Reason.STATEMENT),
        (f'from(bucket: "b") |> {ABSOLUTE} |> set(key: "a", value: "${{now()}}")', Reason.STATEMENT),
        (f'from(bucket: "${{r["a"]}}") |> {ABSOLUTE}', Reason.STATEMENT),
        ('r = range\nfrom(bucket: "b") |> r(start: 2026-11-23T01:24:28Z)', Reason.NOW),
        ("", Reason.STATEMENT),
        ('from(bucket: "b") |> range(start: -1h)', Reason.NOW),
        ('from(bucket: "b") |> range(start: 2026-11-23T01:24:28Z)', Reason.NOW),
        ('from(bucket: "b") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)', Reason.NOW),
        ('from(bucket: "b") |> range(start: 2026-11-23T01:24:28Z, stop: now())', Reason.NOW),
        ('option now = () => 2026-01-01T00:00:00Z\nfrom(bucket: "b") |> range(start: -1h)', Reason.NOW),
    ],
)
def test_flux_passes(text: str, reason: Reason) -> None:
    assert flux_kind(text, has_now=False) == Pass(reason=reason)


def flux(text: str, **more: object) -> Call | Pass | None:
    body = json.dumps({"query": text, **more}).encode()
    return ask(INFLUXDB, "/api/v2/query?org=o", method="POST", body=body, headers={"Content-Type": "application/json"})


def test_flux_requests() -> None:
    text = f'from(bucket: "b") |> {ABSOLUTE}'
    plain, dialect = flux(text), flux(text, dialect={"delimiter": ";"})
    assert isinstance(plain, Call)
    assert isinstance(dialect, Call)
    assert plain.parts != dialect.parts
    assert isinstance(flux('from(bucket: "b") |> range(start: -1h)', now="2026-11-23T02:00:00Z"), Call)
    assert passed(
        ask(INFLUXDB, "/api/v2/query?org=o", method="POST", body=b"{", headers={"Content-Type": "application/json"})
    )
    assert flux(text, type="flux", params={"a": 1}) is not None
    for path in ("/api/v2/write", "/api/v2/delete", "/api/v2/buckets"):
        assert passed(ask(INFLUXDB, path, method="POST")) is Reason.ROUTE


WRITES = b'from(bucket: \\"b\\") |> range(start: 2026-11-23Z, stop: 2026-11-24Z) |> to(bucket: \\"c\\")'
READS = WRITES.partition(b" |> to(")[0]


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "%b", "query": "%b"}' % (WRITES, READS),
        b'{"query": "%b", "Query": "%b"}' % (READS, WRITES),  # Go takes a name in any case, and the last of them
        b'{"query": "%b", "\\u0051uery": "%b"}' % (READS, WRITES),
        b'{"query": "%b", "extern": {"body": []}}' % READS,  # a program of its own, run before the query
        b'{"query": "%b", "ast": {}}' % READS,
        b'{"query": "%b", "spec": {}}' % READS,
        b'{"query": "%b", "dialect": {"header": false}}' % READS,  # an error's table could not be told
        b'{"query": "%b", "dialect": {"Header": false}}' % READS,
        b'{"query": "%b", "dialect": 5}' % READS,
        b'{"query": 5}',
        b"[]",
        b'{"query": "%b"' % READS,
        b'{"query": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_flux_bodies_that_could_be_read_otherwise_pass(body: bytes) -> None:
    assert passed(ask(INFLUXDB, "/api/v2/query", method="POST", body=body, headers=JSON)) is Reason.BODY


def test_flux_as_text() -> None:
    headers = {"Content-Type": "application/vnd.flux"}
    text = f'from(bucket: "b") |> {ABSOLUTE}'.encode()
    assert call(INFLUXDB, "/api/v2/query?org=o", method="POST", body=text, headers=headers).kind is Kind.QUERY
    assert passed(ask(INFLUXDB, "/api/v2/query", method="POST", body=b"\xff", headers=headers)) is Reason.BODY
    assert passed(ask(INFLUXDB, "/api/v2/query", method="POST", body=text)) is Reason.CONTENT_TYPE


def test_what_grafana_7_sends() -> None:
    assert isinstance(recorded(INFLUXDB, "g755_ui_other__POST_api_v2_query"), Call)
    assert isinstance(recorded(INFLUXDB, "g755_ui_other__GET_query"), Call)
    assert passed(recorded(INFLUXDB, "g755_ui_other__GET_query_2")) is Reason.NOW
    assert passed(recorded(INFLUXDB, "g755_ui_other__POST_query")) is Reason.NOW


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"#datatype;string\r\n;error;reference\r\n;no;897\r\n", Reason.ERROR_IN_BODY),
        (b'#datatype,string\r\n,"error","reference"\r\n,no,897\r\n', Reason.ERROR_IN_BODY),
        (b"#datatype,string\r\n,result\r\n,x\r\n", None),
        (b"\r\n", None),
        (b"#datatype,string\r\n,result\r\n,x", Reason.MALFORMED),
        (
            b"#datatype,string\r\n,result\r\n,x\r\n\r\n#datatype,string,long\r\n,error,reference\r\n,no,897\r\n",
            Reason.ERROR_IN_BODY,
        ),
        (b"error,reference\r\nno,897\r\n", Reason.ERROR_IN_BODY),
    ],
)
def test_flux_judge(body: bytes, reason: Reason | None) -> None:
    found = flux(f'from(bucket: "b") |> {ABSOLUTE}')
    assert isinstance(found, Call)
    assert found.judge(answer(body, "text/csv; charset=utf-8")) is reason
    assert found.judge(Answer(status=200, headers=CIMultiDict(), body=b"<html>\n")) is not None
