"""The command line, as its users type it."""

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from proxy import __version__
from proxy.cli import main
from proxy.config.dump import plain
from proxy.config.environment import FLAGS, variables
from proxy.config.schema import Config
from proxy.web.openapi import document
from tests.servers.millpond import StartMillpond
from tests.servers.process import free_port

COMMANDS = ("serve", "check-config", "print-config", "healthcheck", "token", "openapi")
PROGRAMS = ((str(Path(sys.executable).with_name("millpond")),), (sys.executable, "-m", "proxy"))


@dataclass(frozen=True, slots=True)
class Result:
    status: int
    output: str
    errors: str


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """In this process, at home in a directory of the test's own."""
    for name in [name for name in os.environ if name.startswith(("MILLPOND_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str, **environ: str) -> Result:
        with monkeypatch.context() as patched:
            for name, value in environ.items():
                patched.setenv(name, value)
            try:
                status = main(arguments)
            except SystemExit as exit_:  # argparse's way out
                status = int(exit_.code or 0)
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return call


def write(directory: Path, text: str) -> str:
    path = directory / "millpond.yaml"
    path.write_text(text)
    return str(path)


def start(program: Sequence[str], *arguments: str, environ: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program, *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, **environ}, check=False
    )


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["serve", "--help"], ["print-config"], ["nonsense"]])
def test_the_module_and_the_command_are_the_same(arguments: list[str]) -> None:
    command, module = (start(program, *arguments) for program in PROGRAMS)
    assert (command.returncode, command.stdout, command.stderr) == (module.returncode, module.stdout, module.stderr)


def test_version(run: Run) -> None:
    assert run("--version") == Result(0, f"millpond {__version__}\n", "")


def test_help_names_the_commands_and_every_flags_variable_and_default(run: Run) -> None:
    text = run("--help").output
    assert re.findall(r"^    ([a-z-]+) ", text, re.MULTILINE) == list(COMMANDS)
    named = dict(re.findall(r"^  --[a-z-]+ \S+\s+.*\[(\w+); ([^\]]+)\]$", text, re.MULTILINE))
    assert named.keys() == set(re.findall(r"MILLPOND_[A-Z_]+", text))
    assert len(named) == len(re.findall(r"^  --[a-z-]+ [A-Zl]", text, re.MULTILINE))
    unnamed = {name: named.pop(name) for name in FLAGS.values()}
    assert unnamed == {
        "MILLPOND_CONFIG": "none",
        "MILLPOND_UPSTREAM": "none",
        "MILLPOND_TYPE": "prometheus",
        "MILLPOND_UID": "default",
    }
    assert named.pop("MILLPOND_SERVER_DATA_DIR") == "$XDG_STATE_HOME/millpond"
    for name, default in named.items():
        section, *keys = variables()[name].split(".")
        value = plain(Config())[section]
        for key in keys:
            value = value[key]
        assert default == (value or "none"), name


@pytest.mark.parametrize("command", ["serve", "print-config", "healthcheck", "token"])
def test_a_command_that_loads_the_configuration_has_all_flags(run: Run, command: str) -> None:
    """Beside `-h, --help` and, at the top, `--version`."""
    flags = set(re.findall(r"^  (--[a-z-]+)", run("--help").output, re.MULTILINE)) - {"--version"}
    assert set(re.findall(r"^  (--[a-z-]+)", run(command, "--help").output, re.MULTILINE)) == flags


@pytest.mark.parametrize(
    "arguments",
    [["--ttl", "7m", "print-config"], ["print-config", "--ttl", "7m"], ["--ttl", "1m", "print-config", "--ttl=7m"]],
)
def test_a_flag_may_stand_before_the_command_or_after_it(run: Run, arguments: list[str]) -> None:
    result = run(*arguments, MILLPOND_CACHING_MAX_TTL="8m")
    caching = yaml.safe_load(result.output)["caching"]
    assert (caching["ttl"], caching["max_ttl"]) == ("7m", "8m")


@pytest.mark.parametrize(
    ("flag", "path", "text"),
    [
        ("--listen", "server.listen", "0.0.0.0:80"),
        ("--admin-listen", "server.admin_listen", "127.0.0.1:81"),
        ("--redis", "caching.redis.url", "redis://redis:6379"),
        ("--data-dir", "server.data_dir", "/data"),
        ("--ttl", "caching.ttl", "1m"),
        ("--log-format", "telemetry.log_format", "json"),
        ("--log-level", "telemetry.log_level", "debug"),
    ],
)
def test_each_flag_sets_its_key(run: Run, flag: str, path: str, text: str) -> None:
    value = yaml.safe_load(run("print-config", flag, text).output)
    for key in path.split("."):
        value = value[key]
    assert value == text


