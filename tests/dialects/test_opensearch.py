"""The languages of Elasticsearch and OpenSearch; their searches are in test_elasticsearch."""

import json

import pytest

from proxy.core.model import Call, Dialect, Kind, Reason
from proxy.dialects.elasticsearch import ELASTICSEARCH
from proxy.dialects.opensearch import OPENSEARCH

from .asking import JSON, answer, ask, call, passed

LANGUAGES = [
    (ELASTICSEARCH, "/_query", "FROM logs | STATS count = COUNT(*) BY host", Kind.QUERY),
    (ELASTICSEARCH, "/_query", "FROM logs | WHERE @timestamp >= ?_tstart", Kind.QUERY),
    (ELASTICSEARCH, "/_query", "from logs | where @timestamp > now() - 1h", Reason.NOW),
    (ELASTICSEARCH, "/_query", "TS metrics | WHERE TRANGE(1h)", Reason.NOW),
    (ELASTICSEARCH, "/_query", "/* x */ FROM logs", Reason.STATEMENT),
    (ELASTICSEARCH, "/_query", "", Reason.STATEMENT),
    (ELASTICSEARCH, "/_sql", "SELECT a FROM logs", Kind.QUERY),
    (ELASTICSEARCH, "/_sql", "SHOW TABLES", Kind.RESOURCE),
    (OPENSEARCH, "/_plugins/_sql", "select a from logs where b = 'c';", Kind.QUERY),
    (OPENSEARCH, "/_plugins/_sql", "DESCRIBE TABLES LIKE logs", Kind.RESOURCE),
    (OPENSEARCH, "/_plugins/_sql", "DELETE FROM logs", Reason.STATEMENT),
    (OPENSEARCH, "/_opendistro/_sql", "SELECT 1; DELETE FROM logs", Reason.STATEMENT),
    (OPENSEARCH, "/_opendistro/_sql", "SELECT a FROM b WHERE t > NOW()", Reason.NOW),
    (OPENSEARCH, "/_opendistro/_sql", "SELECT CURRENT_TIMESTAMP", Reason.NOW),
    (OPENSEARCH, "/_plugins/_ppl", "source=logs | where t > timestamp('2024-01-01 00:00:00')", Kind.QUERY),
    (OPENSEARCH, "/_plugins/_ppl", "search source = logs | stats count() by host", Kind.QUERY),
    (OPENSEARCH, "/_opendistro/_ppl", "describe logs", Kind.RESOURCE),
    (OPENSEARCH, "/_opendistro/_ppl", "source=logs | where t > now()", Reason.NOW),
    (OPENSEARCH, "/_plugins/_ppl", "source=logs earliest=-1h", Reason.NOW),
    (OPENSEARCH, "/_plugins/_ppl", "delete from logs", Reason.STATEMENT),
]


@pytest.mark.parametrize(("dialect", "target", "text", "expected"), LANGUAGES)
def test_languages(dialect: Dialect, target: str, text: str, expected: Kind | Reason) -> None:
    found = ask(dialect, target, method="POST", body=json.dumps({"query": text}).encode(), headers=JSON)
    assert (found.kind if isinstance(found, Call) else passed(found)) is expected


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"query": "SELECT a FROM b", "cursor": "x"}, Reason.STATEMENT),
        ({"cursor": "x"}, Reason.STATEMENT),
        ({"query": "SELECT a FROM b", "keep_on_completion": True}, Reason.STATEMENT),
        ({"query": 5}, Reason.STATEMENT),
        ({"query": "SELECT a FROM b", "filter": {"range": {"t": {"gte": "now-1h"}}}}, Reason.NOW),
        ([], Reason.BODY),
    ],
)
def test_statements_that_pass(body: object, reason: Reason) -> None:
    found = ask(ELASTICSEARCH, "/_sql", method="POST", body=json.dumps(body).encode(), headers=JSON)
    assert passed(found) is reason


def test_each_has_its_own_languages() -> None:
    for dialect, target in ((ELASTICSEARCH, "/_plugins/_ppl"), (OPENSEARCH, "/_query"), (OPENSEARCH, "/_sql")):
        assert ask(dialect, target, method="POST", body=b'{"query": "FROM a"}', headers=JSON) is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"columns": [], "values": [], "is_partial": false}', None),
        (b'{"schema": [], "datarows": [], "status": 200}', None),
        (b'{"columns": [], "is_partial": true}', Reason.PARTIAL),
        (b'{"id": "x", "is_running": true}', Reason.PARTIAL),
        (b'{"columns": [], "rows": [], "cursor": "x"}', Reason.PARTIAL),
        (b'{"columns": [], "_clusters": {"skipped": 1}}', Reason.PARTIAL),
        (b'{"error": {"reason": "x"}, "status": 400}', Reason.ERROR_IN_BODY),
        (b'{"schema": [], "status": 500}', Reason.ERROR_IN_BODY),
        (b"a,b\n1,2\n", Reason.MALFORMED),
        (b"[]", Reason.MALFORMED),
    ],
)
def test_marks_of_tables(body: bytes, reason: Reason | None) -> None:
    found = call(ELASTICSEARCH, "/_query", method="POST", body=b'{"query": "FROM a"}', headers=JSON)
    assert found.judge(answer(body)) is reason
