"""The servers of Debian's packages, by their names on PATH. A missing one skips its tests, or in CI fails them."""

import os
import shutil
from collections.abc import Callable

import pytest

REQUIRED = os.environ.get("REQUIRE_SERVERS") == "1"

PACKAGES = {
    "redis-server": "redis-server",
    "redis-sentinel": "redis-sentinel",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "victoria-metrics": "victoria-metrics",
    "influxd": "influxdb",
    "clickhouse-server": "clickhouse-server",
    "nginx": "nginx-light",
    "chromium": "chromium",
}
"""Program and the Debian package that brings it."""


def find(name: str) -> str:
    """The program's path; skips the calling test, with the reason, where there is none."""
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"{name} is not on PATH (Debian package {PACKAGES[name]})"
    if REQUIRED:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def absent(which: Callable[[str], str | None] = shutil.which, *, required: bool = REQUIRED) -> list[str]:
    """A line for each program that is missing: which, where it comes from, and what became of its tests."""
    became = "failed" if required else "were skipped"
    return [
        f"{name} is not on PATH (Debian package {package}): its tests {became}"
        for name, package in PACKAGES.items()
        if which(name) is None
    ]
