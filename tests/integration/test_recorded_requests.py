"""What real clients sent, byte for byte, twice, through a Millpond as `make run` starts it, to a real Prometheus."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.millpond import Millpond
from tests.servers.prometheus import Prometheus
from tests.servers.source import RunningSource, RunSource
from tests.servers.valkey import Valkey
from tests.servers.wire import recorded, send
from tests.sources import relay

REQUESTS = Path(__file__).parent / "requests"
TO_PROMETHEUS = sorted(
    path for path in REQUESTS.glob("*.http") if not path.name.startswith(("g755_ui_other", "logcli"))
)
MARKS = (b"FromAlert: true", b"X-Rule-Uid: abc", b"X-Rule-Name: abc", b"X-Cache-Skip: true", b"Cache-Control: no-cache")


@pytest.fixture(scope="module")
def source(prometheus: Prometheus, run_source: RunSource) -> RunningSource:
    """Prometheus, its requests counted."""
    return run_source(relay.make(prometheus.url))


@pytest.fixture(scope="module", params=["memory", "redis"])
def running(request: pytest.FixtureRequest, source: RunningSource) -> Iterator[Millpond]:
    flags = ["--upstream", source.url]
    if request.param == "redis":
        redis: Valkey = request.getfixturevalue("valkey")
        flags += ["--redis", f"{redis.url}/9"]
    with Millpond(*flags) as server:
        yield server


@pytest.fixture
def millpond(running: Millpond) -> Millpond:
    """Cleaned: some of the recordings are the same call."""
    running.api("POST", "default/cache/clean")
    return running


def is_health_check(path: Path) -> bool:
    """ "Save & Test", and the newer plugin's `1+1` at a fixed time."""
    return b"1%2B1" in path.read_bytes()


def ids(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", TO_PROMETHEUS, ids=ids)
def test_the_second_time_is_a_hit_with_the_body_of_the_first(
    path: Path, prometheus: Prometheus, source: RunningSource, millpond: Millpond
) -> None:
    request = recorded(path, f"127.0.0.1:{millpond.port}")
    direct, asked = send(prometheus.port, request), source.count
    first, second = send(millpond.port, request), send(millpond.port, request)

    assert (first.status, first.decoded) == (direct.status, direct.decoded)
    assert (second.status, second.decoded) == (first.status, first.decoded)
    assert second.headers["Content-Type"] == first.headers["Content-Type"] == direct.headers["Content-Type"]
    if "query_range" not in path.name:  # put together from parts, it has no coding
        assert second.headers["Content-Encoding"] == first.headers["Content-Encoding"]
    assert second.headers["Content-Length"] == str(len(second.body))
    if is_health_check(path):
        assert [first.x_cache, second.x_cache] == ["BYPASS", "BYPASS"]
        assert source.count - asked == 2
    elif direct.status == 200:
        assert [first.x_cache, second.x_cache] == ["MISS", "HIT"]
        assert second.headers["Age"] is not None
        assert source.count - asked == 1
    else:
        assert second.x_cache != "HIT"
        assert source.count - asked == 2


@pytest.mark.parametrize("path", TO_PROMETHEUS, ids=ids)
def test_alerts_and_skips_never_are(path: Path, source: RunningSource, millpond: Millpond) -> None:
    """Neither answered from the cache nor kept for whoever asks next."""
    request = recorded(path, f"127.0.0.1:{millpond.port}")
    for mark in MARKS:
        marked, asked = request.replace(b"\r\n", b"\r\n" + mark + b"\r\n", 1), source.count
        assert [send(millpond.port, marked).x_cache for _ in range(2)] == ["BYPASS", "BYPASS"]
        assert source.count - asked == 2
    first = send(millpond.port, request)
    assert first.x_cache != "HIT"
    assert send(millpond.port, marked).x_cache == "BYPASS"
    if first.x_cache == "MISS" and first.status == 200:
        assert send(millpond.port, request).x_cache == "HIT"


@pytest.mark.parametrize("path", [path for path in TO_PROMETHEUS if b"POST /" in path.read_bytes()], ids=ids)
def test_the_get_form_of_a_recorded_post_is_the_same_call(path: Path, millpond: Millpond) -> None:
    request = recorded(path, f"127.0.0.1:{millpond.port}")
    head, _, body = request.partition(b"\r\n\r\n")
    first, *fields = head.split(b"\r\n")
    target = first.split(b" ")[1]
    kept = [field for field in fields if not field.lower().startswith((b"content-type:", b"content-length:"))]
    separator = b"&" if b"?" in target else b"?"
    get = b"\r\n".join((b"GET " + target + separator + body + b" HTTP/1.1", *kept, b"", b""))
    posted, got = send(millpond.port, request), send(millpond.port, get)
    if is_health_check(path):
        assert [posted.x_cache, got.x_cache] == ["BYPASS", "BYPASS"]
    else:
        assert ([posted.x_cache, got.x_cache], got.decoded) == (["MISS", "HIT"], posted.decoded)
