"""Rows of datasources.md §4 for traces and profiles: Tempo, Jaeger, Zipkin, Pyroscope."""

from .calls import JSON, PROTO, Table, get, other, post, post_json

_PROTOBUF = "application/protobuf"

TEMPO = Table(
    type="tempo",
    queries=(
        get("/api/traces/a1", accept=_PROTOBUF),
        get("/api/v2/traces/a1?start=1&end=2", accept=_PROTOBUF),
        get("/api/v2/traces/a1"),
        get("/api/search?q=%7B%7D&start=1795392000&end=1795395600&limit=20"),
        get("/api/metrics/query_range?q=%7B%7D%7Crate()&start=1795392000&end=1795395600&step=60"),
        get("/api/metrics/query?q=%7B%7D%7Crate()&start=1795392000&end=1795395600"),
    ),
    resources=(
        get("/api/v2/search/tags"),
        get("/api/search/tags"),
        get("/api/v2/search/tag/service.name/values?q=%7B%7D"),
        get("/api/search/tag/service.name/values"),
        get("/api/status/buildinfo"),
    ),
    never=(
        get("/api/echo"),
        get("/api/search?q=%7B%7D"),
        get("/api/metrics/query_range?q=%7B%7D%7Crate()&since=1h"),
        get("/api/overrides"),
        other("PATCH", "/api/overrides", "{}"),
        other("DELETE", "/api/overrides"),
        get("/flush"),
        get("/shutdown"),
        get("/status/config"),
        get("/ready"),
        get("/metrics"),
        get("/api/v2/traces/a1", accept="application/vnd.grafana.llm"),
    ),
    bad=(
        get("/api/v2/traces/a1?q=make_partial"),
        get("/api/v2/traces/a1?q=make_partial", accept=_PROTOBUF),
        get("/api/traces/00"),
        get("/api/v2/traces/00", accept=_PROTOBUF),
        get("/api/search?q=make_plain_error&start=1&end=2"),
        get("/api/search?q=make_broken&start=1&end=2"),
    ),
)

JAEGER = Table(
    type="jaeger",
    queries=(
        get("/api/traces?service=shop&start=1795392000000000&end=1795395600000000&limit=20"),
        get("/api/traces/a1"),
        get("/api/traces?traceID=a1&traceID=a2"),
        get("/api/dependencies?endTs=1795395600000&lookback=3600000"),
        get("/api/v3/traces/a1"),
        get("/api/v3/traces?query.start_time_min=2026-11-23T01:00:00Z&query.start_time_max=2026-11-23T02:00:00Z"),
    ),
    resources=(
        get("/api/services"),
        get("/api/services/shop/operations"),
        get("/api/operations?service=shop"),
        get("/api/v3/services"),
        get("/api/v3/operations?service=shop"),
    ),
    never=(
        get("/api/traces?service=shop&lookback=1h"),
        get("/api/dependencies?lookback=3600000"),
        post("/api/traces", b"x", "application/x-thrift"),
        get("/api/sampling?service=shop"),
        get("/admin"),
        get("/metrics"),
    ),
    bad=(
        get("/api/traces?service=make_error&start=1&end=2"),
        get("/api/traces?service=make_plain_error&start=1&end=2"),
        get("/api/traces?service=make_broken&start=1&end=2"),
        get("/api/traces/00"),
    ),
)

ZIPKIN = Table(
    type="zipkin",
    queries=(get("/api/v2/trace/a1"),),
    resources=(
        get("/api/v2/services"),
        get("/api/v2/spans?serviceName=shop"),
        get("/api/v2/traces?serviceName=shop&spanName=get&endTs=1795395600000"),
    ),
    never=(
        get("/api/v2/traces?serviceName=shop"),
        post("/api/v2/spans", "[]", JSON),
        get("/health"),
        get("/metrics"),
    ),
    bad=(
        get("/api/v2/trace/00"),
        get("/api/v2/traces?serviceName=make_plain_error&endTs=1"),
        get("/api/v2/spans?serviceName=make_broken"),
    ),
)

_QUERIER = "/querier.v1.QuerierService"

PYROSCOPE = Table(
    type="grafana-pyroscope-datasource",
    queries=tuple(
        call
        for name in ("SelectSeries", "SelectMergeStacktraces", "SelectMergeProfile", "SelectMergeSpanProfile")
        for call in (post(f"{_QUERIER}/{name}", b"\x0a\x01x", PROTO), post_json(f"{_QUERIER}/{name}", {"start": 1}))
    ),
    resources=tuple(
        call
        for name in ("ProfileTypes", "LabelNames", "LabelValues", "Series")
        for call in (post(f"{_QUERIER}/{name}", b"", PROTO), post_json(f"{_QUERIER}/{name}", {"start": 1}))
    ),
    never=(
        post("/push.v1.PusherService/Push", b"x", PROTO),
        post("/ingest", b"x", "application/octet-stream"),
        post("/settings.v1.SettingsService/Set", b"x", PROTO),
        post(f"{_QUERIER}/SelectSeries", b"x", "application/grpc"),
        post(f"{_QUERIER}/SelectSeries", b"x", "application/connect+proto"),
    ),
    bad=tuple(post_json(f"{_QUERIER}/Series", {"a": word}) for word in ("make_error", "make_broken")),
)
