import json

import pytest

from proxy.core.model import Call, Dialect, Kind, Reason
from proxy.dialects.elasticsearch import ELASTICSEARCH
from proxy.dialects.opensearch import OPENSEARCH

from .asking import JSON, answer, ask, call, passed, recorded

NDJSON = {"Content-Type": "application/x-ndjson"}
HEADER: dict[str, object] = {"search_type": "query_then_fetch", "ignore_unavailable": True, "index": "logs-*"}
RANGE = {"range": {"@timestamp": {"gte": 1700000000000, "lte": 1700003600000, "format": "epoch_millis"}}}
HISTOGRAM = {"2": {"date_histogram": {"field": "@timestamp", "fixed_interval": "5s"}}}
PANEL: dict[str, object] = {"size": 0, "query": RANGE, "aggs": HISTOGRAM}
TERMS: dict[str, object] = {"size": 0, "query": RANGE, "aggs": {"1": {"terms": {"field": "host", "size": 500}}}}
BOTH = pytest.mark.parametrize("dialect", [ELASTICSEARCH, OPENSEARCH], ids=["elasticsearch", "opensearch"])


def lines(*documents: object) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def msearch(*documents: object, target: str = "/_msearch") -> Call:
    return call(ELASTICSEARCH, target, method="POST", body=lines(*documents), headers=NDJSON)


def msearch_passes(body: bytes, target: str = "/_msearch", content_type: str = "application/x-ndjson") -> Reason:
    headers = {"Content-Type": content_type}
    return passed(ask(ELASTICSEARCH, target, method="POST", body=body, headers=headers))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PANEL, Kind.QUERY),
        ({"size": 500, "query": RANGE}, Kind.QUERY),
        (TERMS, Kind.RESOURCE),
        ({**TERMS, "aggs": {"1": {"terms": {"field": "host"}, "aggs": {}}}}, Kind.RESOURCE),
        ({"size": 0, "aggregations": {"1": {"terms": {"field": "host"}}}}, Kind.RESOURCE),
        ({**TERMS, "size": 10}, Kind.QUERY),
        ({**TERMS, "aggs": {"1": {"terms": {"field": "host"}, "aggs": HISTOGRAM}}}, Kind.QUERY),
        ({**TERMS, "aggs": {**HISTOGRAM, "1": {"terms": {"field": "host"}}}}, Kind.QUERY),
        ({**TERMS, "aggs": {}}, Kind.QUERY),
        ({**TERMS, "aggs": {"1": 5}}, Kind.QUERY),
        ({**TERMS, "aggs": 5}, Kind.QUERY),
    ],
)
def test_a_list_of_terms_is_a_resource(body: dict[str, object], kind: Kind) -> None:
    assert msearch(HEADER, body).kind is kind
    assert msearch(HEADER, body, HEADER, PANEL).kind is Kind.QUERY


@BOTH
def test_what_grafana_7_sends(dialect: Dialect) -> None:
    found = recorded(dialect, "g755_ui_other__POST_msearch")
    assert isinstance(found, Call)
    assert found.kind is Kind.QUERY


@BOTH
@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/_search?q=status:500", Kind.QUERY),
        ("/logs-*/_search", Kind.QUERY),
        ("/_all/_count", Kind.QUERY),
        ("/_mapping", Kind.RESOURCE),
        ("/logs-2024.01.01,logs-2024.01.02/_mapping", Kind.RESOURCE),
        ("/_mapping/field/host", Kind.RESOURCE),
        ("/logs/_field_caps?fields=*", Kind.RESOURCE),
        ("/_cat/indices?format=json", Kind.RESOURCE),
        ("/", Kind.RESOURCE),
    ],
)
def test_other_reads(dialect: Dialect, target: str, kind: Kind) -> None:
    assert call(dialect, target).kind is kind


