import json

import pytest
from multidict import CIMultiDict

from proxy.core.model import Kind, Pass, Reason, Request
from proxy.dialects.infinity import infinity

from .asking import FORM, answer, ask, call, passed

DIALECT = infinity(("/graphql", "/reports/*/run", "/read/**"))
JSON = {"Content-Type": "application/json"}


def graphql(query: str) -> bytes:
    return json.dumps({"query": query, "variables": {}}).encode()


def test_get_is_exact() -> None:
    asked = call(DIALECT, "/data.csv?a=1&b=2")
    assert asked.kind is Kind.QUERY
    assert asked.parts == call(DIALECT, "/data.csv?a=1&b=2").parts
    assert asked.parts != call(DIALECT, "/data.csv?b=2&a=1").parts
    assert asked.parts != call(DIALECT, "/data.csv?a=1&b=2", headers={"Accept": "text/xml"}).parts
    assert asked.judge(answer(b"a,b\n1,2", "text/csv")) is None


@pytest.mark.parametrize("path", ["/graphql", "/reports/7/run", "/read/a", "/read/a/b"])
def test_posts_that_only_read_are_kept(path: str) -> None:
    call(DIALECT, path, method="POST", body=b"{}", headers=JSON)


@pytest.mark.parametrize(
    "path", ["/", "/graphql/", "/xgraphql", "/reports/7/8/run", "/reports/run", "/read", "/readx/a"]
)
def test_other_posts_are_not(path: str) -> None:
    assert passed(ask(DIALECT, path, method="POST", body=b"{}", headers=JSON)) is Reason.ROUTE


def test_without_patterns_no_post_is_kept() -> None:
    assert passed(ask(infinity(), "/graphql", method="POST", body=b"{}", headers=JSON)) is Reason.ROUTE


def test_a_pattern_is_text_but_for_its_stars() -> None:
    assert passed(ask(infinity(("/a.c",)), "/abc", method="POST", body=b"{}", headers=JSON)) is Reason.ROUTE


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD"])
def test_other_methods_never(method: str) -> None:
    assert passed(ask(DIALECT, "/graphql", method=method, body=b"{}", headers=JSON)) is Reason.ROUTE


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", graphql("mutation { deleteAll }")),
        ("application/json; charset=utf-8", graphql("subscription S { news }")),
        ("application/json", graphql("query A { a } mutation B { b }")),
        ("application/json", graphql("# nothing to see\nmutation{b}")),
        ("application/json", b'{"query": "mu\\u0074ation { b }"}'),
        ("application/json", b'[{"query": "{ a }"}, {"query": "mutation { b }"}]'),
        ("application/graphql", b"mutation { b }"),
        (FORM, b"query=mutation+%7B+b+%7D"),
        (FORM, b"query=%6Dutation+%7B+b+%7D"),
        ("application/json", b'{"Query": "mu\\u0074ation { b }"}'),  # servers in Go take a name in any case
        ("application/json", b'{"operations": [{"query": "mu\\u0074ation { b }"}]}'),
        ("application/vnd.api+json", b'{"query": "mu\\u0074ation { b }"}'),
        ("text/plain", b'{"query": "mutation { b }"}'),
        ("text/plain", b'{"query": "mu\\u0074ation { b }"}'),
        ("", b'{"query": "mutation { b }"}'),
    ],
)
def test_graphql_that_writes_is_passed(content_type: str, body: bytes) -> None:
    found = ask(DIALECT, "/graphql", method="POST", body=body, headers={"Content-Type": content_type})
    assert passed(found) is Reason.STATEMENT


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("query", ["query=mutation+%7Bb%7D", "x=1&query=mutation%7Bb%7D", "query=%6dutation{b}"])
def test_graphql_in_the_url_that_writes_is_passed(method: str, query: str) -> None:
    assert passed(ask(DIALECT, f"/graphql?{query}", method=method)) is Reason.STATEMENT


def test_a_word_elsewhere_in_the_url_is_a_word() -> None:
    call(DIALECT, "/genes?q=mutation")


