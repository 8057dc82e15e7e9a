"""Rows of datasources.md §4 for tables and JSON: ClickHouse, Infinity, the JSON data source, and opaque ones."""

from urllib.parse import quote

from .calls import JSON, Call, Table, get, other, post, post_json


def _sql(text: str, more: str = "") -> Call:
    return post(f"/?default_format=TabSeparated{more}", text, "text/plain")


_COUNT = "SELECT host, count() FROM points WHERE at >= toDateTime(1795392000) GROUP BY host ORDER BY host"

CLICKHOUSE = Table(
    type="clickhouse",
    queries=(
        _sql(_COUNT),
        get(f"/?query={quote(_COUNT)}&default_format=JSONEachRow"),
        _sql("WITH 1 AS x SELECT x, 'INSERT; DROP' FROM points LIMIT 1"),
        _sql("SELECT max(value) FROM points", "&query_id=a1&database=default&max_rows_to_read=100000"),
        _sql("SELECT toStartOfMinute(at) AS t, avg(value) FROM points GROUP BY t ORDER BY t FORMAT CSV"),
    ),
    resources=(
        _sql("SHOW TABLES"),
        _sql("DESCRIBE TABLE points"),
        _sql("EXISTS TABLE points"),
        _sql("SELECT name FROM system.columns WHERE table = 'points'"),
        get("/?query=SHOW+DATABASES"),
    ),
    never=(
        _sql("SELECT 1"),
        _sql("INSERT INTO points VALUES (1, 'z', 1)"),
        _sql("CREATE TABLE IF NOT EXISTS other (a UInt8) ENGINE = Memory"),
        _sql("ALTER TABLE points DELETE WHERE host = 'z'"),
        _sql("DROP TABLE IF EXISTS other"),
        _sql("SYSTEM FLUSH LOGS"),
        _sql("KILL QUERY WHERE 0"),
        _sql("OPTIMIZE TABLE points"),
        _sql("SET max_threads = 1"),
        _sql("SELECT now()"),
        _sql("SELECT rand()"),
        _sql("SELECT hostName()"),
        _sql("SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a UInt8')"),
        _sql("SELECT * FROM remote('127.0.0.1', default, points)"),
        _sql("SELECT 2; SELECT 3"),
        _sql("SHOW PROCESSLIST"),
        _sql(_COUNT, "&session_id=s"),
        get("/ping"),
        get("/replicas_status"),
        get("/play"),
    ),
    bad=(
        _sql("SELECT nope FROM points"),
        _sql("SELECT host FROM points WHERE"),
        _sql("SELECT intDiv(1, toInt32(number - 800000)) FROM system.numbers LIMIT 1000000"),
    ),
)

INFINITY = Table(
    type="yesoreyeram-infinity-datasource",
    settings={"cacheable_posts": ["/read/*", "/graphql"]},
    queries=(
        get("/any%2Fthing?a=%20"),
        post_json("/read/items", {"from": 1}),
        post("/read/items", "a=1"),
        post_json("/graphql", {"query": "query Q { a }", "variables": {}}),
    ),
    never=(
        post_json("/write/items", {"from": 1}),
        post_json("/graphql", {"query": "mutation M { a }"}),
        post("/read/items", "--x--", "multipart/form-data; boundary=x"),
        other("PUT", "/read/items", "a=1"),
        other("PATCH", "/read/items", "a=1"),
        other("DELETE", "/read/items"),
    ),
)

_ASKED = {"range": {"from": "2026-11-23T01:00:00Z", "to": "2026-11-23T02:00:00Z"}, "targets": [{"target": "a"}]}

SIMPOD = Table(
    type="simpod-json-datasource",
    queries=(post_json("/query", _ASKED), post_json("/annotations", {**_ASKED, "annotation": {"name": "x"}})),
    resources=tuple(
        post_json(f"/{name}", {"payload": {"target": "a"}})
        for name in ("metrics", "metric-payload-options", "variable", "tag-keys", "tag-values", "search")
    ),
    never=(get("/"), post("/query", "a=1"), post("/query", '{"a":1,"a":2}', JSON), post_json("/other", {})),
)

OPAQUE = Table(
    type="some-datasource-nobody-heard-of",
    queries=(get("/anything?a=1"), get("/anything/else")),
    never=(
        post("/anything", "a=1"),
        other("PUT", "/anything", "a=1"),
        other("DELETE", "/anything"),
        other("OPTIONS", "/anything"),
        other("HEAD", "/anything"),
        get("/api/v1/admin/tsdb/delete_series?match[]=x"),
        get("/-/reload"),
        get("/ingester/flush"),
        get("/shutdown"),
        get("/snapshot/create"),
    ),
)