@BOTH
@pytest.mark.parametrize("path", ["/_search", "/logs/_search", "/logs/_count"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_searches_have_a_body(dialect: Dialect, path: str, method: str) -> None:
    found = call(dialect, path, method=method, body=json.dumps(PANEL).encode(), headers=JSON)
    assert found.kind is Kind.QUERY
    assert found.parts != call(dialect, path, method=method).parts


def test_a_body_on_get_is_not_one_on_post() -> None:
    body = json.dumps(PANEL).encode()
    get, post = (call(ELASTICSEARCH, "/_search", method=method, body=body, headers=JSON) for method in ("GET", "POST"))
    assert get.parts != post.parts


@BOTH
@pytest.mark.parametrize(
    "target",
    [
        "/_bulk",
        "/logs/_doc",
        "/logs/_doc/1",
        "/logs/_create/1",
        "/logs/_update/1",
        "/logs/_update_by_query",
        "/logs/_delete_by_query",
        "/logs/_async_search",
        "/logs/_pit",
        "/logs/_search/point_in_time",
        "/_search/scroll",
        "/_search/template",
        "/_msearch/template",
        "/_tasks",
        "/_snapshot/a/b",
        "/_security/user",
        "/_reindex",
        "/_sql/close",
        "/_plugins/_sql/close",
        "/_scripts/_search",
        "/_nodes/_search",
        "/_cat/nodes",
        "/logs",
        "/logs/_refresh",
        "/_query/async",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD"])
def test_everything_else_passes(dialect: Dialect, target: str, method: str) -> None:
    assert passed(ask(dialect, target, method=method, body=b"{}", headers=JSON)) is Reason.ROUTE


@BOTH
@pytest.mark.parametrize("target", ["/_cluster/health", "/_cluster/health/logs-*"])
def test_health(dialect: Dialect, target: str) -> None:
    assert passed(ask(dialect, target)) is Reason.HEALTH


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/_search?scroll=1m", Reason.PARAMETER),
        ("/_search?source={}&source_content_type=application/json", Reason.PARAMETER),
        ("/_search?filter_path=hits", Reason.PARAMETER),  # hides the failed shards
        ("/_search?q=a&q=b", Reason.PARAMETER),
        ("/_search?q=a;q=b", Reason.PARAMETER),
        ("/_search?q=@timestamp:%3Enow-1h", Reason.NOW),
        ("/%3Clogs-%7Bnow%2Fd%7D%3E/_search", Reason.NOW),
        ("/%253Clogs-%257Bnow%252Fd%257D%253E/_search", Reason.NOW),
    ],
)
def test_parameters_that_pass(target: str, reason: Reason) -> None:
    assert passed(ask(ELASTICSEARCH, target)) is reason


@pytest.mark.parametrize(
    "body",
    [
        {"query": {"range": {"@timestamp": {"gte": "now-1h"}}}},
        {"query": {"range": {"@timestamp": {"gte": "now"}}}},
        {"query": {"bool": {"filter": [{"range": {"t": {"lt": "now/d"}}}]}}},
        {"query": {"query_string": {"query": "@timestamp:[now-1h TO now]"}}},
        {"query": {"query_string": {"query": "@timestamp:>n\\ow-1h"}}},
        {"aggs": {"1": {"date_histogram": {"extended_bounds": {"min": "now-1d"}}}}},
        {"aggs": {"1": {"date_range": {"ranges": [{"from": "now-10M/M"}]}}}},
        {"query": {"function_score": {"random_score": {}}}},
        {"query": {"function_score": {"gauss": {"@timestamp": {"scale": "10d"}}}}},
        {"query": {"script_score": {"script": {"source": "System.currentTimeMillis()"}}}},
        {"aggs": {"1": {"avg": {"script": "new Date().getTime()"}}}},
        {"aggs": {"1": {"avg": {"script": "Math.random()"}}}},
        {"runtime_mappings": {"a": {"script": "emit(Instant.now())"}}},
        {"pit": {"id": "x", "keep_alive": "1m"}},
    ],
)
def test_what_depends_on_the_moment_passes(body: dict[str, object]) -> None:
    assert msearch_passes(lines(HEADER, PANEL, HEADER, body)) is Reason.NOW
    search = ask(ELASTICSEARCH, "/logs/_search", method="POST", body=json.dumps(body).encode(), headers=JSON)
    assert passed(search) is Reason.NOW


@pytest.mark.parametrize("text", ["nowhere", "known", "snow-1", "now_1"])
def test_a_word_with_now_in_it_is_a_word(text: str) -> None:
    msearch(HEADER, {"query": {"term": {"place": text}}})


def test_a_dated_index_passes() -> None:
    for index in ("<logs-{now/d}>", ["logs", "<logs-{now/d-1d}>"], "%3Clogs-%7Bnow%2Fd%7D%3E"):
        assert msearch_passes(lines({**HEADER, "index": index}, PANEL)) is Reason.NOW


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"{}\n",
        b"{}\n{}",  # without its last newline the server refuses it
        b"{}\n\n",
        b"\n{}\n",
        b"{}\n{}\n\n",
        b"{}\n{}\n{}\n",
        b"[]\n{}\n",
        b"{}\n7\n",
        b"7\n{}\n",
        b"{}\n{\n",
        b'{}\n{"a": 1, "a": 2}\n',
        b'{"index": "a", "\\u0069ndex": "b"}\n{}\n',
        b'{}\n{"a": NaN}\n',
        b"{}\n\xff\n",
        b'{}\n{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}\n",
    ],
)
def test_bodies_that_cannot_be_told_pass(body: bytes) -> None:
    assert msearch_passes(body) is Reason.BODY


