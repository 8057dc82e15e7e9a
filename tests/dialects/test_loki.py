import pytest

from proxy.core.model import Call, Kind, Reason
from proxy.dialects.loki import LOKI

from .asking import FORM, answer, ask, call, passed, recorded

SPAN = "start=1700000000000000000&end=1700003600000000000"

READS = [
    (f"/loki/api/v1/query_range?query=rate(x[1m])&direction=backward&limit=100&step=15000ms&{SPAN}", Kind.QUERY, None),
    ("/loki/api/v1/query?query=count(x)&time=1700000000000000000", Kind.QUERY, None),
    (f"/api/prom/query?query=x&{SPAN}", Kind.QUERY, None),
    (f"/loki/api/v1/labels?{SPAN}", Kind.RESOURCE, None),
    ("/loki/api/v1/label", Kind.RESOURCE, None),
    ("/api/prom/label", Kind.RESOURCE, None),
    ("/loki/api/v1/label/job/values", Kind.RESOURCE, None),
    ("/api/prom/label/job/values", Kind.RESOURCE, None),
    ("/loki/api/v1/series?match[]=a&match[]=b", Kind.RESOURCE, None),
    ("/loki/api/v1/index/stats?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/index/volume?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/index/volume_range?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/index/shards?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/detected_fields?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/detected_field/level/values?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/detected_labels", Kind.RESOURCE, None),
    ("/loki/api/v1/patterns?query=x", Kind.RESOURCE, None),
    ("/loki/api/v1/drilldown-limits", Kind.RESOURCE, 10_000),
    ("/config/tenant/v1/limits", Kind.RESOURCE, 10_000),
]


@pytest.mark.parametrize(("target", "kind", "cap_ms"), READS)
def test_reads(target: str, kind: Kind, cap_ms: int | None) -> None:
    found = call(LOKI, target)
    assert (found.kind, found.ttl_cap_ms) == (kind, cap_ms)
    path, _, form = target.partition("?")
    posted = call(LOKI, path, method="POST", body=form.encode(), headers={"Content-Type": FORM})
    assert posted.parts == found.parts


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/loki/api/v1/query?query=count(x)", Reason.NOW),
        ("/loki/api/v1/query_range?query=x", Reason.NOW),
        ("/loki/api/v1/query_range?query=x&since=1h", Reason.NOW),
        (f"/loki/api/v1/query_range?query=x&since=1h&{SPAN}", Reason.NOW),
        ("/loki/api/v1/query_range?query=x&start=1700000000000000000", Reason.NOW),
        (f"/loki/api/v1/query_range?query=%7Ba%3D%22b%22%7D+%7C+line_format+%60%7B%7Bnow%7D%7D%60&{SPAN}", Reason.NOW),
        ("/loki/api/v1/query?query=vector(1)%2Bvector(1)&time=4000000000", Reason.HEALTH),
        (f"/loki/api/v1/query_range?query=x&limit=1&limit=2&{SPAN}", Reason.PARAMETER),
        ("/loki/api/v1/push", Reason.ROUTE),
        ("/api/prom/push", Reason.ROUTE),
        ("/otlp/v1/logs", Reason.ROUTE),
        ("/loki/api/v1/tail?query=x", Reason.ROUTE),
        ("/api/prom/tail?query=x", Reason.ROUTE),
        ("/loki/api/v1/delete?query=x", Reason.ROUTE),
        ("/loki/api/v1/rules", Reason.ROUTE),
        ("/api/prom/rules", Reason.ROUTE),
        ("/prometheus/api/v1/rules", Reason.ROUTE),
        ("/loki/api/v1/cache/generation_numbers", Reason.ROUTE),
        ("/flush", Reason.ROUTE),
        ("/ingester/shutdown", Reason.ROUTE),
        ("/config", Reason.ROUTE),
        ("/log_level", Reason.ROUTE),
        ("/ready", Reason.ROUTE),
    ],
)
def test_passed(target: str, reason: Reason) -> None:
    assert passed(ask(LOKI, target)) is reason


def test_a_word_in_a_line_is_no_moment() -> None:
    call(LOKI, f"/loki/api/v1/query_range?query=%7Ba%3D%22b%22%7D+%7C%3D+%22now%22&{SPAN}")


def test_nanoseconds_are_told_apart() -> None:
    targets = [f"/loki/api/v1/query?query=x&time=170000000000000000{digit}" for digit in range(3)]
    assert len({call(LOKI, target).parts for target in targets}) == 3


@pytest.mark.parametrize(
    "name", ["g755_ui_other__GET_loki_api_v1_label", "g755_ui_other__GET_loki_api_v1_query_range",
             "logcli__GET_loki_api_v1_labels", "logcli__GET_loki_api_v1_query_range", "logcli__GET_loki_api_v1_series"]
)  # fmt: skip
def test_what_real_clients_send_is_read(name: str) -> None:
    assert isinstance(recorded(LOKI, name), Call)


@pytest.mark.parametrize(
    ("target", "body", "reason"),
    [
        (READS[0][0], b'{"status":"success","data":{"resultType":"streams","result":[],"stats":{}}}', None),
        (READS[0][0], b'{"status":"success","data":{},"warnings":["limit reached"]}', Reason.PARTIAL),
        (READS[0][0], b"parse error at line 1", Reason.MALFORMED),
        (READS[0][0], b'{"status":"error","error":"x"}', Reason.ERROR_IN_BODY),
        (READS[0][0], b'{"status":"success","data":' + b"[" * 100_000, Reason.MALFORMED),
        ("/loki/api/v1/index/stats?query=x", b'{"streams":1,"chunks":2}', None),
        ("/loki/api/v1/drilldown-limits", b'{"limits":{}}', None),
        ("/config/tenant/v1/limits", b"ingestion_rate_mb: 4\n", None),  # YAML
        ("/config/tenant/v1/limits", b"<html>", Reason.MALFORMED),
    ],
)
def test_judge(target: str, body: bytes, reason: Reason | None) -> None:
    assert call(LOKI, target).judge(answer(body)) is reason


def test_headers_that_only_schedule_are_noise() -> None:
    assert LOKI.noise == {"x-loki-query-limits-context", "x-query-queue-time", "x-loki-actor-path"}
