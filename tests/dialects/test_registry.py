import re

import pytest
from multidict import CIMultiDict

from proxy.core.model import Call, Dialect, Request
from proxy.dialects.opaque import OPAQUE
from proxy.dialects.registry import KNOWN_TYPES, dialect_for

from .asking import FORM, ask, call

DIALECTS = {name: dialect_for(name) for name in sorted(KNOWN_TYPES)}

NAMES = {
    "prometheus": "prometheus thanos mimir cortex grafana-amazonprometheus-datasource",
    "victoriametrics": "victoriametrics victoriametrics-metrics-datasource",
    "loki": "loki",
    "influxdb": "influxdb",
    "clickhouse": "clickhouse grafana-clickhouse-datasource vertamedia-clickhouse-datasource",
    "elasticsearch": "elasticsearch",
    "opensearch": "opensearch grafana-opensearch-datasource",
    "graphite": "graphite",
    "opentsdb": "opentsdb",
    "tempo": "tempo",
    "jaeger": "jaeger",
    "zipkin": "zipkin",
    "infinity": "infinity json yesoreyeram-infinity-datasource marcusolsson-json-datasource",
    "simpod-json": "simpod-json-datasource grafana-simple-json-datasource",
    "victorialogs": "victorialogs victoriametrics-logs-datasource",
    "pyroscope": "pyroscope grafana-pyroscope-datasource",
    "opaque": "opaque",
}

ACTS = [
    "/api/v1/admin/tsdb/delete_series?match[]=up",
    "/api/v1/admin/tsdb/snapshot",
    "/tags/delSeries?path=a",
    "/snapshot/create",
    "/internal/force_flush",
    "/flush",
    "/ingester/flush",
    "/ingester/shutdown",
    "/ingester/prepare_shutdown",
    "/shutdown",
    "/-/quit",
    "/-/reload",
    "/api/dropcaches",
]
"""What known sources do on a GET or a POST; never kept, whatever the source was declared as."""

WRITES = [
    "/write",
    "/api/v1/write",
    "/api/v1/push",
    "/loki/api/v1/push",
    "/loki/api/v1/delete",
    "/otlp/v1/traces",
    "/api/v2/write",
    "/api/v2/delete",
    "/_bulk",
    "/logs/_delete_by_query",
    "/api/put",
    "/api/v2/spans",
    "/insert/jsonline",
    "/delete/run_task",
    "/push.v1.PusherService/Push",
    "/ingest",
    "/events/",
]


@pytest.mark.parametrize(
    ("source_type", "name"), [(each, name) for name, types in NAMES.items() for each in types.split()]
)
def test_every_type_has_its_dialect(source_type: str, name: str) -> None:
    assert source_type in KNOWN_TYPES
    assert dialect_for(source_type).name == name


@pytest.mark.parametrize("source_type", ["", "cloudwatch", "Prometheus", "grafana-bigquery-datasource"])
def test_an_unknown_type_is_opaque(source_type: str) -> None:
    assert source_type not in KNOWN_TYPES
    assert dialect_for(source_type) is OPAQUE


def test_infinity_takes_the_operators_posts() -> None:
    headers = {"Content-Type": "application/json"}
    call(dialect_for("infinity", ("/read",)), "/read", method="POST", body=b"{}", headers=headers)
    assert ask(dialect_for("infinity"), "/read", method="POST", body=b"{}", headers=headers) is None
    assert dialect_for("prometheus", ("/read",)) is dialect_for("prometheus")


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
def test_route_names_can_be_labels(dialect: Dialect) -> None:
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,40}", route.name) for route in dialect.routes)
    assert all(name == name.lower() for name in dialect.noise)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
def test_only_get_and_post_are_ever_kept(dialect: Dialect) -> None:
    assert all(route.methods <= {"GET", "POST"} for route in dialect.routes)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("source_type", sorted(KNOWN_TYPES))
def test_paths_that_act_are_never_kept(source_type: str, method: str) -> None:
    for target in ACTS:
        found = ask(DIALECTS[source_type], target, method=method, headers={"Content-Type": FORM})
        assert not isinstance(found, Call), target


@pytest.mark.parametrize("source_type", sorted(KNOWN_TYPES))
def test_writes_are_never_kept(source_type: str) -> None:
    for target in WRITES:
        for media_type in (FORM, "application/json", "application/proto"):
            found = ask(DIALECTS[source_type], target, method="POST", body=b"{}", headers={"Content-Type": media_type})
            assert not isinstance(found, Call), target


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
@pytest.mark.parametrize("body", [b"", b"\xff\x00", b"{", b"[]", b"null", b"7", b"a=%zz;b", b"{}\n{}"])
def test_no_request_makes_a_dialect_raise(dialect: Dialect, body: bytes) -> None:
    for route in dialect.routes:
        for query in ("", "a=%zz", "start=x&end=&query=%ff&q=%00", ";", "time=1e999"):
            for media_type in ("", FORM, "application/json", "application/x-ndjson", "application/proto"):
                headers = CIMultiDict({"Content-Type": media_type})
                method = "POST" if body and "POST" in route.methods else min(route.methods)
                route.read(Request(method=method, path="/", query=query, headers=headers, body=body))
