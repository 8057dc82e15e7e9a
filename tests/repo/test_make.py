"""`make` and `.ci/run`: the two commands of a newcomer, and what CI makes of them."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from proxy import cli
from tests.servers import binaries

from .tree import ROOT, text

SERVE = ".venv/bin/millpond serve --upstream http://a:9090 --log-format console"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As after `git clone`."""
    for name in ("Makefile", "requirements.lock", "requirements-test.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def steps(checkout: Path, *arguments: str) -> list[str]:
    """What make would do."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--dry-run", "--no-print-directory", *arguments]
    result = subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


def prepared(checkout: Path, *marks: str) -> None:
    (checkout / ".venv").mkdir()
    for seconds, mark in enumerate(marks, start=1):
        path = checkout / ".venv" / mark
        path.touch()
        newest = max((checkout / name).stat().st_mtime for name in ("requirements.lock", "requirements-test.lock"))
        os.utime(path, (newest + seconds, newest + seconds))


def test_the_first_run_installs_what_is_locked_and_serves(checkout: Path) -> None:
    *setup, serve = steps(checkout, "run", "UPSTREAM=http://a:9090")
    assert serve == SERVE
    [install] = [step for step in setup if "pip" in step]
    assert install.startswith(".venv/bin/python -m pip install")
    assert install.endswith("--require-hashes -r requirements.lock")
    assert not any("requirements-test" in step or "sudo" in step or "docker" in step for step in setup)


def test_the_second_run_goes_straight_to_serving(checkout: Path) -> None:
    prepared(checkout, ".python", ".run")
    assert steps(checkout, "run", "UPSTREAM=http://a:9090") == [SERVE]


def test_a_changed_lock_is_installed(checkout: Path) -> None:
    prepared(checkout, ".python", ".run")
    later = (checkout / ".venv/.run").stat().st_mtime + 10
    os.utime(checkout / "requirements.lock", (later, later))
    assert any("--require-hashes -r requirements.lock" in step for step in steps(checkout, "run"))


def test_without_an_upstream_it_is_prometheus_own_port(checkout: Path) -> None:
    prepared(checkout, ".python", ".run")
    assert "--upstream http://localhost:9090 " in steps(checkout, "run")[0]


def test_what_make_runs_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main([*shlex.split(SERVE)[1:], "--help"])
    assert exit_.value.code == 0
    assert "--log-format" in capsys.readouterr().out


def test_make_test_runs_the_whole_suite_with_the_locked_tools(checkout: Path) -> None:
    *setup, test = steps(checkout, "test")
    assert test == ".venv/bin/python -m pytest"
    assert [step.split()[-1] for step in setup if "pip" in step] == ["requirements.lock", "requirements-test.lock"]


@pytest.mark.parametrize("name", [".ci/run"])
def test_scripts_are_scripts(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
    assert text(name).startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text(name)
    subprocess.run(["bash", "-n", ROOT / name], check=True)


def test_ci_installs_every_server_and_lets_none_be_missing() -> None:
    lines = text(".ci/run").replace("\\\n", " ").splitlines()
    [update] = [number for number, line in enumerate(lines) if line.startswith("apt-get update")]
    [install] = [number for number, line in enumerate(lines) if line.startswith("apt-get install")]
    assert update < install
    assert set(binaries.PACKAGES.values()) <= set(lines[install].split())
    assert lines.index("export REQUIRE_SERVERS=1") < lines.index("make test")


# The summary of `make test`.


def test_the_summary_names_each_missing_server_its_package_and_its_tests_fate() -> None:
    def which(name: str) -> str | None:
        return None if name in ("promtool", "influxd") else f"/usr/bin/{name}"

    assert binaries.absent(which, required=False) == [
        "promtool is not on PATH (Debian package prometheus): its tests were skipped",
        "influxd is not on PATH (Debian package influxdb): its tests were skipped",
    ]
    assert binaries.absent(which, required=True)[0].endswith(": its tests failed")
    assert binaries.absent(lambda name: name) == []


@pytest.mark.parametrize(("required", "fate", "status"), [("", "skipped", 0), ("1", "failed", 1)])
def test_a_missing_server_skips_its_tests_or_fails_them(tmp_path: Path, required: str, fate: str, status: int) -> None:
    """In a run of its own, where PATH holds nothing."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environ |= {"PATH": str(tmp_path), "REQUIRE_SERVERS": required}
    arguments = ["-p", "no:cacheprovider", "-q", "tests/repo/test_monitoring.py", "-k", "promtool"]
    command = [sys.executable, "-m", "pytest", *arguments]
    result = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == status, result.stdout
    assert "promtool is not on PATH (Debian package prometheus)" in result.stdout
    assert (
        f"redis-server is not on PATH (Debian package redis-server): its tests {'' if required else 'were '}{fate}"
        in (result.stdout)
    )
    assert f"4 {fate}" in result.stdout
