"""Hits of Grafana's query requests, the permission remembered, beside nginx's `proxy_cache` keyed by the body; a part of
`make bench-front`.
"""

import json
import statistics
import urllib.request
from collections.abc import Callable
from pathlib import Path

from . import grafana, peers
from .loading import Figure, load
from .peers import Peer

_SCRIPT = Path(__file__).with_name("front_hits.lua")


def compare(directory: Path, started: Callable[[Peer], Peer], rounds: int, seconds: int) -> int:
    """Print the figures; returns how many requests failed."""
    origin = started(peers.program("grafana", "benchmarks.grafana"))
    config = f"grafana: {{url: 'http://127.0.0.1:{origin.port}', cache: {{enabled: true}}, permission_ttl: 10s}}\n"
    servers = {
        "millpond": started(peers.millpond("millpond", directory / "hits", config)),
        "nginx proxy_cache": started(peers.nginx(directory / "hits-nginx", origin.port)),
    }
    errors = 0
    for size, size_bytes in grafana.SIZES_BYTES.items():
        for server in servers.values():
            _check(server, size, grafana.frames(size_bytes))
            load(server, "/", _SCRIPT, 64, 2, size)
        figures: dict[str, list[Figure]] = {name: [] for name in servers}
        for _ in range(rounds):
            for name, server in servers.items():
                figures[name].append(load(server, "/", _SCRIPT, 64, seconds, size))
        rates = {
            name: statistics.median(each.requests_per_second for each in several) for name, several in figures.items()
        }
        for name, several in figures.items():
            cpu_us = statistics.median(each.cpu_us for each in several)
            p50_us = statistics.median(each.p50_us for each in several)
            ratio = rates[name] / rates["nginx proxy_cache"]
            print(
                f"/api/ds/query hit {size:>4} 64 connections  {name:<18} {rates[name]:>7.0f}/s ({ratio:.2f} x)  "
                f"p50 {p50_us:>6.0f} us  cpu {cpu_us:>4.0f} us",
                flush=True,
            )
            errors += sum(each.errors for each in several)
    return errors


def _check(server: Peer, size: str, expected: bytes) -> None:
    """The second answer is a hit and the origin's."""
    query = {"refId": "A", "datasource": {"type": "prometheus", "uid": size}, "expr": "up"}
    body = {"queries": [query], "from": "1700000000000", "to": "1700003600000"}
    for _ in range(2):
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.port}/api/ds/query?size={size}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Cookie": "grafana_session=a"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            x_cache, answer = response.headers.get("X-Cache"), response.read()
    if answer != expected or (x_cache != "HIT" and server.name == "millpond"):
        raise SystemExit(f"{server.name} does not give the origin's answer, or no hit ({x_cache})")
