"""Every metric, declared once. The only file that knows prometheus_client.

No label that a user can grow: sources come from the configuration, everything else from closed lists. The first three
are Grafana's own histograms under our prefix.
"""

from collections.abc import Callable
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .. import __version__
from ..core.model import Kind, Reason, XCache
from ..core.range_query import Flaw

_GRAFANA_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100)
disable_created_metrics()  # type: ignore[no-untyped-call]  # not annotated; a series for the birth of each series helps nobody
_LOOKED_UP = frozenset((XCache.HIT, XCache.MISS, XCache.ERROR))


class Metrics:
    """What happened, counted. Each instance has a registry of its own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"millpond_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(f"millpond_{name}", text, labels, buckets=_GRAFANA_BUCKETS, registry=registry)

        self._query_seconds = histogram(
            "caching_query_caching_request_duration_seconds",
            "Time to answer a query, by what the cache did.",
            *("datasource_type", "cache", "query_type"),
        )
        self._should_cache_seconds = histogram(
            "caching_should_cache_query_request_duration_seconds",
            "Time to answer a query, by whether its answer may be cached.",
            *("datasource_type", "cache", "shouldCache", "query_type"),
        )
        self._resource_seconds = histogram(
            "caching_resource_caching_request_duration_seconds",
            "Time to answer a resource call, by what the cache did.",
            *("plugin_id", "cache"),
        )
        self._requests = counter("requests_total", "Requests, by what the cache did.", "datasource_uid", "cache")
        self._bypasses = counter("bypasses_total", "Requests not looked up.", "datasource_uid", "reason")
        self._not_stored = counter("not_stored_total", "Answers not stored.", "datasource_uid", "reason")
        self._stored = counter("stored_total", "Answers stored.", "datasource_uid")
        self._stored_bytes = counter("stored_bytes_total", "Bytes of stored answers.", "datasource_uid")
        self._sent_bytes = counter("sent_bytes_total", "Bytes of bodies sent to clients.", "datasource_uid", "cache")
        self._coalesced = counter("coalesced_total", "Requests that waited for another's fetch.", "datasource_uid")
        self._saved = counter(
            "upstream_saved_seconds_total",
            "Time that sources would have taken to answer the hits.",
            "datasource_uid",
        )
        self._points = counter(
            "delta_points_total",
            "Points of range queries, by where they came from: a point is one step, however many series it has.",
            *("datasource_uid", "origin"),
        )
        self._unfit = counter(
            "delta_unfit_answers_total",
            "Answers that were not what was asked: the source is out of deltas for some minutes.",
            *("datasource_uid", "flaw"),
        )
        self._upstream_seconds = histogram(
            "upstream_fetch_duration_seconds", "Time to fetch an answer that may be cached.", "datasource_uid"
        )
        self._upstream_errors = counter("upstream_errors_total", "Failed fetches.", "datasource_uid", "kind")
        self._store_errors = counter("store_errors_total", "Failed calls of the cache's store.", "operation", "kind")
        self._settings_errors = counter("settings_errors_total", "Failures of the settings' store.", "kind")
        self._asked_grafana = counter(
            "grafana_questions_total",
            "Our own questions to Grafana: who a caller is, what a data source or a public dashboard is.",
            *("about", "result"),
        )
        self._passed = counter("grafana_passed_total", "Requests that passed to Grafana, by its answer.", "status")
        self._reloads = counter("config_reloads_total", "Reloads of the configuration.", "result")
        for result in ("ok", "failed"):  # at 0 from the start: an increase is seen only between two samples
            self._reloads.labels(result)
        self._reload_time = Gauge(
            "millpond_config_last_reload_success_timestamp_seconds",
            "When the configuration was last loaded.",
            registry=registry,
        )
        build = Gauge("millpond_build_info", "What runs.", ("version",), registry=registry)
        build.labels(__version__).set(1)
        self._reload_time.set_to_current_time()
        # prometheus_client looks a child up under a lock and by str() of each label: remembered, it costs a dict get.
        self._answered_children = cache(self._children)
        self._saved_child: Callable[[str], Counter] = cache(lambda uid: self._saved.labels(uid))
        self._stored_children: Callable[[str], tuple[Counter, Counter]] = cache(
            lambda uid: (self._stored.labels(uid), self._stored_bytes.labels(uid))
        )
        self._upstream_child: Callable[[str], Histogram] = cache(lambda uid: self._upstream_seconds.labels(uid))
        self._points_children: Callable[[str], tuple[Counter, Counter]] = cache(
            lambda uid: (self._points.labels(uid, "cache"), self._points.labels(uid, "source"))
        )

    def answered(
        self,
        *,
        uid: str,
        source_type: str,
        kind: Kind | None,
        x_cache: XCache,
        reason: Reason | None,
        seconds: float,
        size_bytes: int,
        query_type: str = "dashboard",
    ) -> None:
        """A request was answered. `kind` is None for what is no cacheable call; `reason` is why it was not looked up or
        not stored; `query_type` is Grafana's: `dashboard`, or `pubdash` for a public one.
        """
        children = self._answered_children(uid, source_type, kind, x_cache, reason, query_type)
        observe, requests, sent_bytes, bypasses = children
        for histogram in observe:
            histogram.observe(seconds)
        requests.inc()
        sent_bytes.inc(size_bytes)
        if bypasses is not None:
            bypasses.inc()

    def _children(
        self, uid: str, source_type: str, kind: Kind | None, x_cache: XCache, reason: Reason | None, query_type: str
    ) -> tuple[tuple[Histogram, ...], Counter, Counter, Counter | None]:
        observe: tuple[Histogram, ...] = ()
        if kind is Kind.QUERY:
            should_cache = str(x_cache in _LOOKED_UP and reason is None).lower()
            observe = (
                self._query_seconds.labels(source_type, x_cache, query_type),
                self._should_cache_seconds.labels(source_type, x_cache, should_cache, query_type),
            )
        elif kind is Kind.RESOURCE:
            observe = (self._resource_seconds.labels(source_type, x_cache),)
        bypassed = reason is not None and x_cache not in _LOOKED_UP
        return (
            observe,
            self._requests.labels(uid, x_cache),
            self._sent_bytes.labels(uid, x_cache),
            self._bypasses.labels(uid, reason) if bypassed else None,
        )

    def upgraded(self, *, uid: str) -> None:
        """A connection became a WebSocket."""
        self._requests.labels(uid, XCache.BYPASS).inc()
        self._bypasses.labels(uid, Reason.UPGRADE).inc()

    def stored(self, *, uid: str, size_bytes: int) -> None:
        stored, stored_bytes = self._stored_children(uid)
        stored.inc()
        stored_bytes.inc(size_bytes)

    def not_stored(self, *, uid: str, reason: Reason) -> None:
        self._not_stored.labels(uid, reason).inc()

    def coalesced(self, *, uid: str) -> None:
        self._coalesced.labels(uid).inc()

    def upstream(self, *, uid: str, seconds: float) -> None:
        self._upstream_child(uid).observe(seconds)

    def upstream_failed(self, *, uid: str, kind: str) -> None:
        self._upstream_errors.labels(uid, kind).inc()

    def saved(self, *, uid: str, seconds: float) -> None:
        self._saved_child(uid).inc(seconds)

    def points(self, *, uid: str, cached: int, fetched: int) -> None:
        """A range query was answered by deltas."""
        from_cache, from_source = self._points_children(uid)
        from_cache.inc(cached)
        from_source.inc(fetched)

    def unfit(self, *, uid: str, flaw: Flaw) -> None:
        self._unfit.labels(uid, flaw).inc()

    def asked_grafana(self, *, about: str, answered: bool) -> None:
        self._asked_grafana.labels(about, "answered" if answered else "failed").inc()

    def passed(self, *, status: int) -> None:
        """Grafana answered what is not the cache's; `status` is told by its class: 2xx."""
        self._passed.labels(f"{status // 100}xx").inc()

    def store_failed(self, *, operation: str, kind: str) -> None:
        self._store_errors.labels(operation, kind).inc()

    def settings_failed(self, *, kind: str) -> None:
        self._settings_errors.labels(kind).inc()

    def reloaded(self, *, ok: bool) -> None:
        self._reloads.labels("ok" if ok else "failed").inc()
        if ok:
            self._reload_time.set_to_current_time()

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge that is read when the metrics are; a counter, where its name ends so."""
        self._registry.register(_Read(f"millpond_{name}", text, read))

    def exposition(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self._registry)


class _Read(Collector):
    def __init__(self, name: str, text: str, read: Callable[[], float]) -> None:
        self._name, self._text, self._read = name, text, read

    def collect(self) -> list[Metric]:
        family = CounterMetricFamily if self._name.endswith("_total") else GaugeMetricFamily
        return [family(self._name, self._text, value=self._read())]
