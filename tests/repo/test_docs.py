"""The documentation is true as far as it can be compared with the code."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
import yaml

from proxy.cli import main
from proxy.config.dump import plain
from proxy.config.environment import FLAGS, is_of_a_service, variable, variables
from proxy.config.load import STATE_DIR, UPSTREAM_UID, Flags, load
from proxy.config.schema import BasicAuth, Config, Grafana, Secret, Section, Source, Token
from proxy.core.model import Reason

from .tree import ROOT, code_blocks, relative, table_rows, text

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_file_that_is_named_exists(page: Path) -> None:
    """Paths in code, like `proxy/engine/pipeline.py`."""
    named = re.findall(
        r"`((?:config|deploy|docs|proxy|tests|benchmarks|\.ci)/[\w./-]*(?:\.\w+|/|run))`", page.read_text()
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


# Commands.


def commands() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        for block in code_blocks(page.read_text()):
            for line in block.replace("\\\n", " ").splitlines():
                line = re.sub(r"\s+# .*", "", line.strip())
                for inner in re.findall(r"\$\((.*?)\)", line):
                    yield relative(page), shlex.split(inner)
                words = shlex.split(re.sub(r"\$\(.*?\)", "X", line)) if re.match(r"[\w./$-]+( |$)", line) else []
                yield relative(page), words


MAKE = sorted({(page, words[1]) for page, words in commands() if words[:1] == ["make"]})
MILLPOND = sorted(
    {(page, shlex.join(words[1:])) for page, words in commands() if words and Path(words[0]).name == "millpond"}
)


def test_there_are_commands_to_look_at() -> None:
    assert ("README.md", "run") in MAKE
    assert ("README.md", "check-config FILE") in MILLPOND


@pytest.mark.parametrize(("page", "target"), MAKE)
def test_a_make_target_exists(page: str, target: str) -> None:
    [phony] = re.findall(r"^\.PHONY: (.*)$", text("Makefile"), re.MULTILINE)
    assert target in phony.split()
    assert re.search(rf"^{target}:", text("Makefile"), re.MULTILINE)


@pytest.mark.parametrize(("page", "arguments"), MILLPOND)
def test_a_command_of_millpond_is_understood(
    page: str, arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With all its flags: `--help` is read after them."""
    with pytest.raises(SystemExit) as exit_:
        main([*shlex.split(arguments), "--help"])
    assert exit_.value.code == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    "block", [block for page in PAGES for block in code_blocks(page.read_text()) if re.match(r"\w+:\n", block)]
)
def test_a_configuration_in_the_documentation_can_be_used(block: str, tmp_path: Path) -> None:
    assert isinstance(yaml.safe_load(block), dict)
    (tmp_path / "millpond.yaml").write_text(re.sub(r'sha256: ".*"', f'sha256: "{"0" * 64}"', block))
    load(Flags(config=str(tmp_path / "millpond.yaml")), {})


# docs/configuration.md against the schema.


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list | dict):
        return f"`{value}`"
    return f"`{value}`" if value != "" else '`""`'


def keys(kind: type[Section], path: str = "") -> dict[str, str]:
    """Every key below a section, and its default as the documentation writes it."""
    hints = get_type_hints(kind)
    found: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        key = f"{path}{field.encode_name}"
        hint: Any = hints[field.name]
        inner = next((one for one in (hint, *getattr(hint, "__args__", ())) if isinstance(one, type)), None)
        if inner is not None and issubclass(inner, Section) and not str(hint).startswith("tuple"):
            found |= keys(inner, f"{key}.")
        elif field.required:
            found[key] = "required"
        else:
            default = plain(EMPTY.get(kind) or kind())
            found[key] = shown(default[field.encode_name]) if field.encode_name in default else "none"
    return found


EMPTY: dict[type[Section], Section] = {Source: Source(uid="", url=""), BasicAuth: BasicAuth(username="")}
TABLES: dict[str, type[Section]] = {
    **{field.encode_name: get_type_hints(Config)[field.name] for field in msgspec.structs.fields(Config)},
    "auth": Token,
    "datasources": Source,
}