@pytest.mark.parametrize("path", ["/api/v1/admin/tsdb/delete_series", "/x/flush", "/%66lush", "/api%2Fdropcaches"])
def test_gets_that_act_are_passed(path: str) -> None:
    assert passed(ask(DIALECT, path)) is Reason.ROUTE


def test_two_content_types_are_two_requests() -> None:
    both = CIMultiDict([("Content-Type", "application/json"), ("Content-Type", "text/plain")])
    route = DIALECT.route("POST", "/read/a")
    assert route is not None
    one = call(DIALECT, "/read/a", method="POST", body=b"{}", headers=JSON)
    found = route.read(Request(method="POST", path="/read/a", query="", headers=both, body=b"{}"))
    assert isinstance(found, Pass) or found.parts != one.parts


@pytest.mark.parametrize("query", ["{ a }", "query Q($x: Int) { a(x: $x) { b } }"])
def test_graphql_that_reads_is_kept(query: str) -> None:
    asked = call(DIALECT, "/graphql", method="POST", body=graphql(query), headers=JSON)
    assert asked.judge(answer(b'{"data": {"a": 1}}')) is None
    assert asked.judge(answer(b'{"data": {"a": 1}, "errors": []}')) is None
    assert asked.judge(answer(b'{"data": null, "errors": [{"message": "no"}]}')) is Reason.ERROR_IN_BODY
    assert asked.judge(answer(b'[{"data": {}}, {"errors": [{}]}]')) is Reason.ERROR_IN_BODY
    assert asked.judge(answer(b'{"data": ')) is Reason.MALFORMED


def test_graphql_by_get_is_judged_too() -> None:
    failed = answer(b'{"data": null, "errors": [{"message": "no"}]}')
    assert call(DIALECT, "/graphql?query=%7B+a+%7D").judge(failed) is Reason.ERROR_IN_BODY
    assert call(DIALECT, "/search?query=a").judge(failed) is None


def test_variables_may_be_nested_deeply() -> None:
    deep = b'{"query": "{ a }", "variables": ' + b"[" * 500 + b"]" * 500 + b"}"
    call(DIALECT, "/graphql", method="POST", body=deep, headers=JSON)


def test_errors_in_another_api_are_its_own_affair() -> None:
    asked = call(DIALECT, "/read/a", method="POST", body=b'{"from": 1}', headers=JSON)
    assert asked.judge(answer(b'{"errors": [1]}')) is None


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("multipart/form-data; boundary=x", b"--x--", Reason.CONTENT_TYPE),
        ("application/json", b"{", Reason.BODY),
        ("application/json", b'{"query": "mutation { b }", "query": "{ a }"}', Reason.BODY),
        ("application/json", b'{"query": "mu\\u0074ation { b }", "query": "{ a }"}', Reason.BODY),
        ("text/plain", b'{"query": "mu\\u0074ation { b }", "query": "{ a }"}', Reason.BODY),
        ("application/json", "{}".encode("utf-16"), Reason.BODY),
    ],
)
def test_bodies_that_are_passed(content_type: str, body: bytes, reason: Reason) -> None:
    found = ask(DIALECT, "/read/a", method="POST", body=body, headers={"Content-Type": content_type})
    assert passed(found) is reason


def test_a_post_is_keyed_by_every_byte() -> None:
    def parts(
        target: str = "/read/a?x=1",
        body: bytes = b'{"n": 1}',
        media: str = "application/json",
        accept: str = "",
    ) -> tuple[bytes, ...]:
        sent = {"Content-Type": media, "Accept": accept}
        return call(DIALECT, target, method="POST", body=body, headers=sent).parts

    assert parts() == parts()
    others = [parts(target="/read/a?x=2"), parts(body=b'{"n":1}'), parts(accept="text/csv")]
    others.append(parts(media="text/plain"))
    # Two numbers that are one double.
    others.append(parts(body=b'{"n": 123456789012345678901}'))
    others.append(parts(body=b'{"n": 123456789012345678902}'))
    assert len({parts(), *others}) == 7
