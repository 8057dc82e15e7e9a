"""What Prometheus and Grafana are given about Millpond names what Millpond exposes."""

import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.app import App
from proxy.config.schema import Config
from proxy.core.model import Kind, Reason, XCache
from proxy.core.range_query import Flaw
from tests.servers.binaries import find
from tests.servers.prometheus import Prometheus

from .tree import ROOT, load_yaml, table_rows, text

DASHBOARD = "config/grafana/dashboards/millpond.json"
ALERTS = "config/prometheus/alerts.yml"
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
FROM_PROMETHEUS = {"job", "instance", "le"}


@pytest.fixture(scope="module")
def exposed() -> Mapping[str, frozenset[str]]:
    """Every sample of a running Millpond by its name, with its labels, after everything has happened once."""
    app = App(Config(), Config)
    metrics = app.metrics
    for kind in (None, *Kind):
        metrics.answered(
            uid="a", source_type="b", kind=kind, x_cache=XCache.BYPASS, reason=Reason.ALERT, seconds=1, size_bytes=1
        )
    metrics.stored(uid="a", size_bytes=1)
    metrics.not_stored(uid="a", reason=Reason.STATUS)
    metrics.coalesced(uid="a")
    metrics.upstream(uid="a", seconds=1)
    metrics.upstream_failed(uid="a", kind="b")
    metrics.saved(uid="a", seconds=1)
    metrics.store_failed(operation="a", kind="b")
    metrics.settings_failed(kind="a")
    metrics.points(uid="a", cached=1, fetched=1)
    metrics.unfit(uid="a", flaw=Flaw.GRID)
    metrics.asked_grafana(about="caller", answered=True)
    metrics.passed(status=200)
    families = list(text_string_to_metric_families(metrics.exposition().decode()))
    named: dict[str, frozenset[str]] = {}
    for family in families:
        for suffix in SUFFIXES[family.type]:
            labels = [sample.labels for sample in family.samples if sample.name == family.name + suffix]
            assert labels, f"{family.name} was not brought about: the test lacks a line"
            named[family.name + suffix] = frozenset(labels[0])
    return named


def expressions() -> Iterator[str]:
    for panel in json.loads(text(DASHBOARD))["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    for group in load_yaml(ALERTS)["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def filled(expression: str) -> str:
    """With what Grafana puts in place of its variables."""
    return expression.replace("$__rate_interval", "1m").replace("$source", ".*").replace("$instance", ".*")


EXPRESSIONS = sorted(set(map(filled, expressions())))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_query_names_metrics_and_labels_that_exist(expression: str, exposed: Mapping[str, frozenset[str]]) -> None:
    names = set(re.findall(r"\b(?:millpond|process)_\w+", expression))
    assert names or 'up{job="millpond"}' in expression
    assert names <= exposed.keys()
    labels = frozenset[str]().union(*(exposed[name] for name in names))
    used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
    used |= {label for clause in re.findall(r"\bby \(([^)]*)\)", expression) for label in re.split(r",\s*", clause)}
    assert used <= labels | FROM_PROMETHEUS


@pytest.mark.parametrize("value", sorted(set(re.findall(r'cache=~?"([^"]*)"', " ".join(expressions())))))
def test_a_query_asks_for_words_of_x_cache(value: str) -> None:
    assert set(value.split("|")) <= set(XCache)


def test_prometheus_understands_every_query(prometheus: Prometheus) -> None:
    refused = {}
    for expression in EXPRESSIONS:
        query = urllib.parse.urlencode({"query": expression, "time": 1})
        try:
            urllib.request.urlopen(f"{prometheus.url}/api/v1/query?{query}", timeout=20).close()
        except urllib.error.HTTPError as error:
            refused[expression] = error.read().decode()
            error.close()
    assert refused == {}


def test_every_metric_is_on_the_dashboard_or_not_meant_for_it(exposed: Mapping[str, frozenset[str]]) -> None:
    shown = set(re.findall(r"\b(?:millpond|process)_\w+", " ".join(EXPRESSIONS)))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed}
    assert families - {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown} == {
        "millpond_caching_should_cache_query_request_duration_seconds",  # Grafana's; says what bypasses say better
        *(f"process_{name}" for name in ("cpu_seconds_total", "virtual_memory_bytes", "start_time_seconds")),
        *("process_open_fds", "process_max_fds"),
        "millpond_config_last_reload_success_timestamp_seconds",
        "millpond_stored_total",
    }


def test_the_dashboard_is_whole() -> None:
    dashboard: dict[str, Any] = json.loads(text(DASHBOARD))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", text(DASHBOARD))) - {"__rate_interval", "__all"}
    assert used == variables
    for panel in panels:
        assert panel["type"] == "row" or (panel["description"] and panel["fieldConfig"]["defaults"]["unit"])
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))  # no panel lies on another


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "config", "config/prometheus/prometheus.yml"],
        ["check", "rules", ALERTS],
        ["test", "rules", "config/prometheus/alerts_test.yml"],
    ],
    ids=" ".join,
)
def test_promtool(arguments: list[str]) -> None:
    result = subprocess.run(
        [find("promtool"), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_promtool_finds_nothing_to_say_about_the_metrics() -> None:
    exposition = App(Config(), Config).metrics.exposition()
    # One name is Grafana's: its label is in camel case there too.
    result = subprocess.run(
        [find("promtool"), "check", "metrics"], input=exposition, capture_output=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, b"")


def test_every_alert_has_a_case_in_which_it_is_raised_and_one_in_which_it_is_not() -> None:
    alerts = {rule["alert"] for group in load_yaml(ALERTS)["groups"] for rule in group["rules"]}
    cases = [
        case for test in load_yaml("config/prometheus/alerts_test.yml")["tests"] for case in test["alert_rule_test"]
    ]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == alerts
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == alerts


def test_the_documented_metrics_are_those_that_are_exposed(exposed: Mapping[str, frozenset[str]]) -> None:
    """docs/operations.md, name by name and label by label."""
    rows = table_rows(text("docs/operations.md"), "Metrics")
    documented = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in rows}
    families = {re.sub(r"_(bucket|sum|count)$", "", name): labels - {"le"} for name, labels in exposed.items()}
    assert documented == families
