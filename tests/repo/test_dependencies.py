"""What is installed: locked, hashed, from nowhere in particular, and as new as it has to be."""

import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from .tree import ROOT, imports, modules, table_rows, text

PROJECT = tomllib.loads(text("pyproject.toml"))
LOCKS = ("requirements.lock", "requirements-test.lock")
FLOORS = {"redis": "8.1", "aiohttp": "3.14.4", "orjson": "3.11.6"}
"""Decision 7: below these an answer can reach the wrong caller, or a request be smuggled."""
TEST = [Requirement(line) for line in PROJECT["project"]["optional-dependencies"]["test"]]
RUN = [Requirement(line) for line in PROJECT["project"]["dependencies"]]


def locked(name: str) -> dict[str, Version]:
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[\w,]+\])?==(\S+)", text(name), re.MULTILINE)
    return {normal(package): Version(version) for package, version in pins}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def floor(requirement: Requirement) -> str:
    [version] = [specifier.version for specifier in requirement.specifier if specifier.operator == ">="]
    return version


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_requirement_has_hashes(name: str) -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", text(name).replace("\\\n", " ").strip())
    assert len(entries) > 10
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,]+\])?==[\w.+!]+ ", entry), entry[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:80]
        assert not re.search(r"--(?!hash=)", entry), entry[:80]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_holds_no_address(name: str) -> None:
    assert not re.search(r"://|^\s*-|@|index", re.sub(r"--hash=\S+", "", text(name)), re.MULTILINE)


def test_there_is_no_other_lock() -> None:
    """uv's own has the address of the registry that it was made with."""
    assert [name for name in ("uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock") if (ROOT / name).exists()] == []


def test_what_is_asked_for_is_what_is_locked() -> None:
    run, test = (locked(name) for name in LOCKS)
    for requirements, lock in ((RUN, run), ([*RUN, *TEST], test)):
        for requirement in requirements:
            assert requirement.specifier.contains(lock[normal(requirement.name)]), requirement
    assert {name: test[name] for name in run} == run  # the suite runs with what users run


def test_the_floors() -> None:
    asked = {requirement.name: floor(requirement) for requirement in RUN}
    run = locked("requirements.lock")
    for name, version in FLOORS.items():
        assert Version(asked[name]) >= Version(version)
        assert run[name] >= Version(version)


def test_the_documented_libraries_are_those_of_the_project() -> None:
    """ADR 1: each library with its reason, and its floor where one is named."""
    rows = table_rows(text("docs/adr/0001-libraries.md"), "1. Libraries")
    documented: dict[str, str | None] = {}
    for row in rows:
        for name in re.split(r",| with ", re.sub(r"\(standard library\)", "", row[0])):
            library, _, version = name.partition("≥")
            documented[normal(library.strip())] = version.strip() or None
    documented.pop("sqlite3")  # of the standard library
    asked = {normal(requirement.name): floor(requirement) for requirement in RUN}
    assert documented.keys() == asked.keys()
    assert {name: version for name, version in documented.items() if version} == FLOORS
    assert all(asked[name] == version for name, version in FLOORS.items())


def test_what_the_program_imports_is_asked_for() -> None:
    """Not had by chance, through another's dependencies."""
    names = {name.partition(".")[0] for path in modules("proxy") for name in imports(path)}
    third_party = names - set(sys.stdlib_module_names) - {"compression"}  # from 3.14 on; before it, backports.zstd
    modules_of = {"pyyaml": "yaml", "prometheus-client": "prometheus_client", "backports-zstd": "backports"}
    asked = {modules_of.get(normal(requirement.name), requirement.name) for requirement in RUN}
    assert third_party <= asked
    assert asked - third_party == {"hiredis"}  # redis-py's, which finds it by itself


def test_the_packages_that_are_installed_are_those_on_disk() -> None:
    homes = {path.parent for path in modules("proxy") if path.name == "__init__.py"}
    packages = sorted(".".join(home.relative_to(ROOT).parts) for home in homes)
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == packages
    assert {path.parent for path in modules("proxy")} == homes


def test_the_command_is_the_module() -> None:
    assert PROJECT["project"]["scripts"] == {"millpond": "proxy.cli:main"}
    assert PROJECT["project"]["requires-python"] == ">=3.11"


@pytest.mark.parametrize("name", LOCKS)
def test_pip_reads_the_lock(name: str) -> None:
    """Installs nothing: it is all here."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-index",
        "--no-deps",
        "--require-hashes",
        "--dry-run",
        "--quiet",
    ]
    result = subprocess.run(
        [*command, "--disable-pip-version-check", "-r", str(ROOT / name)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
