"""Millpond as its users run it: a process of its own, on the ports it is given."""

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .process import Process, free_port, http_ready


class Millpond(Process):
    """`config` is a configuration file's text, `flags` the command line's."""

    def __init__(self, *flags: str, config: str = "", data_dir: Path | None = None) -> None:
        super().__init__()
        self.admin_port = free_port()
        self.data_dir = data_dir or self.directory / "data"
        self._flags = flags
        self.config_file = self.directory / "millpond.yaml"
        self.config_file.write_text(config)

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def token(self) -> str:
        return (self.data_dir / "admin-token").read_text().strip()

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def command(self) -> Sequence[str]:
        return (
            *(sys.executable, "-m", "proxy", "serve", "--config", str(self.config_file)),
            *("--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin_port}"),
            *("--data-dir", str(self.data_dir)),
            *self._flags,
        )

    def is_ready(self) -> bool:
        return http_ready(f"{self.admin_url}/-/ready")

    def api(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """A call of the Caching API, below /api/datasources/."""
        request = urllib.request.Request(
            f"{self.admin_url}/api/datasources/{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            answer: dict[str, Any] = json.load(response)
            return answer

    def reload(self, config: str) -> None:
        """With this for its configuration file."""
        self.config_file.write_text(config)
        request = urllib.request.Request(
            f"{self.admin_url}/-/reload", method="POST", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            assert response.status == 200

    def metrics(self) -> dict[str, float]:
        """Every sample, by its name and labels as they are exposed."""
        with urllib.request.urlopen(f"{self.admin_url}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}


StartMillpond = Callable[..., Millpond]


@pytest.fixture
def start_millpond() -> Iterator[StartMillpond]:
    """Starts as many as the test asks for, and ends them with it."""
    with ExitStack() as running:
        yield lambda *flags, **options: running.enter_context(Millpond(*flags, **options))
