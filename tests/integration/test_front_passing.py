"""Gigabytes through Millpond in front of Grafana arrive byte for byte, and none of them stays in the process."""

import http.client
import socket
from collections.abc import Iterator

import pytest

from tests.servers.firehose import PIECE, Firehose
from tests.servers.millpond import Millpond, StartMillpond

from .test_memory import GB, MIB, MOST_MIB, ask, growth_below


@pytest.fixture(scope="module")
def firehose() -> Iterator[Firehose]:
    with Firehose() as server:
        yield server


@pytest.fixture
def millpond(firehose: Firehose, start_millpond: StartMillpond) -> Millpond:
    server = start_millpond("--grafana-url", firehose.url)
    assert received(server, f"/x?bytes={MIB}") == (MIB, True)  # what is set up with the first request is no growth
    return server


def received(millpond: Millpond, target: str) -> tuple[int, bool]:
    """How many bytes the body had, and whether they were those that the source sends."""
    size_bytes, same = 0, True
    with ask(millpond, target) as response:
        while part := response.read(len(PIECE)):
            same = same and part == PIECE[: len(part)]
            size_bytes += len(part)
    return size_bytes, same


@pytest.mark.parametrize("framing", ["", "&chunked=1"], ids=["length", "chunked"])
def test_a_download_of_a_gigabyte(millpond: Millpond, framing: str) -> None:
    with growth_below(millpond, MOST_MIB):
        assert received(millpond, f"/public/dump?bytes={GB}{framing}") == (GB, True)


def test_a_chunked_upload_is_not_gathered_first(millpond: Millpond) -> None:
    pieces = 200 * MIB // len(PIECE)
    head = b"POST /api/import HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)
    with growth_below(millpond, MOST_MIB), socket.create_connection(("127.0.0.1", millpond.port), timeout=60) as client:
        client.sendall(head)
        for _ in range(pieces):
            client.sendall(piece)
        client.sendall(b"0\r\n\r\n")
        response = http.client.HTTPResponse(client)
        response.begin()
        assert response.read() == str(pieces * len(PIECE)).encode()