@pytest.mark.parametrize("section", TABLES)
def test_the_documented_keys_and_defaults_are_the_schemas(section: str) -> None:
    rows = table_rows(text("docs/configuration.md"), section)
    documented = [(row[0].strip("`"), row[1]) for row in rows]
    assert dict(documented) == keys(TABLES[section])
    assert [key for key, _ in documented] == list(keys(TABLES[section]))  # in the schema's order
    assert all(row[-1] for row in rows)


def test_the_documented_flags_are_those_of_the_command_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main(["--help"])
    helped = re.findall(r"^  (--[a-z-]+) \S+\s+.*\[(\w+); ([^\]]+)\]$", capsys.readouterr().out, re.MULTILINE)
    rows = table_rows(text("docs/configuration.md"), "Flags")
    assert [(row[0].strip("`").split()[0], row[2].strip("`"), row[3].strip("`")) for row in rows] == helped
    for row in rows:
        flag, path = row[0].strip("`").split()[0], row[1].strip("`")
        assert row[2].strip("`") == (variable(path) if path else FLAGS[flag.removeprefix("--")])


def test_the_secrets_are_documented() -> None:
    [sentence] = re.findall(r"Secrets are (.*?)\(", text("docs/configuration.md").replace("\n", " "))
    named = {name.strip("`") for name in re.findall(r"`([\w.]+)`", sentence)}
    secrets = {f"caching.redis.{key}" for key in secret_keys(type(Config().caching.redis))}
    secrets |= {f"grafana.{key}" for key in secret_keys(Grafana)}
    secrets |= {f"basic_auth.{key}" for key in secret_keys(BasicAuth)} | set(secret_keys(Source))
    assert named == secrets


def secret_keys(kind: type[Section]) -> list[str]:
    return [
        field.encode_name
        for field in msgspec.structs.fields(kind)
        if get_type_hints(kind)[field.name] in (Secret, dict[str, Secret])
    ]


def test_where_state_goes_is_documented() -> None:
    for page in ("docs/configuration.md", "config/default.yaml"):
        assert STATE_DIR in text(page)
    assert f"/ds/{UPSTREAM_UID}" in text("docs/configuration.md")


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "Dockerfile", ROOT / "docker-compose.yml", ROOT / "config/default.yaml"], ids=relative
)
def test_every_variable_that_is_named_is_known(page: Path) -> None:
    """Or named as what is ignored, or as a pattern."""
    known = variables().keys() | FLAGS.values()
    named = set(re.findall(r"MILLPOND_[A-Z_]*[A-Z](?![A-Z_…<])", page.read_text()))
    assert [name for name in named - known if not is_of_a_service(name, "tcp://")] == []


# The other pages.


def test_every_decision_is_in_the_list_and_in_no_other_order() -> None:
    files = sorted(path.name for path in (ROOT / "docs/adr").glob("[0-9]*.md"))
    listed = re.findall(r"^\| \[(\d+)\]\((\S+?)\) \| (.+) \|$", text("docs/adr/README.md"), re.MULTILINE)
    assert [name for _, name, _ in listed] == files
    for number, name, _ in listed:
        assert name.startswith(f"{int(number):04}-")
        assert text(f"docs/adr/{name}").startswith(f"# {number}. ")


def test_every_detail_is_explained() -> None:
    rows = table_rows(text("docs/caching.md"), "What a detail means")
    assert [row[0].strip("`") for row in rows] == list(Reason)


def test_the_words_of_the_glossary_are_the_codes() -> None:
    code = "\n".join(path.read_text() for path in sorted((ROOT / "proxy").rglob("*.py"))).lower()
    rows = table_rows(text("docs/glossary.md"), "Glossary")
    words = [word.strip(" *") for row in rows for word in row[0].split(",")]
    assert len(words) > 20
    assert [word for word in words if not re.search(rf"\b{re.escape(word.lower())}", code)] == []
    assert all(row[1] for row in rows)


def test_the_layers_in_the_readme_are_those_that_are_held() -> None:
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["name"] == "Layers"]
    assert " > ".join(layers).replace("proxy.", "") in text("README.md")
