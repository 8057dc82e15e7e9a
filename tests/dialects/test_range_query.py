"""Range queries are read as Prometheus reads them, and a part of one is the same request but for its times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.core.model import Call, Request
from proxy.core.range_query import RangeQuery
from proxy.dialects.prometheus import PROMETHEUS
from proxy.dialects.range_query import Seconds, step_ms

FORM = CIMultiDict({"Content-Type": "application/x-www-form-urlencoded"})


def read(query: str, body: str | None = None) -> RangeQuery | None:
    route = PROMETHEUS.route("GET", "/api/v1/query_range")
    assert route is not None
    request = Request(
        method="GET" if body is None else "POST",
        path="/api/v1/query_range",
        query=query,
        headers=CIMultiDict[str]() if body is None else FORM,
        body=(body or "").encode(),
    )
    call = route.read(request)
    return call.read_range() if isinstance(call, Call) else None


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1700000000", 1_700_000_000_000),
        ("1700000000.5", 1_700_000_000_500),
        ("1700000000.1234", 1_700_000_000_123),
        ("1700000000.1236", 1_700_000_000_124),
        ("1700000000.9996", 1_700_000_001_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-14T22:13:20.789Z", 1_700_000_000_789),
        ("2023-11-15T00:13:20+02:00", 1_700_000_000_000),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_times(text: str, milliseconds: int) -> None:
    assert Seconds().read(text) == (milliseconds, False)


@pytest.mark.parametrize(
    "text", ["", "now", "-1", "1e9", "0x10", "1_000", "inf", "2023-11-14", "2023-13-14T22:13:20Z", "1 "]
)
def test_times_that_are_left_to_the_source(text: str) -> None:
    assert Seconds().read(text) is None


@given(st.integers(0, 10**13))
def test_a_time_that_is_written_reads_back(time_ms: int) -> None:
    assert Seconds().read(Seconds().write(time_ms)) == (time_ms, False)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("15", 15_000),
        ("15.0", 15_000),
        ("0.5", 500),
        ("7.001", 7001),
        ("15s", 15_000),
        ("1m", 60_000),
        ("1h30m", 5_400_000),
    ]
    + [("1d", 86_400_000), ("100ms", 100), ("1w", 604_800_000)]
    + [
        (text, None)
        for text in ("", "0", "0s", "-15", "1.5s", "15S", "1m1h", "s", "0.0001", "1.0005", "0.29", "Inf", "1e3")
    ],
)
def test_steps(text: str, milliseconds: int | None) -> None:
    """0.29 s are 289,999,999 ns in floating point: no whole milliseconds."""
    assert step_ms(text) == (290 if text == "0.29" and int(0.29 * 1e9) == 290_000_000 else milliseconds)


def test_points_are_those_that_the_source_evaluates() -> None:
    query = read("query=up&start=1000.5&end=1100&step=15")
    assert query is not None
    assert query.grid == (15_000, 10_500)
    assert [query.grid.time_ms(query.first), query.grid.time_ms(query.last)] == [1_000_500, 1_090_500]


@pytest.mark.parametrize(
    "query",
    [
        "query=up&start=1000&end=999&step=15",
        "query=up&start=0&end=165015&step=15",  # 11,001 steps
        "query=up&start=1000&end=1100",
        "query=up&start=1000&end=now&step=15",
        "query=up+offset+-5m&start=1000&end=1100&step=15",
        "query=up+@+end()&start=1000&end=1100&step=15",
        "query=up&start=1000&end=1100&step=15&limit=3",
        "query=up&start=1000&end=1100&step=15&stats=all",
        "query=up&start=1000&end=1100&step=15&unknown=1",
        "query=up&start=1000&end=1100&step=15&dedup=false",
        "query=up&start=1000&end=1100&step=15&storeMatch[]=x",
        "query=up&start=1000&end=1100&step=15&start=1",
    ],
)
def test_what_is_not_answered_from_parts(query: str) -> None:
    assert read(query) is None


def test_11000_steps_are() -> None:
    query = read("query=up&start=0&end=165000&step=15")
    assert query is not None
    assert query.last == 11_000


@pytest.mark.parametrize(
    "name", ["lookback_delta=1m", "dedup=true", "partial_response=true", "max_source_resolution=5m"]
)
@pytest.mark.parametrize("other", ["", "lookback_delta=2m", "partial_response=false", "max_source_resolution=1h"])
def test_what_changes_answers_tells_them_apart(name: str, other: str) -> None:
    base = "query=up&start=1000&end=1100&step=15"
    one, two = read(f"{base}&{name}"), read(f"{base}&{other}")
    assert one is not None
    assert two is not None
    assert one.parts != two.parts


def test_the_range_and_the_timeout_do_not() -> None:
    one = read("query=up&start=1000&end=1100&step=15")
    two = read("timeout=5s", "end=2000&start=1900&query=up&step=15s")
    assert one is not None
    assert two is not None
    assert one.parts == two.parts


@pytest.mark.parametrize(
    ("query", "body", "narrowed"),
    [
        ("query=a%2bb&start=1000&end=1100&step=15&_=", None, None),
        (
            "query=a%2Bb&start=1000&end=1100&step=15",
            None,
            ("query=a%2Bb&start=1015.000&end=1030.500&step=15", ""),
        ),
        (
            "end=1100&start=1000&query=%22x%26start%3D1%22&step=15",
            None,
            ("end=1030.500&start=1015.000&query=%22x%26start%3D1%22&step=15", ""),
        ),
        (
            "timeout=5s",
            "query=u%70&st%61rt=1000&end=1100&step=15",
            ("timeout=5s", "query=u%70&start=1015.000&end=1030.500&step=15"),
        ),
        ("start=1000", "query=up&end=1100&step=15", ("start=1015.000", "query=up&end=1030.500&step=15")),
    ],
)
def test_a_part_is_asked_by_the_same_request_but_for_its_times(
    query: str, body: str | None, narrowed: tuple[str, str] | None
) -> None:
    found = read(query, body)
    if narrowed is None:
        assert found is None
        return
    assert found is not None
    part = found.narrow(1_015_000, 1_030_500)
    assert (part.query, part.body.decode()) == narrowed


def test_an_aligned_range_begins_and_ends_at_whole_steps() -> None:
    query = read("query=up&start=1003.7&end=1109&step=15")
    assert query is not None
    aligned = query.aligned()
    assert aligned.grid == (15_000, 0)
    assert (aligned.start_ms, aligned.end_ms) == (990_000, 1_095_000)
    assert not aligned.verbatim
