import pytest

from proxy.core.model import Call, Dialect, Kind, Reason
from proxy.dialects.prometheus import PROMETHEUS
from proxy.dialects.victoriametrics import VICTORIAMETRICS

from .asking import FORM, RECORDED, answer, ask, call, passed, recorded

SPAN = "start=1700000000.123&end=1700003600&step=15"
RANGE = f"query=up&{SPAN}"
BOTH = pytest.mark.parametrize("dialect", [PROMETHEUS, VICTORIAMETRICS], ids=["prometheus", "victoriametrics"])

READS = [
    ("GET POST", f"/api/v1/query_range?{RANGE}", Kind.QUERY, None),
    ("GET POST", "/api/v1/query?query=up&time=1700000000", Kind.QUERY, None),
    ("GET POST", "/api/v1/query?query=up&time=2024-01-02T03:04:05.678Z", Kind.QUERY, None),
    ("GET POST", "/api/v1/query?query=up&time=1.7e9", Kind.QUERY, None),
    ("GET POST", "/api/v1/labels", Kind.RESOURCE, None),
    ("GET POST", "/api/v1/labels?match[]=up&start=1&end=2&limit=10", Kind.RESOURCE, None),
    ("GET", "/api/v1/label/job/values?match[]=up", Kind.RESOURCE, None),
    ("GET", "/api/v1/label/U__a_2e_b/values", Kind.RESOURCE, None),
    ("GET POST", "/api/v1/series?match[]=up", Kind.RESOURCE, None),
    ("GET", "/api/v1/metadata?limit=10", Kind.RESOURCE, None),
    ("GET", "/api/v1/status/buildinfo", Kind.RESOURCE, None),
    ("GET", "/api/v1/rules", Kind.RESOURCE, 10_000),
]


def read(dialect: Dialect, target: str, method: str) -> Call:
    if method == "GET":
        return call(dialect, target)
    path, _, form = target.partition("?")
    return call(dialect, path, method="POST", body=form.encode(), headers={"Content-Type": FORM})


@BOTH
@pytest.mark.parametrize(
    ("method", "target", "kind", "cap_ms"),
    [(method, target, kind, cap) for methods, target, kind, cap in READS for method in methods.split()],
)
def test_reads(dialect: Dialect, method: str, target: str, kind: Kind, cap_ms: int | None) -> None:
    found = read(dialect, target, method)
    assert (found.kind, found.ttl_cap_ms) == (kind, cap_ms)
    assert found.parts == call(dialect, target).parts


@pytest.mark.parametrize(
    ("target", "kind", "cap_ms"),
    [
        (f"/api/v1/query_exemplars?{RANGE}", Kind.QUERY, None),
        ("/api/v1/query_exemplars?query=test&start=1700000000000&end=1700003600000", Kind.QUERY, None),
        ("/api/v1/targets/metadata?metric=up", Kind.RESOURCE, None),
        ("/api/v1/format_query?query=up", Kind.RESOURCE, None),
        ("/api/v1/parse_query?query=up", Kind.RESOURCE, None),
        ("/api/v1/cardinality/label_names", Kind.RESOURCE, 10_000),
        ("/api/v1/user_stats", Kind.RESOURCE, 10_000),
        ("/api/v1/explain?query=up&time=1700000000", Kind.QUERY, None),
        ("/api/v1/query_explain?query=up&time=1700000000", Kind.QUERY, None),
        (f"/api/v1/query_range_explain?{RANGE}", Kind.QUERY, None),
    ],
)
def test_what_prometheus_and_its_kin_have_besides(target: str, kind: Kind, cap_ms: int | None) -> None:
    found = call(PROMETHEUS, target)
    assert (found.kind, found.ttl_cap_ms) == (kind, cap_ms)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/api/v1/label/job/values", Kind.RESOURCE),
        ("/prettify-query?query=up", Kind.RESOURCE),
        ("/expand-with-exprs?query=up", Kind.RESOURCE),
    ],
)
def test_what_victoriametrics_has_besides(target: str, kind: Kind) -> None:
    assert read(VICTORIAMETRICS, target, "GET").parts == read(VICTORIAMETRICS, target, "POST").parts
    assert call(VICTORIAMETRICS, target).kind is kind


