"""Rows of datasources.md §4 for metrics: Prometheus and its family, InfluxDB, Graphite, OpenTSDB."""

from urllib.parse import quote

from .calls import Table, get, other, post, post_json

TIMES = "start=1795392000&end=1795395600"
TEMP = f"query=demo_temp&{TIMES}&step=60"
AT = "query=sum(demo_temp)&time=1795395600"
TSDB = {"start": 1795392000, "end": 1795395600, "queries": [{"metric": "sys.cpu", "aggregator": "sum"}]}

_PROMETHEUS_NEVER = (
    get("/api/v1/query?query=1%2B1&time=4"),
    post("/api/v1/query", "query=1%2B1&time=4"),
    get("/api/v1/query?query=vector(1)%2Bvector(1)&time=4"),
    get("/api/v1/query?query=demo_temp"),
    get("/api/v1/query_range?query=demo_temp&start=1795392000&end=now&step=60"),
    get("/api/v1/targets"),
    get("/api/v1/alerts"),
    get("/api/v1/alertmanagers"),
    get("/api/v1/status/config"),
    get("/api/v1/status/flags"),
    get("/api/v1/status/runtimeinfo"),
    get("/api/v1/status/tsdb"),
    get("/api/v1/status/walreplay"),
    get("/federate?match[]=up"),
    get("/metrics"),
    get("/-/healthy"),
    get("/-/ready"),
    post("/-/reload"),
    post("/api/v1/admin/tsdb/delete_series?match[]=no_such_metric"),
    other("PUT", "/api/v1/admin/tsdb/snapshot"),
    post("/api/v1/write", b"x", "application/x-protobuf"),
    post("/api/v1/read", b"x", "application/x-protobuf"),
    post("/api/v1/otlp/v1/metrics", b"x", "application/x-protobuf"),
    get("/api/v1/notifications"),
    get("/api/v1/search/metrics"),
    other("HEAD", f"/api/v1/query?{AT}"),
    other("DELETE", f"/api/v1/query?{AT}"),
)
_PROMETHEUS_QUERIES = (
    get(f"/api/v1/query_range?{TEMP}"),
    post("/api/v1/query_range", TEMP),
    get(f"/api/v1/query?{AT}"),
    post("/api/v1/query?timeout=30s", AT.replace("sum", "max")),
    get(f"/api/v1/query_exemplars?query=demo_temp&{TIMES}"),
    post("/api/v1/query_exemplars", f"query=up&{TIMES}"),
)
_PROMETHEUS_RESOURCES = (
    get(f"/api/v1/labels?match[]=demo_temp&{TIMES}"),
    post("/api/v1/labels", f"match[]=up&{TIMES}"),
    get(f"/api/v1/label/instance/values?{TIMES}"),
    get(f"/api/v1/series?match[]=demo_temp&{TIMES}"),
    post("/api/v1/series", f"match[]=up&{TIMES}"),
    get("/api/v1/metadata"),
    get("/api/v1/metadata?metric=up&limit=1"),
    get("/api/v1/rules"),
    get("/api/v1/status/buildinfo"),
    get("/api/v1/targets/metadata"),
)

PROMETHEUS = Table(
    type="prometheus",
    queries=_PROMETHEUS_QUERIES,
    resources=_PROMETHEUS_RESOURCES,
    never=_PROMETHEUS_NEVER,
    bad=(
        get(f"/api/v1/query_range?query=sum(&{TIMES}&step=60"),
        get("/api/v1/query_range?query=demo_temp&start=0&end=1795395600&step=1"),
        post("/api/v1/query", "query=label_replace(up,%22a b%22,%22%22,%22%22,%22%22)&time=1795395600"),
        get(f"/api/v1/series?{TIMES}"),
        get("/api/v1/label/b%C3%A9d/values"),
    ),
)

_FAKE_BAD = tuple(
    get(f"/api/v1/{path}&x={word}")
    for word in ("make_error", "make_warning", "make_partial", "make_broken")
    for path in (f"query_range?{TEMP}", f"query?{AT}", f"labels?{TIMES}", f"series?match[]=up&{TIMES}")
)

THANOS = Table(
    type="thanos",
    queries=(
        *_PROMETHEUS_QUERIES,
        get(f"/api/v1/query_range?{TEMP}&dedup=false&partial_response=true&max_source_resolution=auto"),
        get(f"/api/v1/query_range?{TEMP}&replicaLabels[]=a&storeMatch[]=b&engine=thanos"),
        get(f"/api/v1/query_range?{TEMP}&x=make_info"),
        get(f"/api/v1/explain?{AT}&engine=thanos"),
        get(f"/api/v1/query_range_explain?{TEMP}"),
    ),
    resources=_PROMETHEUS_RESOURCES,
    never=(*_PROMETHEUS_NEVER, get("/api/v1/stores"), post("/api/v1/receive", b"x"), get("/stores")),
    bad=_FAKE_BAD,
)

