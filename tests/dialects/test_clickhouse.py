import pytest
from multidict import CIMultiDict

from proxy.core.model import Answer, Kind, Pass, Reason
from proxy.dialects.clickhouse import CLICKHOUSE, statement_kind

from .asking import answer, ask, call, passed


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELECT a FROM t WHERE ts >= toDateTime(1700000000) FORMAT JSON", Kind.QUERY),
        ("WITH 1 AS x SELECT x FROM t", Kind.QUERY),
        ("(SELECT a FROM t) UNION ALL (SELECT b FROM u)", Kind.QUERY),
        ("select 'DROP TABLE x; now()' from t;", Kind.QUERY),
        ("SELECT name FROM system.tables", Kind.RESOURCE),
        ("SHOW TABLES FROM db", Kind.RESOURCE),
        ("DESCRIBE TABLE t", Kind.RESOURCE),
        ("EXPLAIN SELECT a FROM t", Kind.RESOURCE),
        ("SELECT a FROM t JOIN system.tables USING n", Kind.QUERY),
    ],
)
def test_reads(text: str, kind: Kind) -> None:
    assert statement_kind(text) is kind


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *[
            (text, Reason.STATEMENT)
            for text in (
                "INSERT INTO t VALUES (1)",
                "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
                "SELECT 1; DROP TABLE t",
                "SELECT a FROM t INTO OUTFILE 'x'",
                "ALTER TABLE t DELETE WHERE 1",
                "CREATE TABLE t (a Int8)",
                "SYSTEM FLUSH LOGS",
                "KILL QUERY WHERE 1",
                "OPTIMIZE TABLE t",
                "SET x = 1",
                "GRANT SELECT ON t TO u",
                "SHOW PROCESSLIST",
                "SELECT * FROM url('http://x', CSV)",
                "SELECT * FROM remote('h', db.t)",
                "SELECT * FROM s3('x')",
                "SELECT * FROM `url`('http://x', CSV)",
                "SELECT 'a",
                "SELECT $$'$$, a FROM url('http://x', CSV) --'",  # what a heredoc quotes is not known here
                "SELECT a FROM t SETTINGS result_overflow_mode = 'break'",
                "SELECT a FROM t SETTINGS skip_unavailable_shards = 1",
                "",
            )
        ],
        *[
            (text, Reason.NOW)
            for text in (
                "SELECT now()",
                "SELECT a FROM t WHERE ts > now() - INTERVAL 1 HOUR",
                "SELECT a FROM t WHERE d = today()",
                "SELECT rand() FROM t",
                "SELECT generateUUIDv4()",
                "SELECT hostName()",
                "SELECT CURRENT_TIMESTAMP",
                "SELECT sysdate()",
            )
        ],
        ("SELECT 1", Reason.HEALTH),
    ],
)
def test_passes(text: str, reason: Reason) -> None:
    assert statement_kind(text) == Pass(reason=reason)


@pytest.mark.parametrize(
    "target",
    ["/?compress=0", "/?result_overflow_mode=throw", "/?skip_unavailable_shards=0", "/?enable_http_compression=1"],
)
def test_settings_that_change_nothing(target: str) -> None:
    call(CLICKHOUSE, target, method="POST", body=b"SELECT a FROM t")


def test_noise_is_dropped_and_the_rest_tells_apart() -> None:
    plain = call(CLICKHOUSE, "/?database=d", method="POST", body=b"SELECT a FROM t")
    noisy = call(
        CLICKHOUSE,
        "/?query_id=1&log_comment=x&send_progress_in_http_headers=1&database=d",
        method="POST",
        body=b"SELECT a FROM t",
    )
    assert plain.parts == noisy.parts
    for target in ("/?database=e", "/?database=d&user=u", "/?database=d&default_format=CSV", "/?database=d&param_x=1"):
        assert call(CLICKHOUSE, target, method="POST", body=b"SELECT a FROM t").parts != plain.parts
    assert call(CLICKHOUSE, "/?database=d", method="POST", body=b"SELECT b FROM t").parts != plain.parts


@pytest.mark.parametrize(
    ("target", "body", "reason"),
    [
        ("/?session_id=1", b"SELECT a FROM t", Reason.PARAMETER),
        ("/?decompress=1", b"SELECT a FROM t", Reason.PARAMETER),
        ("/?compress=1", b"SELECT a FROM t", Reason.PARAMETER),  # an exception would be compressed, too
        ("/?result_overflow_mode=break", b"SELECT a FROM t", Reason.PARAMETER),
        ("/?timeout_overflow_mode=break", b"SELECT a FROM t", Reason.PARAMETER),
        ("/?skip_unavailable_shards=1", b"SELECT a FROM t", Reason.PARAMETER),
        ("/?database=a&database=b", b"SELECT a FROM t", Reason.PARAMETER),
        ("/?query=INSERT+INTO+t+FORMAT+CSV", b"SELECT a FROM t", Reason.STATEMENT),
        ("/?query=SELECT+a+FROM+t;", b"DROP TABLE t", Reason.PARAMETER),
        ("/?query=SELECT+a+FROM+t%3B", b"DROP TABLE t", Reason.STATEMENT),
        ("/", b"\xff\xfe", Reason.BODY),
        ("/ping", b"", Reason.ROUTE),
        ("/play", b"", Reason.ROUTE),
    ],
)
def test_requests_that_pass(target: str, body: bytes, reason: Reason) -> None:
    assert passed(ask(CLICKHOUSE, target, method="POST", body=body)) is reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"data": []}', None),
        (b"1\n2\nCode: 395. DB::Exception: Value passed to 'throwIf'", Reason.ERROR_IN_BODY),
        (b"1\n2\nCode: 395, e.displayText() = DB::Exception: x", Reason.ERROR_IN_BODY),
        (b"\x01\x02__exception__\r\nabc", Reason.ERROR_IN_BODY),
    ],
)
def test_judge(body: bytes, reason: Reason | None) -> None:
    found = call(CLICKHOUSE, "/?query=SELECT+a+FROM+t")
    assert found.judge(answer(body)) is reason
    failed = Answer(status=200, headers=CIMultiDict({"X-ClickHouse-Exception-Code": "62"}), body=body)
    assert found.judge(failed) is Reason.ERROR_IN_BODY