@BOTH
@pytest.mark.parametrize(
    "prefix",
    [
        "/prometheus",
        "/api/prom",
        "/thanos",
        "/mimir/prometheus",
        "/select/0/prometheus",
        "/select/12:3/prometheus",
        "/select/multitenant/prometheus",
        "/v1/projects/my-project/location/global/prometheus",
        "/workspaces/ws-1a2b",
    ],
)
def test_a_prefix_is_the_operators_affair_and_part_of_the_path(dialect: Dialect, prefix: str) -> None:
    call(dialect, f"{prefix}/api/v1/query_range?{RANGE}")
    call(dialect, f"{prefix}/api/v1/label/job/values")


@BOTH
@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/write",
        "/api/v1/read",
        "/api/v1/push",
        "/api/v1/otlp/v1/metrics",
        "/api/v1/admin/tsdb/delete_series?match[]=up",
        "/api/v1/admin/tsdb/clean_tombstones",
        "/api/v1/notifications/live",
        "/api/v1/search/x",
        "/api/v1/targets",
        "/api/v1/alerts",
        "/api/v1/alertmanagers",
        "/api/v1/status/config",
        "/api/v1/status/tsdb",
        "/api/v1/export",
        "/api/v1/import",
        "/config/v1/rules",
        "/alertmanager/api/v2/silences",
        "/federate?match[]=up",
        "/metrics",
        "/metrics/job/a/api/v1/labels",
        "/insert/0/prometheus/api/v1/labels",
        "/delete/0/prometheus/api/v1/labels",
        "/admin/api/v1/labels",
        "/internal/api/v1/labels",
        "/snapshot/api/v1/labels",
        "/-/reload",
        "/-/api/v1/labels",
        "//api/v1/labels",
        "/api/v1//labels",
        "/api/v1/labels/",
        "/x%2Fy/api/v1/labels",
        "/api/v1/label/a/b/values",
        "/a/b/c/d/e/f/g/h/i/api/v1/labels",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_everything_else_passes(dialect: Dialect, target: str, method: str) -> None:
    assert passed(ask(dialect, target, method=method)) is Reason.ROUTE


@BOTH
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/api/v1/query?query=up", Reason.NOW),
        ("/api/v1/query?query=up&time=", Reason.NOW),
        ("/api/v1/query?query=up&time=now", Reason.NOW),
        ("/api/v1/query?query=up&time=-5m", Reason.NOW),
        ("/api/v1/query?query=up&time=-5", Reason.NOW),  # relative to VictoriaMetrics, whatever it was declared as
        ("/api/v1/query?query=up&time=2024-01-02T03:04:05Z-1h", Reason.NOW),
        ("/api/v1/query_range?query=up&start=-1h&end=1700000000&step=15", Reason.NOW),
        ("/api/v1/query_range?query=up&start=1700000000&step=15", Reason.NOW),
        ("/api/v1/query?query=now()&time=1700000000", Reason.NOW),
        (f"/api/v1/query_range?query=rate(x)+-+NOW+()&{SPAN}", Reason.NOW),
        (f"/api/v1/query_range?query=rand(0)&{SPAN}", Reason.NOW),
        ("/api/v1/query?query=1%2B1&time=4", Reason.HEALTH),
        ("/api/v1/query?query=1+%2B+1&time=4", Reason.HEALTH),
        ("/api/v1/query?query=vector(1)%2Bvector(1)&time=4", Reason.HEALTH),
        ("/api/v1/query?query=1%2B1", Reason.HEALTH),
        (f"/api/v1/query_range?query=up&{RANGE}", Reason.PARAMETER),
        ("/api/v1/query?query=up&time=1&time=2", Reason.PARAMETER),
        ("/api/v1/query?query=up;time=1", Reason.PARAMETER),
    ],
)
def test_passed(dialect: Dialect, target: str, reason: Reason) -> None:
    assert passed(ask(dialect, target)) is reason


@BOTH
def test_a_single_value_in_two_places_passes(dialect: Dialect) -> None:
    found = ask(
        dialect,
        "/api/v1/query?query=down&time=1",
        method="POST",
        body=b"query=up",
        headers={"Content-Type": FORM},
    )
    assert passed(found) is Reason.PARAMETER


@BOTH
def test_parameters_may_be_divided_and_in_any_order(dialect: Dialect) -> None:
    def post(query: str, body: str, content_type: str = FORM) -> tuple[bytes, ...]:
        headers = {"Content-Type": content_type}
        target = f"/api/v1/query_range?{query}" if query else "/api/v1/query_range"
        return call(dialect, target, method="POST", body=body.encode(), headers=headers).parts

    plain = call(dialect, f"/api/v1/query_range?{RANGE}&dedup=true").parts
    assert post("", f"{RANGE}&dedup=true") == plain
    assert post("dedup=true", RANGE) == plain
    assert post(f"{RANGE}&dedup=true", "") == plain
    assert post(f"{RANGE}&dedup=true", "", "application/json") == plain
    assert post("", f"dedup=true&{SPAN}&query=%75p", f"{FORM}; charset=utf-8") == plain


