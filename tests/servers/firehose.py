"""A source whose answers are made as they are sent, so that gigabytes cost it nothing. A process of its own:

* `?bytes=N`: that many, with their length, or in chunks with `&chunked=1`; a JSON document as far as it goes
* `?zip=N`: a gzip stream of N MiB of zeros, about a thousandth of that
* a request's body is counted and not kept; the answer says how many bytes it had
"""

import asyncio
import sys
import zlib
from collections.abc import Sequence
from functools import cache
from urllib.parse import parse_qs, urlsplit

from .process import Process, http_ready

PIECE = b'{"status":"success","data":"' + b"a" * (65536 - 28)
MIB = 1024 * 1024


class Firehose(Process):
    def command(self) -> Sequence[str]:
        return (sys.executable, "-m", __name__, str(self.port))

    def is_ready(self) -> bool:
        return http_ready(f"{self.url}/?bytes=1")


@cache
def zipped(mib: int) -> bytes:
    """Each MiB of zeros compresses to the same block, so it is compressed once."""
    zeros = bytes(MIB)
    deflater = zlib.compressobj(wbits=-15)
    deflater.compress(zeros)
    deflater.flush(zlib.Z_FULL_FLUSH)
    block = deflater.compress(zeros) + deflater.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(mib):
        checksum = zlib.crc32(zeros, checksum)
    head = bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255))
    tail = deflater.flush() + checksum.to_bytes(4, "little") + (mib * MIB % 2**32).to_bytes(4, "little")
    return head + block * mib + tail


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            _, target, _ = head.split(" ", 2)
            asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
            received = await drain(reader, head)
            if "zip" in asked:
                body = zipped(int(asked["zip"]))
                writer.write(answer_head(len(body), "content-encoding: gzip"))
                writer.write(body)
            elif "bytes" in asked:
                await pour(writer, int(asked["bytes"]), chunked="chunked" in asked)
            else:
                body = str(received).encode()
                writer.write(answer_head(len(body)) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.transport.abort()


async def drain(reader: asyncio.StreamReader, head: str) -> int:
    received = 0
    if "transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
            received += size
        await reader.readline()
    elif "content-length:" in head:
        left = int(head.partition("content-length:")[2].partition("\r\n")[0])
        while received < left:
            received += len(await reader.read(min(65536, left - received)))
    return received


async def pour(writer: asyncio.StreamWriter, left: int, *, chunked: bool) -> None:
    writer.write(answer_head(None if chunked else left))
    while left:
        piece = PIECE[:left]
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        await writer.drain()
        left -= len(piece)
    if chunked:
        writer.write(b"0\r\n\r\n")


def answer_head(length: int | None, *fields: str) -> bytes:
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    lines = ("HTTP/1.1 200 OK", "content-type: application/json", framing, *fields, "", "")
    return "\r\n".join(lines).encode()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), limit=1 << 18)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
