"""A source that answers in the bytes it is told, well-formed or not, once a connection. It has a thread of its own, for
tests without an event loop that have Millpond as a process; `scripted` is for those within one, and can do more.
"""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Self

import pytest


class RawSource:
    """`answer` is sent to every request as it stands; `requests` are the heads that came."""

    def __init__(self) -> None:
        self.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        self.requests: list[bytes] = []
        source = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                head = b""
                while line := self.rfile.readline():
                    head += line
                    if line == b"\r\n":
                        break
                if head:
                    source.requests.append(head)
                    self.wfile.write(source.answer)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(20)


RunRawSource = Callable[[], RawSource]


@pytest.fixture(scope="module")
def run_raw_source() -> Iterator[RunRawSource]:
    with ExitStack() as running:
        yield lambda: running.enter_context(RawSource())
