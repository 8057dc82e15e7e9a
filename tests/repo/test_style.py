"""The rules of the house that a tool can hold, held by the suite."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from blockbuster import BlockingError

from proxy.config import document
from proxy.web.access import ensure_admin_token

from .tree import PACKAGE, ROOT, imports, modules, relative

BIN = Path(sys.executable).parent
MAX_LINES = 400


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["lint-imports"], ["mypy"]],
    ids=" ".join,
)
@pytest.mark.timeout(600)  # mypy's first time, on a slow machine
def test_tools_find_nothing(command: list[str]) -> None:
    result = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        pytest.fail(f"{' '.join(command)}\n{result.stdout}{result.stderr}", pytrace=False)


def test_the_tools_are_those_of_make_lint() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.partition("\nlint:")[2].partition("\n\n")[0].splitlines()[1:]
    assert [line.replace("$(BIN)/", "").strip() for line in recipe] == [
        "ruff check .",
        "ruff format --check .",
        "mypy",
        "lint-imports",
    ]


def test_no_module_is_long() -> None:
    long = {
        relative(path): count for path in modules("proxy") if (count := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
    assert [relative(path) for path in modules("proxy", "tests", "benchmarks") if path.stem in drawers] == []


def test_every_module_says_what_it_is() -> None:
    silent = [relative(path) for path in modules("proxy") if path.read_text() and not docstring(path)]
    assert silent == []


def docstring(path: Path) -> str | None:
    return ast.get_docstring(ast.parse(path.read_text()))


def test_every_exception_to_a_tool_has_its_reason() -> None:
    bare = re.compile(r"# (?:type: ignore|noqa)(?:\[[^\]]*\]|: [A-Z0-9, ]+)?\s*$")
    assert [
        f"{relative(path)}:{number}"
        for path in modules("proxy", "tests", "benchmarks")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if bare.search(line)
    ] == []


def importers(name: str) -> set[str]:
    return {
        relative(path)
        for path in modules("proxy")
        if any(imported == name or imported.startswith(f"{name}.") for imported in imports(path))
    }


def test_prometheus_client_is_known_in_one_place() -> None:
    assert importers("prometheus_client") == {"proxy/telemetry/metrics.py"}


def test_redis_is_known_by_the_stores_alone() -> None:
    allowed = ("proxy/cache/", "proxy/settings/", "proxy/redis_")
    assert [path for path in importers("redis") if not path.startswith(allowed)] == []
    assert len(importers("redis")) <= 2


def test_yaml_is_read_in_one_place_and_written_in_another() -> None:
    assert importers("yaml") == {"proxy/config/document.py", "proxy/config/dump.py"}


def test_inside_the_package_imports_are_relative() -> None:
    assert importers("proxy") == set()


FORBIDDEN_MODULES = ("pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle")
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__", "execfile"}
UNSAFE_YAML = {
    "load_all",
    "full_load",
    "full_load_all",
    "unsafe_load",
    "unsafe_load_all",
    "Loader",
    "FullLoader",
    "UnsafeLoader",
}


def test_nothing_that_turns_bytes_into_code() -> None:
    """S-56: a shared Redis, a settings file and a configuration are data."""
    for name in FORBIDDEN_MODULES:
        assert importers(name) == set(), name
    for path in modules("proxy"):
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{relative(path)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in FORBIDDEN_NAMES, where
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "yaml":
                assert node.attr not in UNSAFE_YAML, where


def test_yaml_is_loaded_by_a_safe_loader() -> None:
    loads = [
        (relative(path), ast.unparse(node))
        for path in modules("proxy")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("yaml.load", "yaml.safe_load")
    ]
    assert loads == [("proxy/config/document.py", "yaml.load(text, Loader=_Loader)")]
    assert issubclass(document._Loader, yaml.SafeLoader)


def test_the_package_itself_is_what_is_looked_at() -> None:
    assert len(modules("proxy")) > 60
    assert PACKAGE / "cli.py" in modules("proxy")


async def test_what_would_hold_up_the_event_loop_raises(tmp_path: Path) -> None:
    """Else the fixture that watches for it in every test would be asleep."""
    with pytest.raises(BlockingError):
        ensure_admin_token(tmp_path)
