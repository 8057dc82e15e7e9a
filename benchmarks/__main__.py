"""Run the benchmarks: `python -m benchmarks [--quick]`.

Each scenario is run against Millpond and its peer in turn, A B A B …, and the medians and their ratio are printed; the
figures go to `benchmarks/results/latest.json` too. Rates are of a closed loop of 32 connections; `cpu us` is what the
server spent on a request, the robust figure on a shared machine. Before a scenario counts, an answer is compared with
the origin's: a fast wrong answer fails the run.
"""

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from . import peers
from .peers import Peer

_HERE = Path(__file__).parent
_QUERY = "query=sum%28up%29&start=1795396425&end=1795400025&step=15"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    name: str
    server: str
    peer: str
    method: str
    size: str
    mode: str
    connections: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    requests_per_second: float
    p50_us: float
    p99_us: float
    cpu_us: float
    errors: int


SCENARIOS = [
    *(
        Scenario(
            name=f"{server} hit {size} {method}",
            server=server,
            peer="nginx",
            method=method,
            size=size,
            mode="hit",
        )
        for server in ("memory", "redis")
        for size in ("1k", "60k")
        for method in ("GET", "POST")
    ),
    *(
        Scenario(name=f"miss {size} {method}", server="memory", peer="nginx", method=method, size=size, mode="miss")
        for size in ("1k", "60k")
        for method in ("GET", "POST")
    ),
    *(
        Scenario(
            name=f"one miss at a time {size} GET, over direct",
            server="memory",
            peer="origin",
            method="GET",
            size=size,
            mode="miss",
            connections=1,
        )
        for size in ("1k", "60k")
    ),
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of two seconds each instead of three of five")
    quick = parser.parse_args().quick
    missing = [name for name in ("wrk", "nginx") if shutil.which(name) is None]
    if missing:
        print(
            f"The benchmarks need {' and '.join(missing)} (Debian packages wrk and nginx-light).",
            file=sys.stderr,
        )
        return 1
    rounds, seconds = (1, 2) if quick else (3, 5)
    with tempfile.TemporaryDirectory() as directory:
        servers = _start_all(Path(directory))
        try:
            rows = [_run(scenario, servers, rounds, seconds) for scenario in SCENARIOS]
        finally:
            for server in reversed(servers.values()):
                server.stop()
    _report(rows)
    return 1 if any(row["errors"] for row in rows) else 0


def _start_all(directory: Path) -> dict[str, Peer]:
    servers = {"origin": peers.origin()}
    origin_port = servers["origin"].port
    servers["nginx"] = peers.nginx(directory / "nginx", origin_port)
    config = peers.by_size(origin_port)
    servers["memory"] = peers.millpond("memory", directory / "memory", config)
    servers["store"] = peers.redis(directory / "redis", _redis_binary())
    redis_url = f"redis://127.0.0.1:{servers['store'].port}"
    servers["redis"] = peers.millpond("redis", directory / "millpond-redis", config, "--redis", redis_url)
    return servers


def _redis_binary() -> str:
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        raise SystemExit("The benchmarks need redis-server (Debian package redis-server).")
    return found


def _run(scenario: Scenario, servers: dict[str, Peer], rounds: int, seconds: int) -> dict[str, object]:
    ours, theirs = servers[scenario.server], servers[scenario.peer]
    for server in (ours, theirs):
        _check_answer(server, servers["origin"], scenario.size)
        _load(server, scenario, 1)
    measured: dict[str, list[Figure]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        measured["ours"].append(_load(ours, scenario, seconds))
        measured["theirs"].append(_load(theirs, scenario, seconds))
    median_ours, median_theirs = _median(measured["ours"]), _median(measured["theirs"])
    row: dict[str, object] = {
        "scenario": scenario.name,
        "peer": scenario.peer,
        "ours": asdict(median_ours),
        "theirs": asdict(median_theirs),
        "ratio": round(median_ours.requests_per_second / median_theirs.requests_per_second, 2),
        "p50_overhead_ms": round((median_ours.p50_us - median_theirs.p50_us) / 1000, 2),
        "errors": sum(figure.errors for figures in measured.values() for figure in figures),
    }
    print(_line(row), flush=True)
    return row


def _check_answer(server: Peer, origin: Peer, size: str) -> None:
    def body(peer: Peer) -> bytes:
        url = f"http://127.0.0.1:{peer.port}{_path(peer, size)}/api/v1/query_range?{_QUERY}"
        with urllib.request.urlopen(url, timeout=10) as response:
            answer: bytes = response.read()
            return answer

    expected = body(origin)
    for _ in range(2):
        if body(server) != expected:
            raise SystemExit(f"{server.name} does not give the origin's answer")


def _path(peer: Peer, size: str) -> str:
    return f"{peer.prefix}/{size}"


def _load(server: Peer, scenario: Scenario, seconds: int) -> Figure:
    command = ["wrk", "-t1", f"-c{scenario.connections}", f"-d{seconds}s", "-s", str(_HERE / "load.lua")]
    command += [
        f"http://127.0.0.1:{server.port}",
        "--",
        scenario.method,
        _path(server, scenario.size),
        scenario.mode,
    ]
    cpu_before = server.cpu_seconds()
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
    cpu = server.cpu_seconds() - cpu_before
    result = json.loads(printed.strip().splitlines()[-1])
    return Figure(
        requests_per_second=result["requests"] / (result["duration_us"] / 1e6),
        p50_us=result["p50_us"],
        p99_us=result["p99_us"],
        cpu_us=cpu / max(1, result["requests"]) * 1e6,
        errors=result["errors"],
    )


def _median(figures: list[Figure]) -> Figure:
    return Figure(
        requests_per_second=statistics.median(figure.requests_per_second for figure in figures),
        p50_us=statistics.median(figure.p50_us for figure in figures),
        p99_us=statistics.median(figure.p99_us for figure in figures),
        cpu_us=statistics.median(figure.cpu_us for figure in figures),
        errors=sum(figure.errors for figure in figures),
    )


def _line(row: dict[str, object]) -> str:
    ours, theirs = row["ours"], row["theirs"]
    assert isinstance(ours, dict)
    assert isinstance(theirs, dict)
    return (
        f"{row['scenario']:<40} {ours['requests_per_second']:>8.0f}/s p50 {ours['p50_us']:>6.0f} us "
        f"p99 {ours['p99_us']:>6.0f} us cpu {ours['cpu_us']:>5.0f} us | {row['peer']} "
        f"{theirs['requests_per_second']:>8.0f}/s p50 {theirs['p50_us']:>6.0f} us | {row['ratio']} x, "
        f"median {row['p50_overhead_ms']:+} ms, errors {row['errors']}"
    )


def _report(rows: list[dict[str, object]]) -> None:
    results = _HERE / "results"
    results.mkdir(exist_ok=True)
    machine = f"{platform.machine()}, Python {platform.python_version()}, {platform.system()} {platform.release()}"
    (results / "latest.json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    print(f"machine: {machine}; written to benchmarks/results/latest.json")


if __name__ == "__main__":
    raise SystemExit(main())
