from urllib.parse import urlencode

import pytest

from proxy.core.model import Kind, Reason
from proxy.dialects.victorialogs import VICTORIALOGS

from .asking import FORM, answer, ask, call, passed

LOGSQL = "/select/logsql"
SPAN = {"start": "1700000000", "end": "1700003600"}


def target(name: str, **params: str) -> str:
    return f"{LOGSQL}/{name}?{urlencode(params)}"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (target("query", query="*", limit="100", **SPAN), Kind.QUERY),
        (target("query", query="*", end="2024-01-02Z"), Kind.QUERY),
        (target("stats_query", query="* | stats count()", time="1700003600"), Kind.QUERY),
        (target("stats_query", query="_time:1d | stats count()", time="1700003600"), Kind.QUERY),
        (target("stats_query_range", query="* | stats count()", step="1m", **SPAN), Kind.QUERY),
        (target("hits", query="*", step="1m", field="level", **SPAN), Kind.QUERY),
        (target("field_names", query="*", **SPAN), Kind.RESOURCE),
        (target("field_values", query="*", field="level", **SPAN), Kind.RESOURCE),
        (target("streams", query="*", **SPAN), Kind.RESOURCE),
        (target("stream_ids", query="*", **SPAN), Kind.RESOURCE),
        (target("stream_field_names", query="*", **SPAN), Kind.RESOURCE),
        (target("stream_field_values", query="*", field="app", **SPAN), Kind.RESOURCE),
        (target("facets", query="*", **SPAN), Kind.RESOURCE),
        ("/select/tenant_ids", Kind.RESOURCE),
    ],
)
def test_reads(path: str, kind: Kind) -> None:
    assert call(VICTORIALOGS, path).kind is kind
    base, _, form = path.partition("?")
    posted = call(VICTORIALOGS, base, method="POST", body=form.encode(), headers={"Content-Type": FORM})
    assert posted.parts == call(VICTORIALOGS, path).parts


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (target("query", query="*"), Reason.NOW),
        (target("query", query="*", start="1700000000"), Reason.NOW),
        (target("query", query="*", start="3h", end="now"), Reason.NOW),
        (target("query", query="*", start="3h", end="1700003600"), Reason.NOW),
        (target("query", query="*", start="1700000000", end="5m"), Reason.NOW),
        (target("query", query="_time:5m error", **SPAN), Reason.NOW),
        (target("query", query='"_time" : 5m error', **SPAN), Reason.NOW),
        (target("query", query="a or in(_time:[now-1h, now] | fields b)", **SPAN), Reason.NOW),
        (target("query", query="options(ignore_global_time_filter=true) *", **SPAN), Reason.NOW),
        (target("stats_query", query="* | stats count()"), Reason.NOW),
        (target("stats_query", query="* | stats count()", time="now"), Reason.NOW),
        (target("stats_query", query="* | stats count()", time="1700003600", start="1h"), Reason.NOW),
        (target("hits", query="*", step="1m", start="1h"), Reason.NOW),
        (target("field_names", query="*"), Reason.NOW),
        ("/select/tenant_ids?end=now", Reason.NOW),
        (target("query", query="*", allow_partial_response="1", **SPAN), Reason.PARAMETER),
        (target("query", query="options(allow_partial_response=true) *", **SPAN), Reason.PARAMETER),
        (target("query", query="a", **SPAN) + "&query=b", Reason.PARAMETER),
        (target("query", query="* | math now() as t", **SPAN), Reason.NOW),
        (target("query", query="* | math rand() as t", **SPAN), Reason.NOW),
        (target("stats_query", query="* | math NOW () as t", time="1700003600"), Reason.NOW),
        (target("query", query="*", extra_filters="_time:5m", **SPAN), Reason.NOW),
        (target("hits", query="*", step="1m", extra_stream_filters='{"_time":"5m"}', **SPAN), Reason.NOW),
        ("/health", Reason.HEALTH),
        (target("tail", query="*"), Reason.ROUTE),
        ("/insert/jsonline", Reason.ROUTE),
        ("/delete/run_task?filter=*", Reason.ROUTE),
    ],
)
def test_passed(path: str, reason: Reason) -> None:
    assert passed(ask(VICTORIALOGS, path)) is reason


def test_a_time_filter_between_two_moments_is_kept() -> None:
    query = "_time:[2024-01-01T00:00:00Z, 2024-01-02T00:00:00.5Z) error"
    call(VICTORIALOGS, target("query", query=query, **SPAN))


def test_filters_are_part_of_the_key() -> None:
    plain = call(VICTORIALOGS, target("query", query="*", **SPAN)).parts
    assert plain != call(VICTORIALOGS, target("query", query="*", extra_filters='{"a":"b"}', **SPAN)).parts
    assert plain != call(VICTORIALOGS, target("query", query="* ", limit="1", **SPAN)).parts


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b'{"_msg":"a"}\n{"_msg":"b"}\n', "application/stream+json", None),
        (b'{"_msg":"a"}\n{"_msg":"b"}', "application/stream+json", Reason.PARTIAL),
        (b'{"_msg":"a"}\n{"_ms\n', "application/stream+json", Reason.MALFORMED),
        (b'{"_msg":"a"}\n[]\n', "application/stream+json", Reason.MALFORMED),
        (b"_msg\na\n", "text/csv", None),
        (b"_msg\na", "text/csv", Reason.PARTIAL),
    ],
)
def test_a_stream_of_lines(body: bytes, content_type: str, reason: Reason | None) -> None:
    asked = call(VICTORIALOGS, target("query", query="*", **SPAN))
    assert asked.judge(answer(body, content_type)) is reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"hits": []}', None),
        (b'{"status": "success", "data": {}}', None),
        (b'{"status": "error", "error": "no"}', Reason.ERROR_IN_BODY),
        (b'{"hits": ', Reason.MALFORMED),
        (b"7", Reason.MALFORMED),
    ],
)
def test_documents(body: bytes, reason: Reason | None) -> None:
    asked = call(VICTORIALOGS, target("hits", query="*", step="1m", **SPAN))
    assert asked.judge(answer(body)) is reason
