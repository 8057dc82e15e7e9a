"""The files in config/ say what the code says, and load."""

import re
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
import yaml

from proxy import cli
from proxy.config.dump import plain
from proxy.config.load import Flags, load
from proxy.config.schema import BasicAuth, Config, Delta, Secret, Section, Source, SourceCache, Token

from .tree import ROOT, relative, text

DEFAULT = ROOT / "config" / "default.yaml"
EXAMPLES = sorted((ROOT / "config" / "examples").glob("*.yaml"))


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    for name in (
        "prometheus-password",
        "loki-password",
        "mimir-authorization",
        "grafana-token",
        "ca.pem",
        "client.pem",
        "client-key.pem",
    ):
        (tmp_path / name).write_text("Bearer of a secret\n")
    (tmp_path / "redis-url").write_text("rediss://millpond:p%40ss@redis:6379/0\n")
    return tmp_path


@pytest.fixture
def environ(secrets: Path) -> dict[str, str]:
    """What the examples' comments ask for."""
    digest = "0123456789abcdef" * 4
    return {"SECRETS": str(secrets), "TERRAFORM_TOKEN_SHA256": digest, "METRICS_TEAM_TOKEN_SHA256": digest}


def test_the_default_file_has_every_key_with_its_default() -> None:
    assert yaml.safe_load(DEFAULT.read_text()) == plain(Config())


def test_the_default_file_is_the_default_configuration() -> None:
    assert load(Flags(config=str(DEFAULT)), {}).config == load(Flags(), {}).config


def test_what_is_in_lists_is_shown_whole_in_comments() -> None:
    """Uncommented, the source and the token of the default file have every key, and the default where there is one."""
    uncommented = re.sub(r"^#(?=  )", "", DEFAULT.read_text(), flags=re.MULTILINE)
    shown = yaml.safe_load(re.sub(r": \[\](.*\n  -)", r":\1", uncommented))
    [source], [token] = shown["datasources"], shown["auth"]["tokens"]
    defaults = plain(Source(uid="a-uid", url="http://prometheus:9090"))
    defaults |= {
        "id": 1,  # has no default
        "cache": plain(SourceCache()) | {"ttl_queries": "5m", "ttl_resources": "5m"},  # caching.ttl
        "basic_auth": plain(BasicAuth(username="grafana")),
        "delta": plain(Delta()) | {"enabled": True},  # by the type
    }
    assert source == defaults
    assert token.keys() == {field.encode_name for field in msgspec.structs.fields(Token)}


def test_every_key_of_the_default_file_has_a_comment() -> None:
    """A section's is optional."""
    lines = [
        line.lstrip("#") for line in DEFAULT.read_text().splitlines() if re.match(r"^#? +(- )?[a-z_.:]+: *\S", line)
    ]
    assert len(lines) > 50
    assert [line for line in lines if " # " not in line] == []


@pytest.mark.parametrize("path", [DEFAULT, *EXAMPLES], ids=relative)
def test_check_config_accepts(
    path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    status = cli.main(["check-config", str(path)])
    output, errors = capsys.readouterr()
    assert (status, errors) == (0, "")
    assert output.splitlines()[-1] == f"{path}: ok"
    warnings = output.splitlines()[:-1]
    assert (path == DEFAULT and "--upstream" in warnings[0]) or not warnings


def test_there_are_examples_of_every_position(environ: dict[str, str]) -> None:
    sidecar = load(Flags(config=str(ROOT / "config/examples/sidecar.yaml")), environ).config
    assert [source.owns_root for source in sidecar.datasources] == [True]
    central = load(Flags(config=str(ROOT / "config/examples/central.yaml")), environ).config
    assert central.caching.backend == "redis"
    assert central.caching.redis.url.startswith("rediss://")
    assert len(central.datasources) > 2
    assert len({source.type for source in central.datasources}) > 2
    assert central.auth.tokens
    assert any(source.tls.cert_file for source in central.datasources)
    front = load(Flags(config=str(ROOT / "config/examples/grafana.yaml")), environ).config
    assert (front.grafana.url, front.grafana.token) == ("http://grafana:3000", "Bearer of a secret")
    assert {str(value) for source in central.datasources for value in source.headers.values()} >= {"Bearer of a secret"}


@pytest.mark.parametrize("path", EXAMPLES, ids=relative)
def test_an_example_has_its_secrets_in_files(path: Path) -> None:
    """A password that stands in an example ends up in somebody's repository."""
    in_clear = [key for key in secret_keys(Config) if re.search(rf"^\s*(- )?{key}:", path.read_text(), re.MULTILINE)]
    assert set(in_clear) <= {"url"}
    assert "@" not in re.sub(r"#.*", "", path.read_text())


def secret_keys(kind: type[Section]) -> list[str]:
    """Keys of secrets anywhere in the schema."""
    keys: list[str] = []
    for field in msgspec.structs.fields(kind):
        hint: Any = get_type_hints(kind)[field.name]
        if hint is Secret:
            keys.append(field.encode_name)
        for inner in (hint, *getattr(hint, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, Section):
                keys += secret_keys(inner)
    return keys


def test_the_variables_that_the_examples_ask_for_are_said_in_them(environ: dict[str, str]) -> None:
    asked = {name for path in EXAMPLES for name in re.findall(r"\$\{(\w+)\}", text(relative(path)))}
    assert asked <= environ.keys()
