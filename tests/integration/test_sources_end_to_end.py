"""Every row of datasources.md §4 through a running Millpond: in front of the real server where there is one, else of
the program in `tests/sources` that stands for it.

`direct` is what the source itself says. The small programs count their requests in every answer, so of theirs the shape
is compared; a real server's answer is compared byte for byte.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.servers.millpond import Millpond
from tests.servers.source import RunningSource, RunSource
from tests.servers.wire import Reply, recorded, send
from tests.sources import (
    elasticsearch,
    flux,
    graphite,
    jaeger,
    loki,
    opentsdb,
    plain,
    prometheus,
    pyroscope,
    relay,
    tempo,
    victorialogs,
    zipkin,
)

from . import calls_of_logs as logs
from . import calls_of_metrics as metrics
from . import calls_of_tables as tables
from . import calls_of_traces as traces
from .calls import Call, Table, get
from .configured import caching

TABLES: dict[str, Table] = {
    "prometheus": metrics.PROMETHEUS,
    "victoriametrics": metrics.VICTORIAMETRICS,
    "influxql": metrics.INFLUXQL,
    "clickhouse": tables.CLICKHOUSE,
    "thanos": metrics.THANOS,
    "mimir": metrics.MIMIR,
    "cortex": metrics.CORTEX,
    "victoriametrics-cluster": metrics.VICTORIAMETRICS_CLUSTER,
    "flux": metrics.FLUX,
    "graphite": metrics.GRAPHITE,
    "opentsdb": metrics.OPENTSDB,
    "loki": logs.LOKI,
    "elasticsearch": logs.ELASTICSEARCH,
    "opensearch": logs.OPENSEARCH,
    "tempo": traces.TEMPO,
    "jaeger": traces.JAEGER,
    "zipkin": traces.ZIPKIN,
    "infinity": tables.INFINITY,
    "simpod": tables.SIMPOD,
    "victorialogs": logs.VICTORIALOGS,
    "pyroscope": traces.PYROSCOPE,
    "opaque": tables.OPAQUE,
}
REAL = {"prometheus": "prometheus", "victoriametrics": "victoriametrics", "influxql": "influxdb",
        "clickhouse": "clickhouse"}  # fmt: skip
PROGRAMS: dict[str, Callable[[], web.Application]] = {
    "thanos": prometheus.make,
    "mimir": prometheus.make,
    "cortex": prometheus.make,
    "victoriametrics-cluster": prometheus.make,
    "flux": flux.make,
    "graphite": graphite.make,
    "opentsdb": opentsdb.make,
    "loki": loki.make,
    "elasticsearch": elasticsearch.make,
    "opensearch": lambda: elasticsearch.make(opensearch=True),
    "tempo": tempo.make,
    "jaeger": jaeger.make,
    "zipkin": zipkin.make,
    "infinity": plain.make,
    "simpod": plain.make,
    "victorialogs": victorialogs.make,
    "pyroscope": pyroscope.make,
    "opaque": plain.make,
}


class Side:
    """A source in front of which Millpond has it three times: `name`, `name-q`, `name-r`, the latter two with a TTL for
    queries alone and for resources alone.
    """

    def __init__(self, name: str, source: RunningSource, millpond: Millpond) -> None:
        self.name = name
        self.source = source
        self.millpond = millpond

    @property
    def is_real(self) -> bool:
        return self.name in REAL

    def direct(self, call: Call) -> Reply:
        """Before the count grows by a digit, which would change lengths in a protobuf, it is brought past that."""
        while len(str(self.source.count + 1)) < len(str(self.source.count + 4)):
            call.send(self.source.port)
        return call.send(self.source.port)

    def asked(self, call: Call, uid: str, times: int) -> tuple[list[Reply], int]:
        """The answers through Millpond, and how many requests reached the source for them."""
        before = self.source.count
        replies = [call.send(self.millpond.port, f"/ds/{uid}") for _ in range(times)]
        return replies, self.source.count - before

    def same(self, one: Reply, direct: Reply) -> bool:
        if (one.status, one.headers["Content-Type"]) != (direct.status, direct.headers["Content-Type"]):
            return False
        if self.is_real:
            return one.body == direct.body
        return re.sub(rb"\d+", b"#", one.body) == re.sub(rb"\d+", b"#", direct.body)


class Sides:
    """Each source is started, and declared to the one Millpond, when it is first asked for."""

    def __init__(self, request: pytest.FixtureRequest, run_source: RunSource, millpond: Millpond) -> None:
        self._request = request
        self._run_source = run_source
        self._millpond = millpond
        self._sides: dict[str, Side] = {}
        self._declared: list[dict[str, object]] = []

    def __getitem__(self, name: str) -> Side:
        if name not in self._sides:
            app = relay.make(self._request.getfixturevalue(REAL[name]).url) if name in REAL else PROGRAMS[name]()
            source = self._run_source(app)
            table = TABLES[name]
            common = {"type": table.type, "url": source.url, **(table.settings or {})}
            self._declared += (
                {"uid": name, **common},
                {"uid": f"{name}-q", **common, "cache": ttls("1m", "0s")},
                {"uid": f"{name}-r", **common, "cache": ttls("0s", "1m")},
            )
            self._millpond.reload(caching(*self._declared))
            self._sides[name] = Side(name, source, self._millpond)
        return self._sides[name]


def ttls(queries: str, resources: str) -> dict[str, object]:
    return {"enabled": True, "ttl_queries": queries, "ttl_resources": resources}


@pytest.fixture(scope="module")
def sides(request: pytest.FixtureRequest, run_source: RunSource) -> Iterator[Sides]:
    with Millpond(config=caching()) as millpond:
        yield Sides(request, run_source, millpond)


@pytest.fixture
def side(sides: Sides, name: str) -> Side:
    """Cleaned: some rows are the same call in another form."""
    found = sides[name]
    found.millpond.api("POST", f"{name}/cache/clean")
    return found


def rows(kind: str) -> pytest.MarkDecorator:
    found = [(name, call) for name, table in TABLES.items() for call in getattr(table, kind)]
    return pytest.mark.parametrize(("name", "call"), found, ids=[f"{name} {call}" for name, call in found])


def assert_kept(side: Side, call: Call) -> None:
    direct = side.direct(call)
    (first, second), asked = side.asked(call, side.name, 2)
    assert side.same(first, direct)
    assert [first.x_cache, second.x_cache] == ["MISS", "HIT"], first.headers["Cache-Status"]
    assert (second.status, second.headers["Content-Type"]) == (200, first.headers["Content-Type"])
    assert second.body == first.body
    assert second.headers["Age"] is not None
    assert asked == 1


@rows("queries")
def test_a_query_is_kept_for_its_ttl_alone(side: Side, call: Call) -> None:
    assert_kept(side, call)
    (first, second), _ = side.asked(call, f"{side.name}-q", 2)
    assert [first.x_cache, second.x_cache] == ["MISS", "HIT"]
    (first, second), asked = side.asked(call, f"{side.name}-r", 2)
    assert ([first.x_cache, second.x_cache], asked) == (["BYPASS", "BYPASS"], 2)


@rows("resources")
def test_a_resource_is_kept_for_its_ttl_alone(side: Side, call: Call) -> None:
    assert_kept(side, call)
    (first, second), _ = side.asked(call, f"{side.name}-r", 2)
    assert [first.x_cache, second.x_cache] == ["MISS", "HIT"]
    (first, second), asked = side.asked(call, f"{side.name}-q", 2)
    assert ([first.x_cache, second.x_cache], asked) == (["BYPASS", "BYPASS"], 2)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("prometheus", get("/api/v1/rules")),
        ("mimir", get("/api/v1/user_stats")),
        ("mimir", get("/prometheus/api/v1/cardinality/label_names")),
        ("loki", get("/loki/api/v1/drilldown-limits")),
        ("graphite", get(f"/events/get_data?{metrics.SPAN}")),
        ("opentsdb", get("/api/query/last?timeseries=sys.cpu")),
    ],
    ids=str,
)
def test_live_state_is_kept_ten_seconds_at_most(side: Side, call: Call) -> None:
    (_, hit), _ = side.asked(call, side.name, 2)
    assert hit.x_cache == "HIT"
    ttl = re.search(r"ttl=(\d+)", hit.headers["Cache-Status"])
    assert ttl is not None
    assert int(ttl[1]) <= 10


@rows("never")
def test_never_kept(side: Side, call: Call) -> None:
    direct = side.direct(call)
    replies, asked = side.asked(call, side.name, 2)
    for reply in replies:
        assert reply.x_cache == "BYPASS", reply.headers["Cache-Status"]
        assert reply.status == direct.status
    assert asked == 2
    sent = side.source.last
    assert (sent.method, sent.target, sent.body) == (call.method, call.target, call.body)


@rows("bad")
def test_an_error_or_a_part_is_passed_on_and_not_kept(side: Side, call: Call) -> None:
    if "make_broken" in str(call) or "make_broken" in call.body.decode():
        replies, asked = side.asked(call, side.name, 2)
        assert [reply.status for reply in replies] == [502, 502]
    else:
        direct = side.direct(call)
        replies, asked = side.asked(call, side.name, 2)
        for reply in replies:
            assert side.same(reply, direct)
            assert reply.x_cache == "MISS"
            assert "stored" not in reply.headers["Cache-Status"]
    assert asked == 2


RECORDED = Path(__file__).parent / "requests"
KEPT = {
    "g755_ui_other__GET_loki_api_v1_label": ("loki", True),
    "g755_ui_other__GET_loki_api_v1_query_range": ("loki", True),
    "g755_ui_other__GET_query": ("influxql", True),
    "g755_ui_other__GET_query_2": ("influxql", False),  # now()
    "g755_ui_other__POST_api_query": ("opentsdb", False),  # no end
    "g755_ui_other__POST_api_v2_query": ("flux", True),
    "g755_ui_other__POST_metrics_find": ("graphite", True),
    "g755_ui_other__POST_msearch": ("elasticsearch", True),
    "g755_ui_other__POST_query": ("influxql", False),  # now()
    "g755_ui_other__POST_render": ("graphite", False),  # -1h
    "logcli__GET_loki_api_v1_labels": ("loki", True),
    "logcli__GET_loki_api_v1_query_range": ("loki", True),
    "logcli__GET_loki_api_v1_series": ("loki", True),
}
"""What was recorded in front of other sources than Prometheus: of what type, and whether it names its time."""


def test_every_other_recording_is_known() -> None:
    assert set(KEPT) == {path.stem for path in RECORDED.glob("*.http") if path.stem.startswith(("g755_ui_o", "logcli"))}


@pytest.mark.parametrize(("recording", "name", "kept"), [(stem, *row) for stem, row in KEPT.items()], ids=list(KEPT))
def test_what_clients_sent_to_other_sources(side: Side, recording: str, name: str, kept: bool) -> None:
    request = recorded(RECORDED / f"{recording}.http", "millpond")
    direct, asked = send(side.source.port, request), side.source.count
    method, path, rest = request.split(b" ", 2)
    first, second = (send(side.millpond.port, b"%s /ds/%s%s %s" % (method, name.encode(), path, rest)) for _ in "ab")
    assert first.status == direct.status == 200
    assert re.sub(rb"\d+", b"#", first.decoded) == re.sub(rb"\d+", b"#", direct.decoded)
    assert [first.x_cache, second.x_cache] == (["MISS", "HIT"] if kept else ["BYPASS", "BYPASS"])
    assert side.source.count - asked == (1 if kept else 2)
    if kept:
        assert (second.body, second.headers["Content-Encoding"]) == (first.body, first.headers["Content-Encoding"])
    sent = side.source.last
    assert (sent.target.encode(), sent.body) == (path, request.partition(b"\r\n\r\n")[2])
