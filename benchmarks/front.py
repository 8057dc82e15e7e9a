"""What the position in front of Grafana costs, beside nginx: `python -m benchmarks.front [--quick]`, `make bench-front`.

First hits of query requests (`front_hits`), then passing through.

In each round the origin is asked directly, through Millpond, through nginx configured as Grafana's documentation has it
(a connection to Grafana for each request), and through nginx with connections kept: median and 99th percentile with 1 and
8 connections, the rate with 64, and what the server spent of CPU on a request, for answers of 1 KB and 60 KB; and one
download of 1 GB. The figures are medians over the rounds. Before a server counts, its answers are compared with the
origin's.
"""

import argparse
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from . import front_hits, peers
from .loading import Figure, load
from .peers import Peer

_GB = 1_000_000_000
_WORDS = Path(__file__).with_name("front.lua")
_NGINX = """\
{user}worker_processes 1; daemon off; error_log {dir}/error.log; pid {dir}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  {http}
}}
"""
_AS_DOCUMENTED = """\
map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
upstream grafana {{ server 127.0.0.1:{origin}; }}
upstream files {{ server 127.0.0.1:{files}; }}
server {{
  listen 127.0.0.1:{port} backlog=1024;
  location / {{ proxy_set_header Host $host; proxy_pass http://grafana; }}
  location /files/ {{ proxy_set_header Host $host; proxy_pass http://files; }}
  location /api/live/ {{
    proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade; proxy_set_header Host $host; proxy_pass http://grafana;
  }}
}}
"""
_KEPT = """\
upstream grafana {{ server 127.0.0.1:{origin}; keepalive 64; keepalive_requests 1000000; }}
server {{
  listen 127.0.0.1:{port} backlog=1024;
  location / {{
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_pass http://grafana;
  }}
}}
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.front", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of two seconds each instead of three of five")
    quick = parser.parse_args().quick
    missing = [name for name in ("wrk", "nginx") if shutil.which(name) is None]
    if missing:
        print(f"The benchmark needs {' and '.join(missing)} (Debian packages wrk and nginx-light).", file=sys.stderr)
        return 1
    rounds, seconds = (1, 2) if quick else (3, 5)
    with tempfile.TemporaryDirectory() as directory:
        running: list[Peer] = []
        try:
            errors = front_hits.compare(Path(directory), lambda peer: _started(running, peer), rounds, seconds)
            servers, downloads = _start(Path(directory), running)
            errors += sum(
                _compare(servers, size, connections, rounds, seconds)
                for size in ("1k", "60k")
                for connections in (1, 8, 64)
            )
            _download(downloads, rounds)
        finally:
            for server in reversed(running):
                server.stop()
    return 1 if errors else 0


def _started(running: list[Peer], peer: Peer) -> Peer:
    running.append(peer)
    return peer


def _start(directory: Path, running: list[Peer]) -> tuple[dict[str, Peer], dict[str, Peer]]:
    """What is asked for small answers, and what for the download: Millpond has one origin each."""

    started = partial(_started, running)
    origin = started(peers.origin())
    (directory / "files").mkdir()
    with (directory / "files" / "gigabyte").open("wb") as file:
        file.truncate(_GB)
    files = started(_nginx(directory, "static", "server {{ listen 127.0.0.1:{port}; root {root}; }}"))
    documented = started(_nginx(directory, "nginx", _AS_DOCUMENTED, origin=origin.port, files=files.port))
    small = {
        "direct": origin,
        "millpond": started(_millpond(directory, "millpond", origin)),
        "nginx as documented": documented,
        "nginx, connections kept": started(_nginx(directory, "kept", _KEPT, origin=origin.port)),
    }
    return small, {
        "direct": files,
        "millpond": started(_millpond(directory, "millpond-files", files)),
        "nginx as documented": documented,
    }


def _millpond(directory: Path, name: str, origin: Peer) -> Peer:
    return peers.millpond(name, directory / name, f"grafana: {{url: 'http://127.0.0.1:{origin.port}'}}\n")


def _nginx(directory: Path, name: str, http: str, **ports: int) -> Peer:
    port = peers.free_port()
    own = directory / name
    own.mkdir()
    user = "user root;\n" if os.geteuid() == 0 else ""  # its workers must reach the temporary directory
    config = own / "nginx.conf"
    config.write_text(_NGINX.format(user=user, dir=own, http=http.format(port=port, root=directory, **ports)))
    return peers.start(name, port, "", ["nginx", "-p", str(own), "-c", str(config)])


def _compare(servers: Mapping[str, Peer], size: str, connections: int, rounds: int, seconds: int) -> int:
    expected = _body(servers["direct"], size)
    figures: dict[str, list[Figure]] = {name: [] for name in servers}
    for name, server in servers.items():
        if _body(server, size) != expected:
            raise SystemExit(f"{name} does not give the origin's answer")
    for _ in range(rounds):
        for name, server in servers.items():
            figures[name].append(load(server, f"/{size}/api/search?q=a", _WORDS, connections, seconds))
    direct_us = statistics.median(figure.p50_us for figure in figures["direct"])
    for name, several in figures.items():
        p50_us = statistics.median(figure.p50_us for figure in several)
        p99_us = statistics.median(figure.p99_us for figure in several)
        cpu_us = statistics.median(figure.cpu_us for figure in several)
        rate = statistics.median(figure.requests_per_second for figure in several)
        print(
            f"{size:>4} {connections:>3} connections  {name:<24} p50 {p50_us:>7.0f} us "
            f"({(p50_us - direct_us) / 1000:+.2f} ms)  p99 {p99_us:>7.0f} us  {rate:>7.0f}/s  cpu {cpu_us:>4.0f} us",
            flush=True,
        )
    return sum(figure.errors for several in figures.values() for figure in several)


def _body(server: Peer, size: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/{size}/api/search?q=a", timeout=10) as response:
        body: bytes = response.read()
        return body


def _download(servers: Mapping[str, Peer], rounds: int) -> None:
    for name, server in servers.items():
        seconds = statistics.median(_seconds_of_download(server) for _ in range(rounds))
        print(f"1 GB  {name:<24} {seconds:.2f} s, {_GB / seconds / 1e6:.0f} MB/s", flush=True)


def _seconds_of_download(server: Peer) -> float:
    began = time.perf_counter()
    buffer = bytearray(1 << 20)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(b"GET /files/gigabyte HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
        size_bytes = 0
        while received := connection.recv_into(buffer):
            size_bytes += received
    if size_bytes < _GB:
        raise SystemExit(f"{server.name} gave {size_bytes} bytes of the download")
    return time.perf_counter() - began


if __name__ == "__main__":
    raise SystemExit(main())
