"""What passes through a Millpond process does not stay in it: its peak of resident memory, against what it had before."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.servers.firehose import PIECE, Firehose
from tests.servers.millpond import Millpond, StartMillpond

MIB = 1024 * 1024
GB = 1_000_000_000
MOST_MIB = 64
QUERY = "/api/v1/query_range?query=up&start=1795392000&end=1795395600&step=60"


@pytest.fixture(scope="module")
def firehose() -> Iterator[Firehose]:
    with Firehose() as server:
        yield server


@pytest.fixture
def millpond(firehose: Firehose, start_millpond: StartMillpond) -> Millpond:
    server = start_millpond("--upstream", firehose.url)
    for target in ("/x?bytes=100000", f"{QUERY}&bytes=100000"):  # what is set up with the first request is no growth
        assert receive(server, target) == 100_000
    return server


def resident_mib(millpond: Millpond, field: str) -> float:
    status = Path(f"/proc/{millpond.pid}/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


@contextmanager
def growth_below(millpond: Millpond, most_mib: float) -> Iterator[None]:
    Path(f"/proc/{millpond.pid}/clear_refs").write_text("5")  # the peak begins anew
    before = resident_mib(millpond, "VmRSS")
    yield
    grown = resident_mib(millpond, "VmHWM") - before
    assert grown <= most_mib, f"{grown:.0f} MiB more than before"


@contextmanager
def ask(millpond: Millpond, target: str) -> Iterator[http.client.HTTPResponse]:
    with closing(http.client.HTTPConnection("127.0.0.1", millpond.port, timeout=60)) as connection:
        connection.request("GET", target)
        with connection.getresponse() as response:
            assert response.status == 200
            yield response


def receive(millpond: Millpond, target: str) -> int:
    """How many bytes the body had."""
    size_bytes = 0
    with ask(millpond, target) as response:
        while part := response.read(MIB):
            size_bytes += len(part)
    return size_bytes


@pytest.mark.parametrize("target", ["/x?", f"{QUERY}&"], ids=["passes", "too large to keep"])
@pytest.mark.parametrize("framing", ["", "&chunked=1"], ids=["length", "chunked"])
def test_a_gigabyte_passes_through(millpond: Millpond, target: str, framing: str) -> None:
    with growth_below(millpond, MOST_MIB):
        assert receive(millpond, f"{target}bytes={GB}{framing}") == GB


def test_a_body_of_a_hundred_megabytes_passes_through(millpond: Millpond) -> None:
    size_bytes = 100_000_000
    request = f"POST /api/v1/write HTTP/1.1\r\nHost: m\r\nContent-Length: {size_bytes}\r\nConnection: close\r\n\r\n"
    with growth_below(millpond, MOST_MIB), socket.create_connection(("127.0.0.1", millpond.port), timeout=60) as client:
        client.sendall(request.encode())
        for _ in range(size_bytes // 100_000):
            client.sendall(PIECE[:50_000] * 2)
        response = http.client.HTTPResponse(client)
        response.begin()
        assert response.read() == str(size_bytes).encode()


@pytest.mark.parametrize("framing", ["", "&chunked=1"], ids=["length", "chunked"])
def test_the_next_caller_does_not_wait_behind_what_is_too_large_to_keep(millpond: Millpond, framing: str) -> None:
    target = f"{QUERY}&bytes={GB}{framing}"
    with growth_below(millpond, MOST_MIB), ExitStack() as open_answers:
        answers = [open_answers.enter_context(ask(millpond, target)) for _ in range(2)]
        for answer in answers:  # the first is far from its end
            assert answer.read(len(PIECE)) == PIECE
            assert answer.headers["X-Cache"] == "MISS"
        assert "detail=remembered" in answers[1].headers["Cache-Status"]


def test_clients_that_stop_reading_cost_little(millpond: Millpond) -> None:
    with growth_below(millpond, MOST_MIB), ExitStack() as open_answers:
        for number in range(20):
            open_answers.enter_context(ask(millpond, f"/x{number}?bytes={GB}"))
        assert receive(millpond, f"/x?bytes={100 * MIB}") == 100 * MIB


def test_ten_bombs_at_once_are_not_undone(millpond: Millpond) -> None:
    """S-35: 1 GiB each, once undone."""
    with growth_below(millpond, 10 * MOST_MIB), ExitStack() as sockets:
        waiting = []
        for number in range(10):
            client = sockets.enter_context(socket.create_connection(("127.0.0.1", millpond.port), timeout=60))
            fields = "Host: m\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
            client.sendall(f"GET {QUERY}&zip=1024&limit={number} HTTP/1.1\r\n{fields}".encode())
            waiting.append(client)
        for client in waiting:
            response = http.client.HTTPResponse(client)
            response.begin()
            assert (response.status, response.headers["X-Cache"]) == (200, "MISS")
            assert "stored" not in response.headers["Cache-Status"]
            assert 1_000_000 < len(response.read()) < 2_000_000
    assert millpond.metrics()['millpond_not_stored_total{datasource_uid="default",reason="too-large"}'] == 10
