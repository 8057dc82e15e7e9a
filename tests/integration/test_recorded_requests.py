"""What real clients sent, byte for byte, twice, through a Millpond as `make run` starts it, to a real Prometheus."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.millpond import Millpond
from tests.servers.prometheus import Prometheus

from .wire import Reply, recorded, send

REQUESTS = Path(__file__).parent / "requests"
TO_PROMETHEUS = sorted(
    path for path in REQUESTS.glob("*.http") if not path.name.startswith(("g755_ui_other", "logcli"))
)


@pytest.fixture(scope="module")
def running(prometheus: Prometheus) -> Iterator[Millpond]:
    with Millpond("--upstream", prometheus.url) as server:
        yield server


@pytest.fixture
def millpond(running: Millpond) -> Millpond:
    """Cleaned: some of the recordings are the same call."""
    running.api("POST", "default/cache/clean")
    return running


def is_health_check(path: Path) -> bool:
    """ "Save & Test", and the newer plugin's `1+1` at a fixed time."""
    return b"1%2B1" in path.read_bytes()


def body(reply: Reply) -> bytes:
    return gzip.decompress(reply.body) if reply.headers["Content-Encoding"] == "gzip" else reply.body


@pytest.mark.parametrize("path", TO_PROMETHEUS, ids=lambda path: path.stem)
def test_the_second_time_is_a_hit_with_the_body_of_the_first(
    path: Path, prometheus: Prometheus, millpond: Millpond
) -> None:
    request = recorded(path, f"127.0.0.1:{millpond.port}")
    direct = send(prometheus.port, request)
    first, second = send(millpond.port, request), send(millpond.port, request)

    assert (first.status, body(first)) == (direct.status, body(direct))
    assert (second.status, second.body) == (first.status, first.body)
    if is_health_check(path):
        assert [first.x_cache, second.x_cache] == ["BYPASS", "BYPASS"]
    elif direct.status == 200:
        assert [first.x_cache, second.x_cache] == ["MISS", "HIT"]
        assert second.headers["Age"] is not None
    else:
        assert second.x_cache != "HIT"


@pytest.mark.parametrize("mark", [b"FromAlert: true", b"X-Rule-Uid: abc", b"X-Cache-Skip: true"])
@pytest.mark.parametrize(
    "path", [path for path in TO_PROMETHEUS if "query_range" in path.name], ids=lambda path: path.stem
)
def test_alerts_and_skips_never_are(path: Path, mark: bytes, millpond: Millpond) -> None:
    request = recorded(path, f"127.0.0.1:{millpond.port}")
    marked = request.replace(b"\r\n", b"\r\n" + mark + b"\r\n", 1)
    assert [send(millpond.port, one).x_cache for one in (request, marked, marked, request)] == [
        "MISS",
        "BYPASS",
        "BYPASS",
        "HIT",
    ]