MIMIR = Table(
    type="mimir",
    queries=(
        get(f"/prometheus/api/v1/query_range?{TEMP}"),
        post("/prometheus/api/v1/query", AT),
        get(f"/api/prom/api/v1/query_range?{TEMP}"),
    ),
    resources=(
        get("/prometheus/api/v1/labels"),
        get("/prometheus/api/v1/cardinality/label_names"),
        get("/prometheus/api/v1/cardinality/label_values?label_names[]=job"),
        get("/api/v1/user_stats"),
        get("/prometheus/api/v1/rules"),
    ),
    never=(
        post("/api/v1/push", b"x", "application/x-protobuf"),
        post("/otlp/v1/metrics", b"x", "application/x-protobuf"),
        get("/prometheus/config/v1/rules"),
        get("/config/v1/rules"),
        post("/prometheus/config/v1/rules/ns", "name: x", "application/yaml"),
        other("DELETE", "/prometheus/config/v1/rules/ns"),
        get("/api/prom/rules"),
        get("/prometheus/api/v1/alerts"),
        get("/multitenant_alertmanager/status"),
        get("/alertmanager/api/v2/alerts"),
        get("/ingester/flush"),
        get("/ingester/shutdown"),
        get("/distributor/ring"),
        get("/ingester/ring"),
        get("/store-gateway/ring"),
        get("/prometheus/api/v1/read"),
    ),
    bad=tuple(get(f"/prometheus/api/v1/query_range?{TEMP}&x={word}") for word in ("make_error", "make_warning")),
)

CORTEX = Table(type="cortex", queries=MIMIR.queries, resources=MIMIR.resources, never=MIMIR.never, bad=MIMIR.bad)

_VICTORIA_NEVER = (
    get("/api/v1/query?query=1%2B1&time=4"),
    get("/api/v1/query?query=demo_temp&time=-1h"),
    get("/api/v1/query_range?query=demo_temp&start=now-5m&end=now&step=60"),
    get(f"/api/v1/query_range?{TEMP}&nocache=1"),
    get("/api/v1/admin/tsdb/delete_series?match[]=no_such_metric"),
    post("/api/v1/admin/tsdb/delete_series", "match[]=no_such_metric"),
    get("/tags/delSeries?path=no.such"),
    post("/api/v1/import", '{"metric":{"__name__":"x"},"values":[1],"timestamps":[1]}', "application/json"),
    post("/api/v1/import/prometheus", "y 1 1795392000000", "text/plain"),
    get("/api/v1/export?match[]=demo_temp"),
    get("/api/v1/export/csv?match[]=demo_temp&format=value"),
    post("/api/v1/write", b"x", "application/x-protobuf"),
    post("/write", "z v=1", "text/plain"),
    post("/insert/0/prometheus/api/v1/import/prometheus", "y 1", "text/plain"),
    get("/snapshot/list"),
    get("/snapshot/create"),
    get("/internal/force_flush"),
    get("/internal/resetRollupResultCache"),
    get("/federate?match[]=demo_temp"),
    get("/api/v1/status/top_queries"),
    get("/api/v1/status/active_queries"),
    get("/api/v1/status/tsdb"),
    get("/api/v1/targets"),
    get("/metrics"),
    get("/health"),
)

VICTORIAMETRICS = Table(
    type="victoriametrics",
    queries=(
        get(f"/api/v1/query_range?{TEMP}"),
        post("/api/v1/query_range", TEMP),
        post(f"/api/v1/query_range?{TEMP}&round_digits=2"),
        get(f"/prometheus/api/v1/query_range?{TEMP}"),
        get(f"/api/v1/query?{AT}"),
        get(f"/api/v1/query_range?{TEMP}&extra_label=instance=a&extra_filters[]=%7Bjob=%22demo%22%7D"),
        get("/api/v1/query_range?query=demo_temp&start=2026-11-23T00:00:00Z&end=2026-11-23T01:00:00Z&step=1m"),
    ),
    resources=(
        get(f"/api/v1/labels?{TIMES}"),
        post("/api/v1/labels", f"match[]=demo_temp&{TIMES}"),
        get(f"/api/v1/label/instance/values?{TIMES}"),
        get(f"/api/v1/series?match[]=demo_temp&{TIMES}"),
        get("/api/v1/metadata"),
        get("/api/v1/rules"),
        get("/api/v1/status/buildinfo"),
    ),
    never=_VICTORIA_NEVER,
    bad=(
        get(f"/api/v1/query_range?query=sum(&{TIMES}&step=60"),
        get(f"/api/v1/query_range?query=nonsense(demo_temp)&{TIMES}&step=60"),
    ),
)

