"""The process as a supervisor sees it: signals, exit status, logs."""

import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.servers.millpond import Millpond, StartMillpond
from tests.servers.process import wait_until

REQUEST = b"GET /api/v1/query_range?query=secret&start=1&end=2&step=1 HTTP/1.1\r\nHost: x\r\n%b\r\n"


class Hanging:
    """A source that accepts, reads, and answers only when it is told to."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.asked = threading.Event()
        self.answer = threading.Event()
        self.seen = b""
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            self.seen = connection.recv(65536)
            self.asked.set()
            self.answer.wait()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    source = Hanging()
    yield source
    source.answer.set()
    if not source.asked.is_set():
        socket.create_connection(source.listener.getsockname()).close()
    source.thread.join(10)
    source.listener.close()


@contextmanager
def client(millpond: Millpond, headers: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", millpond.port), timeout=30) as connection:
        connection.sendall(REQUEST % headers)
        yield connection


def everything(connection: socket.socket) -> bytes:
    received = b""
    while part := connection.recv(65536):
        received += part
    return received


def process(millpond: Millpond) -> "subprocess.Popen[bytes]":
    assert millpond._process is not None
    return millpond._process


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_ends_with_0_and_answers_first_what_it_accepted(
    signum: int, hanging: Hanging, start_millpond: StartMillpond
) -> None:
    millpond = start_millpond("--upstream", hanging.url)
    with client(millpond) as connection:
        hanging.asked.wait(20)
        process(millpond).send_signal(signum)
        wait_until(lambda: "draining" in millpond.log)
        hanging.answer.set()
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\n{}")
    assert process(millpond).wait(30) == 0


def test_ends_at_the_drains_limit_whatever_hangs(hanging: Hanging, start_millpond: StartMillpond) -> None:
    millpond = start_millpond("--upstream", hanging.url, config="server: {drain: 100ms}\n")
    with client(millpond) as connection:
        hanging.asked.wait(20)
        process(millpond).terminate()
        assert everything(connection) == b""
    assert process(millpond).wait(30) == 0
    assert "they are cut off" in millpond.log


def test_a_second_signal_ends_it_at_once(hanging: Hanging, start_millpond: StartMillpond) -> None:
    millpond = start_millpond("--upstream", hanging.url, config="server: {drain: 1h}\n")
    with client(millpond):
        hanging.asked.wait(20)
        process(millpond).terminate()
        wait_until(lambda: "draining" in millpond.log)
        process(millpond).terminate()
        assert process(millpond).wait(30) == 1


def test_a_reload_of_a_broken_file_keeps_the_old_configuration(start_millpond: StartMillpond) -> None:
    source = "datasources: [{uid: a, url: 'http://127.0.0.1:9'}]\n"
    millpond = start_millpond(config=source)
    millpond.config_file.write_text(source + "nonsense: 1\n")
    process(millpond).send_signal(signal.SIGHUP)
    wait_until(lambda: "not reloaded" in millpond.log)
    assert re.search("nonsense: is not a key here", millpond.log)
    assert millpond.metrics()['millpond_config_reloads_total{result="failed"}'] == 1
    millpond.config_file.write_text(source.replace("uid: a", "uid: b"))
    process(millpond).send_signal(signal.SIGHUP)
    wait_until(lambda: "configuration reloaded" in millpond.log)
    assert millpond.api("GET", "b/cache")["dataSourceUID"] == "b"


def test_one_line_a_request_at_debug_and_no_secret_in_it(hanging: Hanging, start_millpond: StartMillpond) -> None:
    millpond = start_millpond("--upstream", hanging.url, "--log-level", "debug")
    hanging.answer.set()
    trace = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
    with client(millpond, b"Authorization: Bearer secret\r\nConnection: close\r\n" + trace) as connection:
        everything(connection)
    assert trace in hanging.seen
    (line,) = (line for line in millpond.log.splitlines() if "msg=request" in line)
    assert "secret" not in millpond.log
    for said in ("method=GET", "path=/api/v1/query_range", "status=200", "cache=MISS", "datasource=default", "bytes=2"):
        assert said in line