@pytest.mark.parametrize(
    "content_type",
    ["", "application/cbor", "application/yaml", "application/smile", "text/plain", "application/json; boundary=x"],
)
def test_other_formats_pass(content_type: str) -> None:
    assert msearch_passes(lines(HEADER, PANEL), content_type=content_type) is Reason.CONTENT_TYPE


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=UTF-8",
        "application/x-ndjson",
        "application/vnd.elasticsearch+x-ndjson;compatible-with=8",
    ],
)
def test_the_clients_own_media_types(content_type: str) -> None:
    headers = {"Content-Type": content_type}
    call(ELASTICSEARCH, "/_msearch", method="POST", body=lines(HEADER, PANEL), headers=headers)


def test_what_shares_a_key() -> None:
    plain = msearch(HEADER, PANEL).parts
    assert msearch(HEADER, PANEL, target="/_msearch?max_concurrent_shard_requests=5").parts == plain
    assert msearch(HEADER, PANEL, target="/_msearch?preference=sess-1").parts == plain
    assert msearch({**HEADER, "preference": "sess-2"}, PANEL).parts == plain
    spaced = lines(HEADER, PANEL).replace(b"\n", b" \r\n")
    assert call(ELASTICSEARCH, "/_msearch", method="POST", body=spaced, headers=NDJSON).parts == plain


def test_what_never_does() -> None:
    def ranged(gte: object) -> dict[str, object]:
        return {**PANEL, "query": {"range": {"t": {"gte": gte}}}}

    asked = [
        msearch(HEADER, PANEL),
        msearch(HEADER, PANEL, HEADER, TERMS),
        msearch(HEADER, TERMS, HEADER, PANEL),
        msearch({**HEADER, "index": "other"}, PANEL),
        msearch(HEADER, ranged(9007199254740992)),
        msearch(HEADER, ranged(9007199254740993)),
        msearch(HEADER, ranged("9007199254740993")),
        msearch(HEADER, {"sort": {"a": "asc", "b": "asc"}}),
        msearch(HEADER, {"sort": {"b": "asc", "a": "asc"}}),
        msearch(HEADER, {**PANEL, "preference": "x"}),
        msearch({**HEADER, "preference": "_shards:1"}, PANEL),
        msearch(HEADER, PANEL, target="/_msearch?preference=_shards:1"),
        msearch(HEADER, PANEL, target="/_msearch?ignore_throttled=false"),
        msearch(HEADER, PANEL, target="/_msearch?pretty=true"),
        call(ELASTICSEARCH, "/_msearch", method="POST", body=lines(HEADER, PANEL), headers={**NDJSON, "Accept": "a/b"}),
    ]
    assert len({found.parts for found in asked}) == len(asked)


