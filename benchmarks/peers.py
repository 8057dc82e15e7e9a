"""The servers of a run, as processes: the origin, nginx with `proxy_cache`, Redis, and Millpond."""

import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import redis as redis_py

_NGINX = """\
{user}worker_processes 1;
daemon off;
error_log {dir}/error.log;
pid {dir}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  client_body_buffer_size 64k;
  proxy_cache_path {dir}/cache keys_zone=z:64m max_size=512m use_temp_path=off;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache z; proxy_cache_methods GET HEAD POST; proxy_cache_valid 200 10m; proxy_cache_lock on;
      proxy_cache_key "$request_method$request_uri|$request_body";
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A server to be measured. `cpu_pid` is the process whose CPU time counts."""

    name: str
    port: int
    prefix: str
    process: subprocess.Popen[bytes]
    admin_port: int = 0
    data_dir: Path = Path()

    def cpu_seconds(self) -> float:
        """Of the process and its children (nginx answers from a worker)."""
        return sum(_cpu_seconds(pid) for pid in (self.process.pid, *_children(self.process.pid)))

    def resident_mb(self) -> float:
        return sum(_resident_mb(pid) for pid in (self.process.pid, *_children(self.process.pid)))

    def count(self, kind: str) -> int:
        """Of the process: open files (`fd`) or threads (`task`)."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/{kind}").iterdir())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def free_port() -> int:
    """Below those that Linux gives to outgoing connections: of these, a connection to a server that does not listen yet
    may be given its port, and reach itself.
    """
    while True:
        port = random.randrange(12_000, 22_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def origin() -> Peer:
    return program("origin", "benchmarks.origin")


def program(name: str, module: str) -> Peer:
    """A module of ours that is given its port."""
    port = free_port()
    return start(name, port, "", [sys.executable, "-m", module, str(port)])


def nginx(directory: Path, origin_port: int) -> Peer:
    port = free_port()
    directory.mkdir()
    config = directory / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""  # its workers must reach the temporary directory
    config.write_text(_NGINX.format(user=user, dir=directory, port=port, origin=origin_port))
    return start("nginx", port, "", ["nginx", "-p", str(directory), "-c", str(config)])


def redis(directory: Path, binary: str) -> Peer:
    port = free_port()
    directory.mkdir()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
    return start("redis", port, "", command)


def clean(millpond: Peer, uid: str) -> None:
    """Of everything that was kept for a source."""
    token = (millpond.data_dir / "admin-token").read_text().strip()
    url = f"http://127.0.0.1:{millpond.admin_port}/api/datasources/uid/{uid}/cache/clean?scope=datasource"
    request = urllib.request.Request(url, method="POST", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as response:
        response.read()


def redis_used_bytes(server: Peer) -> int:
    """What its keys and values take, by its own account."""
    with redis_py.Redis(port=server.port) as client:
        return sum(int(client.memory_usage(key) or 0) for key in client.scan_iter(count=1000))


def relay(source_port: int) -> Peer:
    port = free_port()
    return start("relay", port, "", [sys.executable, "-m", "benchmarks.relay", str(port), str(source_port)])


def by_size(origin_port: int) -> str:
    """A configuration with a source for each size of answer, at `/ds/<size>`. Whole answers: deltas have a benchmark of
    their own, and the origin's answers are no series.
    """
    return "datasources:\n" + "".join(
        f"  - {{uid: {size}, type: prometheus, url: http://127.0.0.1:{origin_port}/{size}, cache: {{enabled: true}}, "
        "delta: {enabled: false}}\n"
        for size in ("1k", "60k")
    )


def prometheus(directory: Path) -> Peer:
    """Over the blocks in `data` of this directory."""
    port = free_port()
    config = directory / "prometheus.yml"
    config.write_text("global: {}\n")
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}"]
    command += ["--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    peer = start("prometheus", port, "", command)
    _await_ready(f"http://127.0.0.1:{port}/-/ready")
    return peer


def millpond(name: str, directory: Path, configuration: str, *flags: str, program: Sequence[str] = ("proxy",)) -> Peer:
    """`program` is the module that is run, and its own arguments."""
    port, admin = free_port(), free_port()
    directory.mkdir()
    config = directory / "millpond.yaml"
    config.write_text(configuration)
    command = [sys.executable, "-m", *program, "serve", "--config", str(config), "--data-dir", str(directory)]
    command += ["--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}"]
    command += ["--ttl", "1h", "--log-level", "warning", *flags]
    peer = replace(start(name, port, "/ds", command), admin_port=admin, data_dir=directory)
    _await_ready(f"http://127.0.0.1:{admin}/-/ready")
    return peer


def start(name: str, port: int, prefix: str, command: Sequence[str]) -> Peer:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    for _ in range(400):
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with status {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return Peer(name=name, port=port, prefix=prefix, process=process)
        time.sleep(0.05)
    raise RuntimeError(f"{name} does not listen on port {port}")


def _await_ready(url: str) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"{url} does not become ready")


def _children(pid: int) -> tuple[int, ...]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return tuple(int(child) for child in children.read_text().split()) if children.exists() else ()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