def test_the_redis_flag_also_chooses_the_backend(run: Run) -> None:
    shown = yaml.safe_load(run("print-config", "--redis", "redis://r", MILLPOND_CACHING_BACKEND="memory").output)
    assert shown["caching"]["backend"] == "redis"


@pytest.mark.parametrize("arguments", [["--lis", "a:1"], ["nonsense"], ["check-config"], ["openapi", "x"], ["--ttl"]])
def test_wrong_usage_is_status_2(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.status, result.output) == (2, "")
    assert result.errors.startswith("usage: millpond")


def test_check_config_of_a_good_file(run: Run, tmp_path: Path) -> None:
    name = write(tmp_path, "datasources: [{uid: a, url: 'http://${HOST:-a}', type: mystery}]")
    result = run("check-config", name)
    assert (result.status, result.errors) == (0, "")
    assert result.output.splitlines()[-1] == f"{name}: ok"
    assert "warning: datasources[0].type: 'mystery' is not known" in result.output


def test_check_config_of_a_bad_file_tells_every_error_with_its_path(run: Run, tmp_path: Path) -> None:
    name = write(tmp_path, "caching: {ttl: 5}\ndatasources: [{uid: a b, url: '${HOST}'}]\nnothing: {}\n")
    result = run("check-config", name)
    assert (result.status, result.output) == (1, "")
    first, *problems = result.errors.splitlines()
    assert first == f"millpond: {name} cannot be used (4 problems):"
    assert {line.strip().partition(": ")[0] for line in problems} == {
        "caching.ttl",
        "datasources[0].uid",
        "datasources[0].url",
        "nothing",
    }


@pytest.mark.parametrize(
    "command", [["check-config"], ["print-config", "--config"], ["serve", "--config"], ["--config"]]
)
@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "No such file or directory"),
        ("a:\n\tb: 1\n", "line 2, column 1: is not valid YAML"),
        ("- a\n", "must be a mapping of sections"),
        ("caching: {ttl: 1m, ttl: 2m}", "line 1, column 20: is not valid YAML: the key 'ttl' stands twice"),
    ],
)
def test_a_file_that_is_none_is_told_in_a_line(
    run: Run, tmp_path: Path, command: list[str], text: str | None, named: str
) -> None:
    name = str(tmp_path / "none.yaml") if text is None else write(tmp_path, text)
    result = run(*command, name)
    assert result.status == 1
    assert named in result.errors.splitlines()[1]
    assert len(result.errors.splitlines()) == 2


def test_a_directory_is_no_file(run: Run, tmp_path: Path) -> None:
    assert "Is a directory" in run("check-config", str(tmp_path)).errors