GOOD = {"took": 1, "timed_out": False, "_shards": {"total": 2, "successful": 2, "skipped": 1, "failed": 0}, "hits": {}}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"status": 200, "hits": {"total": {"value": 10000, "relation": "gte"}}}, None),
        ({"terminated_early": False}, None),
        ({"_clusters": {"total": 2, "successful": 2, "skipped": 0, "partial": 0}}, None),
        ({"error": {"type": "x"}}, Reason.ERROR_IN_BODY),
        ({"status": 404}, Reason.ERROR_IN_BODY),
        ({"status": "x"}, Reason.ERROR_IN_BODY),
        ({"timed_out": True}, Reason.PARTIAL),
        ({"terminated_early": True}, Reason.PARTIAL),
        ({"is_partial": True}, Reason.PARTIAL),
        ({"_shards": {"total": 2, "successful": 1, "failed": 1}}, Reason.PARTIAL),
        ({"_shards": {"failures": [{}]}}, Reason.PARTIAL),
        ({"_clusters": {"total": 2, "skipped": 1}}, Reason.PARTIAL),
        ({"_clusters": {"total": 2, "partial": 1}}, Reason.PARTIAL),
        ({"_clusters": {"total": 2, "failed": 1}}, Reason.PARTIAL),
        ({"_clusters": {"total": 2, "running": 1}}, Reason.PARTIAL),
        ({"_shards": None}, Reason.MALFORMED),
        ({"_clusters": 1}, Reason.MALFORMED),
    ],
)
def test_marks_of_a_search(changed: dict[str, object], reason: Reason | None) -> None:
    body = {**GOOD, **changed}
    assert call(ELASTICSEARCH, "/_search").judge(answer(json.dumps(body).encode())) is reason
    two = answer(json.dumps({"took": 1, "responses": [GOOD, body]}).encode())
    assert msearch(HEADER, PANEL, HEADER, PANEL).judge(two) is reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"responses": []}', Reason.MALFORMED),
        (b'{"responses": [{}, {}]}', Reason.MALFORMED),
        (b'{"responses": [7]}', Reason.MALFORMED),
        (b'{"error": {"type": "x"}, "status": 400}', Reason.ERROR_IN_BODY),
        (b"[]", Reason.MALFORMED),
        (b"<html>", Reason.MALFORMED),
        (b'{"responses": [{"took": 1', Reason.MALFORMED),
    ],
)
def test_marks_of_several(body: bytes, reason: Reason) -> None:
    assert msearch(HEADER, PANEL).judge(answer(body)) is reason


@pytest.mark.parametrize(
    ("target", "body", "content_type", "reason"),
    [
        ("/_mapping", b'{"error": {"mappings": {}}}', "application/json", None),
        ("/_mapping", b"not json", "application/json", Reason.MALFORMED),
        ("/_field_caps?fields=*", b'{"indices": ["a"], "fields": {}}', "application/json", None),
        ("/_field_caps?fields=*", b'{"indices": [], "fields": {}, "failed_indices": 1}', "", Reason.PARTIAL),
        ("/_cat/indices", b"green open logs 1 0\n", "text/plain; charset=UTF-8", None),
        ("/_cat/indices?format=json", b'[{"index": "logs"}]', "application/json", None),
        ("/_cat/indices?format=json", b"<html>", "text/html", Reason.MALFORMED),
    ],
)
def test_marks_of_resources(target: str, body: bytes, content_type: str, reason: Reason | None) -> None:
    assert call(ELASTICSEARCH, target).judge(answer(body, content_type)) is reason


@BOTH
def test_an_opaque_id_is_noise(dialect: Dialect) -> None:
    assert dialect.noise == {"x-opaque-id"}
