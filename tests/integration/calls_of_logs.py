"""Rows of datasources.md §4 for logs: Loki, Elasticsearch, OpenSearch, VictoriaLogs."""

from urllib.parse import quote

from .calls import JSON, NDJSON, Table, get, other, post, post_json

LOKI_TIMES = "start=1795397068000000000&end=1795397128000000000"
MS = {"gte": 1795397068491, "lte": 1795400668491, "format": "epoch_millis"}


def _loki(path: str) -> str:
    return f"/loki/api/v1/{path}"


_SELECTOR = quote('{job="x"}')
_RATE = f"query=sum(rate({_SELECTOR}%5B5m%5D))&{LOKI_TIMES}&step=5000ms"
_LINES = f"query={_SELECTOR}&{LOKI_TIMES}&limit=100&direction=backward"

LOKI = Table(
    type="loki",
    queries=(
        get(_loki(f"query_range?{_RATE}")),
        get(_loki(f"query_range?{_LINES}")),
        post(_loki("query_range"), _RATE),
        get(_loki("query?query=count(x)&time=1795397128000000000")),
        get(f"/api/prom/query?{_LINES}"),
    ),
    resources=(
        get(_loki(f"labels?{LOKI_TIMES}")),
        get(_loki("label?from=1795397068342000000&to=1795400668342000000")),
        get(_loki(f"label/job/values?{LOKI_TIMES}")),
        get(_loki(f"series?match[]=%7Bjob=%22x%22%7D&{LOKI_TIMES}")),
        post(_loki("series"), f"match[]=%7Bjob=%22y%22%7D&{LOKI_TIMES}"),
        get(_loki(f"index/stats?query=x&{LOKI_TIMES}")),
        get(_loki(f"index/volume?query=x&{LOKI_TIMES}")),
        get(_loki(f"index/volume_range?query=x&{LOKI_TIMES}&step=60")),
        get(_loki(f"detected_labels?{LOKI_TIMES}")),
        get(_loki(f"detected_fields?query=x&{LOKI_TIMES}")),
        get(_loki(f"detected_field/level/values?query=x&{LOKI_TIMES}")),
        get(_loki(f"patterns?query=x&{LOKI_TIMES}")),
        get(_loki("drilldown-limits")),
    ),
    never=(
        get(_loki("query?query=vector(1)%2Bvector(1)&time=4000000000")),
        get(_loki("query_range?query=count(x)&since=1h")),
        get(_loki("query?query=count(x)")),
        post(_loki("push"), '{"streams":[]}', JSON),
        post("/api/prom/push", b"x", "application/x-protobuf"),
        post("/otlp/v1/logs", b"x", "application/x-protobuf"),
        get(_loki("tail?query=x")),
        post(_loki("delete?query=x&start=1")),
        other("PUT", _loki("delete?query=x&start=1")),
        get(_loki("delete")),
        get(_loki("cache/generation_numbers")),
        get(_loki("rules")),
        get("/api/prom/rules"),
        get("/prometheus/api/v1/rules"),
        get("/prometheus/api/v1/alerts"),
        get("/flush"),
        post("/flush"),
        get("/ingester/shutdown"),
        get("/ingester/prepare_shutdown"),
        get("/ring"),
        get("/config"),
        get("/services"),
        get("/log_level"),
        get("/ready"),
        get("/metrics"),
    ),
    bad=tuple(get(_loki(f"query_range?query={word}&{LOKI_TIMES}")) for word in ("make_partial", "make_plain_error",
                                                                               "make_broken")),
)  # fmt: skip


def _searches(index: str) -> str:
    header = f'{{"search_type":"query_then_fetch","ignore_unavailable":true,"index":["{index}"]}}'
    body = (
        '{"size":0,"query":{"bool":{"filter":[{"range":{"@timestamp":{"gte":1795397068491,"lte":1795400668491,'
        '"format":"epoch_millis"}}}]}},"aggs":{"2":{"date_histogram":{"interval":"5s","field":"@timestamp"}}}}'
    )
    return f"{header}\n{body}\n"


def _terms() -> str:
    body = '{"size":0,"aggs":{"1":{"terms":{"field":"host","size":500}}},"query":{"range":{"t":{"gte":1,"lte":2}}}}'
    return f'{{"search_type":"query_then_fetch","index":"logs"}}\n{body}\n'


