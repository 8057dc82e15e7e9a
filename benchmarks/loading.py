"""wrk, and what the server spent meanwhile."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .peers import Peer


@dataclass(frozen=True, slots=True)
class Figure:
    p50_us: float
    p99_us: float
    requests_per_second: float
    cpu_us: float
    errors: int


def load(server: Peer, path: str, script: Path, connections: int, seconds: int, *arguments: str) -> Figure:
    """`script` ends by printing requests, microseconds, median, 99th percentile and errors."""
    url = f"http://127.0.0.1:{server.port}{path}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url, "--", *arguments]
    cpu_before = server.cpu_seconds()
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
    requests, microseconds, p50_us, p99_us, errors = (int(word) for word in printed.split()[-5:])
    cpu_us = (server.cpu_seconds() - cpu_before) / max(1, requests) * 1e6
    return Figure(p50_us, p99_us, requests / (microseconds / 1e6), cpu_us, errors)