VICTORIAMETRICS_CLUSTER = Table(
    type="victoriametrics-metrics-datasource",
    queries=(
        get(f"/select/0/prometheus/api/v1/query_range?{TEMP}"),
        get(f"/select/7:3/prometheus/api/v1/query?{AT}"),
        get(f"/select/multitenant/prometheus/api/v1/query_range?{TEMP}"),
    ),
    resources=(
        get("/select/0/prometheus/api/v1/labels"),
        get("/prettify-query?query=sum(up)"),
        get("/select/0/prometheus/expand-with-exprs?query=WITH(a=up)a"),
    ),
    never=_VICTORIA_NEVER,
    bad=_FAKE_BAD,
)


def _influxql(text: str, more: str = "") -> str:
    return f"/query?db=telegraf&epoch=ms{more}&q={quote(text)}"


_BETWEEN = "time >= 1795392000000ms and time <= 1795395600000ms"
_MEAN = f"SELECT mean(value) FROM cpu WHERE {_BETWEEN} GROUP BY time(1m), host fill(null)"

INFLUXQL = Table(
    type="influxdb",
    queries=(
        get(_influxql(_MEAN)),
        post("/query?db=telegraf&epoch=ms", f"q={quote(_MEAN)}"),
        get(_influxql(f"SELECT last(value) FROM cpu WHERE {_BETWEEN}; SHOW MEASUREMENTS")),
        get(_influxql(f"SELECT count(value) FROM cpu WHERE host = 'DROP; INTO' AND {_BETWEEN}")),
        get(_influxql(_MEAN, "&u=reader&p=secret")),
        get(_influxql(_MEAN, "&pretty=true")),
    ),
    resources=(
        get(_influxql('SHOW TAG VALUES WITH KEY = "host"')),
        get(_influxql("SHOW TAG KEYS FROM cpu")),
        get(_influxql("SHOW FIELD KEYS")),
        get(_influxql("SHOW MEASUREMENTS LIMIT 100")),
        get(_influxql("SHOW RETENTION POLICIES on telegraf")),
        post("/query?db=telegraf", f"q={quote('show series')}"),
    ),
    never=(
        get(_influxql("SELECT mean(value) FROM cpu WHERE time >= now() - 1h GROUP BY time(10s)")),
        get(_influxql("CREATE DATABASE other")),
        post("/query", f"q={quote('DROP DATABASE other')}"),
        get(_influxql("SHOW DATABASES; DROP MEASUREMENT nothing")),
        post("/query?db=telegraf", f"q={quote('SELECT value INTO copied FROM cpu')}"),
        get(_influxql("DELETE FROM nothing")),
        get(_influxql("SHOW QUERIES")),
        get(_influxql("SHOW STATS")),
        get(_influxql("SHOW DIAGNOSTICS")),
        get(_influxql("SHOW SHARDS")),
        get(_influxql(_MEAN, "&chunked=true")),
        get(_influxql(_MEAN, "&db=other")),
        get(_influxql(_MEAN), accept="application/csv"),
        get("/query?db=telegraf"),
        post("/write?db=telegraf&precision=s", "mem,host=a value=1 1795392000", "text/plain"),
        get("/ping"),
        get("/debug/vars"),
    ),
    bad=(
        get(_influxql("SELECT nope(value) FROM cpu")),
        get(_influxql("SELECT value FROM")),
        get("/query?db=nowhere&q=SELECT+value+FROM+cpu"),
        get(_influxql(f"SELECT value FROM cpu WHERE {_BETWEEN}")),  # more rows than max-row-limit: partial
        get(_influxql(f"{_MEAN}; SELECT nope(value) FROM cpu")),
    ),
)


def _flux(text: str, **more: object) -> object:
    return {"query": text, "type": "flux", "dialect": {"header": True}, **more}


_RANGE = 'from(bucket: "b") |> range(start: 2026-11-23T01:24:28Z, stop: 2026-11-23T02:24:28Z)'