def test_print_config_prints_what_it_reads_and_no_secret(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("CANARY\n")
    name = write(
        tmp_path,
        f"""
        caching: {{backend: redis, redis: {{url: "redis://user:CANARY@redis:6379/1"}}}}
        datasources:
          - {{uid: a, url: http://a, headers: {{X-Token: CANARY, Key_file: {secret}}}}}
          - {{uid: b, url: http://b, basic_auth: {{username: grafana, password_file: {secret}}}}}
        """,
    )
    first = run("print-config", "--config", name)
    assert (first.status, first.errors) == (0, "")
    assert "CANARY" not in first.output
    assert "redis:6379/1" in first.output
    second = run("print-config", "--config", write(tmp_path, first.output))
    assert second == first


def test_token_prints_what_the_first_start_made(run: Run, start_millpond: StartMillpond) -> None:
    with_token = start_millpond("--upstream", "http://127.0.0.1:9")
    result = run("token", "--data-dir", str(with_token.data_dir))
    assert (result.status, result.output, result.errors) == (0, f"{with_token.token}\n", "")
    assert hashlib.sha256(with_token.token.encode()).hexdigest() not in with_token.log
    assert with_token.token not in with_token.log


def test_token_says_where_there_is_none(run: Run, tmp_path: Path) -> None:
    result = run("token", "--data-dir", str(tmp_path / "fresh"))
    assert (result.status, result.output) == (1, "")
    assert f"no admin token in {tmp_path / 'fresh'}" in result.errors


def test_a_token_that_cannot_be_read_is_no_crash(run: Run, tmp_path: Path) -> None:
    (tmp_path / "admin-token").mkdir()
    result = run("token", "--data-dir", str(tmp_path))
    assert (result.status, result.output) == (1, "")
    assert "cannot be read: Is a directory" in result.errors


def test_healthcheck_is_0_when_ready_and_1_when_nobody_answers(run: Run, start_millpond: StartMillpond) -> None:
    server = start_millpond("--upstream", "http://127.0.0.1:9")
    for environ in (
        {"MILLPOND_SERVER_ADMIN_LISTEN": f"127.0.0.1:{server.admin_port}"},
        {"MILLPOND_SERVER_ADMIN_LISTEN": f"0.0.0.0:{server.admin_port}"},  # where a container's listens
        {"MILLPOND_SERVER_ADMIN_LISTEN": f":{server.admin_port}"},
    ):
        result = run("healthcheck", **environ)
        assert (result.status, result.errors) == (0, "")
        assert json.loads(result.output)["status"] == "ready"
    server.kill()
    result = run("healthcheck", "--admin-listen", f"127.0.0.1:{server.admin_port}")
    assert (result.status, result.output) == (1, "")
    assert f"nothing ready at 127.0.0.1:{server.admin_port}" in result.errors


def test_openapi_prints_the_document_that_is_served(run: Run) -> None:
    result = run("openapi")
    assert (result.status, result.errors) == (0, "")
    assert json.loads(result.output) == document()


@pytest.mark.parametrize("command", ["openapi", "print-config"])
def test_a_reader_that_leaves_is_no_crash(command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run([*PROGRAMS[1], command], stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert (result.returncode, result.stderr) == (1, b"")


def test_serve_with_what_cannot_be_used_starts_nothing(run: Run, tmp_path: Path) -> None:
    result = run("--upstream", "localhost:9090")
    assert result.status == 1
    assert "datasources[0].url (--upstream): must begin with http:// or https://; write http://localhost:9090" in (
        result.errors
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("log_format", ["logfmt", "json"])
def test_serve_warns_in_the_form_of_the_log(start_millpond: StartMillpond, log_format: str) -> None:
    log = start_millpond("--log-format", log_format).log.splitlines()
    [warning] = [line for line in log if "there is none; give --upstream URL" in line]
    assert json.loads(warning)["level"] == "warning" if log_format == "json" else "level=warning" in warning


def test_a_taken_port_is_told_in_a_line(start_millpond: StartMillpond, tmp_path: Path) -> None:
    server = start_millpond("--upstream", "http://127.0.0.1:9")
    for key, taken in (("listen", server.port), ("admin_listen", server.admin_port)):
        addresses = {"listen": free_port(), "admin_listen": free_port()} | {key: taken}
        arguments = (f"--{name.replace('_', '-')}=127.0.0.1:{port}" for name, port in addresses.items())
        result = start(PROGRAMS[1], *arguments, "--data-dir", str(tmp_path))
        assert result.returncode == 1
        assert f"cannot listen on 127.0.0.1:{taken}: Address already in use; free it, or set server.{key}" in (
            result.stderr
        )
        assert "Traceback" not in result.stderr


def test_the_start_tells_addresses_and_urls_as_they_are_written(start_millpond: StartMillpond) -> None:
    port = free_port()
    try:
        socket.create_server(("::1", port), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    millpond = start_millpond("--upstream", "http://127.0.0.1:9/a", "--listen", f"[::1]:{port}")
    assert f"listener=data address=[::1]:{port} " in millpond.log
    assert "datasource=default type=prometheus url=http://127.0.0.1:9/a path=/ caching=on" in millpond.log


def test_a_data_directory_that_cannot_be_used_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "admin-token").mkdir()
    for directory, said in (
        (
            tmp_path,
            f"{tmp_path} (Is a directory); make it and what is in it readable and writable for user {os.geteuid()}",
        ),
        (Path("/dev/null"), "/dev/null (File exists); set server.data_dir to one that can be written"),
    ):
        listeners = (f"--listen=127.0.0.1:{free_port()}", f"--admin-listen=127.0.0.1:{free_port()}")
        result = start(PROGRAMS[1], *listeners, "--data-dir", str(directory))
        assert result.returncode == 1
        assert said in result.stderr
        assert "Traceback" not in result.stderr


def test_help_and_check_config_load_no_server(tmp_path: Path) -> None:
    name = write(tmp_path, "caching: {ttl: 1m}")
    for arguments in (["--help"], ["check-config", name], ["print-config"]):
        program = f"import sys; from proxy.cli import main\ntry: main({arguments!r})\nfinally: print(*sys.modules)"
        loaded = start((sys.executable, "-c", program)).stdout.splitlines()[-1].split()
        assert "proxy.cli" in loaded
        assert {"aiohttp", "redis", "prometheus_client", "asyncio"}.intersection(loaded) == set()