_MSEARCH = "/_msearch?max_concurrent_shard_requests=5"
_ES_NEVER = (
    post("/_bulk", '{"index":{}}\n{}\n', NDJSON),
    post("/logs/_doc", "{}", JSON),
    other("PUT", "/logs/_doc/1", "{}"),
    other("DELETE", "/logs"),
    post("/logs/_delete_by_query", "{}", JSON),
    post("/logs/_update/1", "{}", JSON),
    post("/_search/scroll", "{}", JSON),
    post("/logs/_pit?keep_alive=1m"),
    post("/logs/_async_search", "{}", JSON),
    get("/_tasks"),
    get("/_snapshot"),
    get("/_security/user"),
    post("/_reindex", "{}", JSON),
    get("/_cluster/health"),
    get("/_cluster/health/logs"),
    post(_MSEARCH, _searches("logs").replace("1795397068491", '"now-1h"'), NDJSON),
)
_ES_BAD = tuple(
    post("/_msearch", _searches(word), NDJSON)
    for word in ("make_error", "make_timed_out", "make_partial", "make_broken")
)
_ES_QUERIES = (
    post(_MSEARCH, _searches("logs-2026.11.23"), NDJSON),
    post(_MSEARCH, _searches("a") + _searches("b"), JSON),
)
_ES_RESOURCES = (
    get("/_mapping"),
    get("/logs/_mapping"),
    get("/logs/_field_caps?fields=*"),
    get("/_field_caps?fields=*"),
    get("/"),
)

ELASTICSEARCH = Table(
    type="elasticsearch",
    queries=(
        *_ES_QUERIES,
        post_json("/_query", {"query": "FROM logs | LIMIT 10", "filter": {"range": {"@timestamp": MS}}}),
    ),
    resources=(*_ES_RESOURCES, post(_MSEARCH, _terms(), NDJSON)),
    never=_ES_NEVER,
    bad=(*_ES_BAD, post_json("/_query", {"query": "FROM make_esql_partial", "filter": {"range": {"@timestamp": MS}}})),
)

OPENSEARCH = Table(
    type="grafana-opensearch-datasource",
    queries=(
        *_ES_QUERIES,
        post_json("/_plugins/_ppl", {"query": "source=logs | where t > '2026-11-23 00:00:00'"}),
        post_json("/_opendistro/_ppl", {"query": "source=logs | where t > '2026-11-23 00:00:00'"}),
    ),
    resources=(*_ES_RESOURCES, get("/_cat/indices?format=json"), get("/_mapping/field/host")),
    never=_ES_NEVER,
    bad=_ES_BAD,
)

_LOGSQL = "/select/logsql"
_LOG_TIMES = "start=1795392000&end=1795395600"

VICTORIALOGS = Table(
    type="victoriametrics-logs-datasource",
    queries=(
        post(f"{_LOGSQL}/query", f"query=*&limit=5&{_LOG_TIMES}"),
        get(f"{_LOGSQL}/query?query=error&{_LOG_TIMES}"),
        get(f"{_LOGSQL}/stats_query?query=*&time=1795395600"),
        get(f"{_LOGSQL}/stats_query_range?query=*&step=1m&{_LOG_TIMES}"),
        get(f"{_LOGSQL}/hits?query=*&step=1m&{_LOG_TIMES}"),
    ),
    resources=(
        *(
            get(f"{_LOGSQL}/{name}?query=*&{_LOG_TIMES}")
            for name in ("field_names", "field_values", "streams", "stream_ids", "stream_field_names",
                         "stream_field_values", "facets")
        ),
        get("/select/tenant_ids"),
    ),
    never=(
        get(f"{_LOGSQL}/query?query=*"),
        get(f"{_LOGSQL}/query?query=_time:5m&{_LOG_TIMES}"),
        get(f"{_LOGSQL}/hits?query=*&start=1h&end=now"),
        get(f"{_LOGSQL}/tail?query=*"),
        post("/insert/jsonline", "{}", "application/stream+json"),
        post("/delete/run_task?filter=x"),
        get("/delete/run_task?filter=x"),
        get("/health"),
        get("/metrics"),
    ),
    bad=tuple(
        get(f"{_LOGSQL}/query?query={word}&{_LOG_TIMES}") for word in ("make_cut", "make_plain_error", "make_broken")
    ),
)  # fmt: skip
