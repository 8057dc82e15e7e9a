import logging

import pytest

from proxy.errors import UpstreamError
from proxy.telemetry.faults import SourceFaults
from proxy.telemetry.logs import Quiet
from proxy.telemetry.metrics import Metrics


def test_each_fault_is_counted_and_one_of_a_source_and_kind_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    faults = SourceFaults(metrics, Quiet(1.0, monotonic=lambda: 0.0))
    for uid, kind in (("a", "connect"), ("a", "connect"), ("a", "dns"), ("b", "connect")):
        faults(uid, UpstreamError(f"Data source {uid} failed.", kind=kind))
    exposed = metrics.exposition().decode()
    assert 'millpond_upstream_errors_total{datasource_uid="a",kind="connect"} 2.0' in exposed
    assert 'millpond_upstream_errors_total{datasource_uid="b",kind="connect"} 1.0' in exposed
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.WARNING, "Data source a failed."),
        (logging.WARNING, "Data source a failed."),
        (logging.WARNING, "Data source b failed."),
    ]