@BOTH
def test_what_tells_answers_apart(dialect: Dialect) -> None:
    others = "&dedup=false &timeout=1s &limit=1 &lookback_delta=1m &stats=all &max_source_resolution=5m &x=1".split()
    others += ["&replicaLabels[]=a", "&replicaLabels[]=b", "&extra_label=a%3Db", "&trace=1", "&nocache=0"]
    targets = [f"/api/v1/query_range?{RANGE}{other}" for other in ["", *others]]
    targets += [target.replace("=up", "=up+") for target in targets[:1]]
    assert len({call(dialect, target).parts for target in targets}) == len(targets)


@BOTH
def test_selectors_are_a_set(dialect: Dialect) -> None:
    plain = call(dialect, "/api/v1/series?match[]=a&match[]=b").parts
    assert call(dialect, "/api/v1/series?match%5B%5D=b&match[]=a&match[]=a").parts == plain
    for other in ("match[]=a", "match[]=a&match[]=c", "match[]=a,b", "match[]=a&match=b"):
        assert call(dialect, f"/api/v1/series?{other}").parts != plain


@BOTH
@pytest.mark.parametrize(
    "accept", ["application/vnd.mimir.queryresponse+protobuf", "text/html", "application/json;q=0"]
)
def test_other_forms_pass(dialect: Dialect, accept: str) -> None:
    assert passed(ask(dialect, f"/api/v1/query_range?{RANGE}", headers={"Accept": accept})) is Reason.CONTENT_TYPE


@pytest.mark.parametrize("value", ["1", "true", "yes", "on", "2"])
def test_nocache_is_honoured(value: str) -> None:
    target = f"/api/v1/query_range?{RANGE}&nocache={value}"
    assert passed(ask(VICTORIAMETRICS, target)) is Reason.NO_STORE


@pytest.mark.parametrize(
    "name",
    [
        path.stem
        for path in sorted(RECORDED.glob("*.http"))
        if not path.stem.startswith(("g755_ui_other", "logcli", "g755_savetest"))
    ],
)
def test_what_real_clients_send_is_read(name: str) -> None:
    found = recorded(PROMETHEUS, name)
    assert isinstance(found, Call) or passed(found) is Reason.HEALTH


@BOTH
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"status":"success","data":{"resultType":"matrix","result":[]}}', None),
        (b'{"status":"success","data":[],"infos":["PromQL info: x"]}', None),
        (b'{"status":"success","data":[],"warnings":[]}', None),
        (b'{"status":"success","data":[],"warnings":null}', None),
        (b'{"status":"success","data":[],"warnings":["a store is down"]}', Reason.PARTIAL),
        (b'{"status":"success","isPartial":true,"data":[]}', Reason.PARTIAL),
        (b'{"status":"error","errorType":"bad_data","error":"x"}', Reason.ERROR_IN_BODY),
        (b'{"data":[]}', Reason.MALFORMED),
        (b'{"status":"success","data":[', Reason.MALFORMED),
        (b'{"status":"success"}{}', Reason.MALFORMED),
        (b"<html>login</html>", Reason.MALFORMED),
        (b"[]", Reason.MALFORMED),
        (b'{"status":"\xff"}', Reason.MALFORMED),
        (b'{"status":"success","data":' + b"[" * 100_000, Reason.MALFORMED),
    ],
)
def test_judge(dialect: Dialect, body: bytes, reason: Reason | None) -> None:
    for target in (f"/api/v1/query_range?{RANGE}", "/api/v1/labels"):
        assert call(dialect, target).judge(answer(body)) is reason


@pytest.mark.parametrize("target", ["/api/v1/user_stats", "/api/v1/cardinality/label_values?label_names[]=a"])
def test_mimirs_statistics_have_no_envelope(target: str) -> None:
    judge = call(PROMETHEUS, target).judge
    assert judge(answer(b'{"ingestionRate": 1, "numSeries": 2}')) is None
    assert judge(answer(b'{"status": "error"}')) is Reason.ERROR_IN_BODY
    assert judge(answer(b"<html>")) is Reason.MALFORMED