FLUX = Table(
    type="influxdb",
    queries=(
        post_json("/api/v2/query?org=o", _flux(f'{_RANGE} |> filter(fn: (r) => r._measurement == "to(x)")')),
        post_json("/api/v2/query?org=o", _flux('from(bucket: "b") |> range(start: -1h)', now="2026-11-23T02:24:28Z")),
        post("/api/v2/query?org=o", _RANGE, "application/vnd.flux"),
    ),
    resources=(
        post_json("/api/v2/query?org=o", _flux("buckets()")),
        post_json(
            "/api/v2/query?org=o",
            _flux('import "influxdata/influxdb/schema"\nschema.measurements(bucket: "b", start: 2026-11-23T01:00:00Z, '
                  'stop: 2026-11-23T02:00:00Z)'),
        ),
    ),
    never=(
        post_json("/api/v2/query?org=o", _flux('from(bucket: "b") |> range(start: -1h)')),
        post_json("/api/v2/query?org=o", _flux(f'{_RANGE} |> to(bucket: "other")')),
        post_json("/api/v2/query?org=o", _flux(f'import "experimental"\n{_RANGE} |> experimental.to(bucket: "c")')),
        post_json("/api/v2/query?org=o", _flux(f'import "http"\n{_RANGE} |> http.post(url: "x")')),
        post_json("/api/v2/query?org=o", _flux(f"{_RANGE} |> map(fn: (r) => ({{r with t: now()}}))")),
        post("/api/v2/query?org=o", "{", "application/json"),
        post("/api/v2/write?org=o&bucket=b", "m v=1", "text/plain"),
        post_json("/api/v2/delete?org=o&bucket=b", {"start": "2026-11-23T01:24:28Z", "stop": "2026-11-23T02:24:28Z"}),
        get("/health"),
        get("/ping"),
        get("/api/v2/buckets"),
    ),
    bad=tuple(
        post_json("/api/v2/query?org=o", _flux(f'{_RANGE} |> filter(fn: (r) => r.x == "{word}")'))
        for word in ("make_error", "make_plain_error", "make_broken")
    ),
)  # fmt: skip

SPAN = "from=1795392000&until=1795395600"

GRAPHITE = Table(
    type="graphite",
    queries=(
        post("/render", f"target=a.b&target=sum(a.*)&{SPAN}&format=json&maxDataPoints=700"),
        get(f"/render?target=a.b&{SPAN}&format=json"),
    ),
    resources=(
        post(f"/metrics/find?{SPAN}", "query=a.*"),
        get("/metrics/find?query=a.*"),
        get("/metrics/expand?query=a.*"),
        get("/functions"),
        get("/tags"),
        get("/tags/host"),
        get("/tags/autoComplete/tags?expr=a&limit=10"),
        get("/tags/autoComplete/values?tag=a&expr=b=c"),
        get("/version"),
        get(f"/events/get_data?tags=x&{SPAN}"),
    ),
    never=(
        post("/render", "target=a.b&from=-1h&until=now&format=json"),
        get("/render?target=a.b&from=-6h&format=json"),
        post("/render", f"target=a.b&{SPAN}&format=json&noCache=1"),
        post_json("/events/", {"what": "deployed"}),
        post("/tags/tagSeries", "path=a.b"),
        post("/tags/tagMultiSeries", "path=a.b"),
        get("/tags/delSeries?path=a.b"),
        post("/tags/delSeries", "path=a.b"),
        get("/dashboard/load/x"),
        get("/composer"),
    ),
    bad=tuple(post("/render", f"target={word}&{SPAN}&format=json") for word in ("make_error", "make_broken")),
)

OPENTSDB = Table(
    type="opentsdb",
    queries=(
        post_json("/api/query", TSDB),
        get("/api/query?start=1795392000&end=1795395600&m=sum:sys.cpu"),
        get("/api/query/last?timeseries=sys.cpu"),
        post_json("/api/query/last", {"queries": [{"metric": "sys.cpu"}]}),
        post_json("/api/query/exp", {"time": {"start": 1795392000, "end": 1795395600, "aggregator": "sum"}}),
    ),
    resources=(
        get("/api/suggest?type=metrics&q=sys&max=10"),
        get("/api/aggregators"),
        get("/api/config/filters"),
        get("/api/search/lookup?m=sys.cpu&limit=10"),
    ),
    never=(
        get("/api/suggest?q=cpu&type=metrics"),
        post_json("/api/query", {**TSDB, "start": "1h-ago"}),
        post_json("/api/query", {"start": 1795392000, "queries": TSDB["queries"]}),
        post_json("/api/query", {**TSDB, "delete": True}),
        other("DELETE", "/api/query?start=1795392000&end=1795395600&m=sum:sys.cpu"),
        post_json("/api/put", [{"metric": "x", "timestamp": 1, "value": 1, "tags": {"a": "b"}}]),
        post_json("/api/rollup", []),
        post_json("/api/uid/assign", {"metric": ["x"]}),
        post_json("/api/annotation", {"startTime": 1}),
        post_json("/api/tree", {"name": "x"}),
        get("/api/dropcaches"),
        get("/api/stats"),
    ),
    bad=tuple(
        get(f"/api/query?start=1795392000&end=1795395600&m=sum:{word}") for word in ("make_error", "make_broken")
    ),
)
