"""Gigabytes through the position in front of Grafana: none of them stays in the process."""

import asyncio
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.firehose import PIECE, Firehose
from tests.servers.listener import in_front_of

MIB = 1024 * 1024
GB = 1_000_000_000
MOST_MIB = 64


@pytest.fixture(scope="module")
def firehose() -> Iterator[Firehose]:
    with Firehose() as server:
        yield server


def resident_mib(field: str) -> float:
    """Of this process, which is Millpond and its client."""
    return int(Path("/proc/self/status").read_text().partition(f"{field}:")[2].split()[0]) / 1024


def receive(port: int, target: str) -> tuple[int, bool]:
    """How many bytes the body had, and whether they were those of the source."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", target)
    size_bytes, same = 0, True
    with connection.getresponse() as response:
        while part := response.read(len(PIECE)):
            same = same and part == PIECE[: len(part)]
            size_bytes += len(part)
    connection.close()
    return size_bytes, same


def upload(port: int, pieces: int) -> bytes:
    """In chunks; the answer is how many bytes arrived."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(
            b"POST /import HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)
        for _ in range(pieces):
            connection.sendall(piece)
        connection.sendall(b"0\r\n\r\n")
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.read()


@pytest.mark.parametrize("framing", ["", "&chunked=1"], ids=["length", "chunked"])
async def test_a_download_of_a_gigabyte_arrives_byte_for_byte(firehose: Firehose, framing: str) -> None:
    async with in_front_of(firehose.url) as millpond:
        await asyncio.to_thread(receive, millpond.port, f"/x?bytes={MIB}")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = resident_mib("VmRSS")
        got = await asyncio.to_thread(receive, millpond.port, f"/x?bytes={GB}{framing}")
        assert got == (GB, True)
        assert resident_mib("VmHWM") - before < MOST_MIB


async def test_a_chunked_upload_is_not_gathered_first(firehose: Firehose) -> None:
    pieces = 200 * MIB // len(PIECE)
    async with in_front_of(firehose.url) as millpond:
        await asyncio.to_thread(upload, millpond.port, 10)
        Path("/proc/self/clear_refs").write_text("5")
        before = resident_mib("VmRSS")
        got = await asyncio.to_thread(upload, millpond.port, pieces)
        assert got == str(pieces * len(PIECE)).encode()
        assert resident_mib("VmHWM") - before < MOST_MIB
