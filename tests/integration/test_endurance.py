"""What must hold for as long as it runs: nobody notices a replacement, and nothing grows. `make soak` is the long form."""

import http.client
import os
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.servers.counting import Counting
from tests.servers.millpond import Millpond, StartMillpond
from tests.servers.process import wait_until

from .test_memory import growth_below
from .test_process import process

ROUNDS = int(os.environ.get("ENDURANCE_ROUNDS", "2"))
CONFIG = """\
caching: {{ttl: 1h, memory: {{max_size_mb: 32}}}}
datasources:
  - {{uid: src, type: opaque, url: "{url}", owns_root: true, cache: {{enabled: true}}}}
  - {{uid: down, url: "http://127.0.0.1:9"}}
"""


@pytest.fixture
def millpond(source: Counting, start_millpond: StartMillpond) -> Millpond:
    return start_millpond(config=CONFIG.format(url=source.url))


@dataclass(slots=True)
class Clients:
    """Keep-alive clients that ask without a pause. A connection of which an answer said so is asked no more."""

    port: int
    ended: threading.Event = field(default_factory=threading.Event)
    results: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def running(self, count: int) -> Iterator[None]:
        threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        yield
        self.ended.set()
        for thread in threads:
            thread.join(60)

    def _run(self, number: int) -> None:
        turn = 0
        while not self.ended.is_set():
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
                answered = 0
                while not self.ended.is_set():
                    turn += 1
                    target = f"/hit?{turn % 20}" if turn % 4 else f"/once?{number}-{turn}"
                    try:
                        connection.request("GET", target)
                        response = connection.getresponse()
                        body = response.read()
                    except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
                        # RFC 9112, 9.3.1: of a connection that was idle. A fresh one was accepted.
                        self.results["idle" if answered else f"{type(error).__name__} on a fresh connection"] += 1
                        break
                    except (OSError, http.client.HTTPException) as error:
                        self.results[type(error).__name__] += 1
                        break
                    answered += 1
                    self.results["answered" if response.status == 200 and target.encode() in body else "wrong"] += 1
                    if response.getheader("Connection") == "close":
                        break


def test_processes_take_over_from_each_other_and_nobody_notices(
    source: Counting, start_millpond: StartMillpond
) -> None:
    """R-52: what was accepted is answered, by a process that is told to end under load."""
    config = CONFIG.format(url=source.url)
    serving = start_millpond(config=config)
    clients = Clients(serving.port)
    with clients.running(6):
        for turn in range(ROUNDS):
            following = start_millpond(config=config)
            with ExitStack() as open_connections, source.closed_gate() as open_gate:
                accepted = [http.client.HTTPConnection("127.0.0.1", serving.port, timeout=60) for _ in range(20)]
                for number, connection in enumerate(accepted):
                    open_connections.enter_context(closing(connection))
                    connection.request("GET", f"/gated?{turn}-{number}")
                wait_until(lambda: source.waiting == 20)
                clients.port = following.port
                process(serving).terminate()
                wait_until(partial(is_draining, serving))
                open_gate()
                answers = [connection.getresponse() for connection in accepted]
                assert [(answer.status, answer.getheader("Connection")) for answer in answers] == [(200, "close")] * 20
                assert all(f"{turn}-{number}".encode() in answer.read() for number, answer in enumerate(answers))
            assert process(serving).wait(60) == 0
            serving = following
    assert clients.results.keys() <= {"answered", "idle"}, clients.results
    assert clients.results["idle"] <= 6 * ROUNDS


def test_the_memory_of_the_cache_is_bounded(millpond: Millpond) -> None:
    with growth_below(millpond, 32 + 64), closing(http.client.HTTPConnection("127.0.0.1", millpond.port)) as client:
        for number in range(2000):
            client.request("GET", f"/distinct?kilobytes=100&number={number}")
            assert len(client.getresponse().read()) > 100_000
    metrics = millpond.metrics()
    assert metrics['millpond_stored_total{datasource_uid="src"}'] == 2000
    assert 24 * 1024 * 1024 < metrics["millpond_memory_size_bytes"] <= 32 * 1024 * 1024


def test_idle_connections_cost_little_and_leave_nothing(millpond: Millpond) -> None:
    """R-61, with 500."""
    before = descriptors(millpond)
    with growth_below(millpond, 500 * 30 / 1024), ExitStack() as open_connections:
        for number in range(500):
            connection = http.client.HTTPConnection("127.0.0.1", millpond.port, timeout=60)
            open_connections.enter_context(closing(connection))
            connection.request("GET", "/hit")
            assert connection.getresponse().read()
            assert descriptors(millpond) > before + number
    wait_until(lambda: descriptors(millpond) <= before + 2)  # and those to the source


def test_nothing_that_clients_say_makes_a_new_series(millpond: Millpond) -> None:
    def everything(turn: str) -> None:
        for method in ("GET", "POST", "DELETE", "NONSENSE"):
            for target in (
                f"/{turn}",
                f"/ds/{turn}/x",
                f"/ds/src/{turn}?{turn}={turn}",
                "/ds/down/api/v1/labels",
                "/%zz",
            ):
                head = f"{method} {target} HTTP/1.1\r\nHost: {turn}\r\nX-{turn}: {turn}\r\nConnection: close\r\n\r\n"
                with socket.create_connection(("127.0.0.1", millpond.port), timeout=60) as connection:
                    connection.sendall(head.encode())
                    assert connection.recv(65536).startswith(b"HTTP/1.")
                with socket.create_connection(("127.0.0.1", millpond.port), timeout=60) as connection:
                    connection.sendall(head.encode())  # and does not wait for an answer

    everything("first")
    series = set(millpond.metrics())
    for turn in ("second", "third"):
        everything(turn)
    assert set(millpond.metrics()) == series


def is_draining(millpond: Millpond) -> bool:
    return "draining" in millpond.log


def descriptors(millpond: Millpond) -> int:
    return sum(1 for _ in Path(f"/proc/{millpond.pid}/fd").iterdir())
