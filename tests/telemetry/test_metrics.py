import re

import pytest

from proxy.core.model import Kind, Reason, XCache
from proxy.telemetry.metrics import Metrics


def counted(metrics: Metrics) -> dict[str, float]:
    """What is not 0, without the prefix, the buckets and what is there from the start."""
    samples = (line.rpartition(" ") for line in metrics.exposition().decode().splitlines() if not line.startswith("#"))
    return {
        name.removeprefix("millpond_"): float(value)
        for name, _, value in samples
        if float(value) and not re.search(r"^process_|_bucket\{|_seconds_sum|build_info|last_reload", name)
    }


QUERIES = "caching_query_caching_request_duration_seconds_count"
SHOULD = "caching_should_cache_query_request_duration_seconds_count"
RESOURCES = "caching_resource_caching_request_duration_seconds_count"


@pytest.mark.parametrize(
    ("kind", "x_cache", "reason", "expected"),
    [
        (Kind.QUERY, XCache.HIT, None, {("query", "true")}),
        (Kind.QUERY, XCache.MISS, None, {("query", "true")}),
        (Kind.QUERY, XCache.MISS, Reason.PARTIAL, {("query", "false")}),
        (Kind.QUERY, XCache.BYPASS, Reason.SKIP, {("query", "false"), ("bypass", "skip")}),
        (Kind.QUERY, XCache.DISABLED, Reason.DISABLED, {("query", "false"), ("bypass", "disabled")}),
        (Kind.RESOURCE, XCache.HIT, None, {("resource", "")}),
        (None, XCache.BYPASS, Reason.ROUTE, {("bypass", "route")}),
    ],
)
def test_an_answer_is_counted_by_what_it_was(
    kind: Kind | None, x_cache: XCache, reason: Reason | None, expected: set[tuple[str, str]]
) -> None:
    metrics = Metrics()
    metrics.answered(uid="a", source_type="loki", kind=kind, x_cache=x_cache, reason=reason, seconds=0.1, size_bytes=10)
    source = f'cache="{x_cache}"'
    wanted = {
        f'requests_total{{{source},datasource_uid="a"}}': 1.0,
        f'sent_bytes_total{{{source},datasource_uid="a"}}': 10.0,
    }
    for what, label in expected:
        match what:
            case "query":
                labels = 'datasource_type="loki",query_type="dashboard"'
                wanted[f"{QUERIES}{{{source},{labels}}}"] = 1.0
                wanted[f'{SHOULD}{{{source},datasource_type="loki",query_type="dashboard",shouldCache="{label}"}}'] = (
                    1.0
                )
            case "resource":
                wanted[f'{RESOURCES}{{{source},plugin_id="loki"}}'] = 1.0
            case _:
                wanted[f'bypasses_total{{datasource_uid="a",reason="{label}"}}'] = 1.0
    assert counted(metrics) == wanted


def test_a_watched_gauge_is_read_when_the_metrics_are() -> None:
    metrics, values = Metrics(), iter((1.0, 2.0))
    metrics.watch("of_a_test", "It moves.", lambda: next(values))
    assert [counted(metrics)["of_a_test"] for _ in "ab"] == [1.0, 2.0]


def test_reloads_are_there_at_0_from_the_start() -> None:
    metrics = Metrics()
    assert 'millpond_config_reloads_total{result="failed"} 0.0' in metrics.exposition().decode()
    metrics.reloaded(ok=False)
    assert counted(metrics) == {'config_reloads_total{result="failed"}': 1.0}
