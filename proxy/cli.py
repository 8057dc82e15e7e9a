"""The command line. What a command does not need is not imported: `--help` and `check-config` start no server."""

import argparse
import http.client
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import __version__
from .config import environment
from .config.dump import dump, plain
from .config.load import STATE_DIR, UPSTREAM_UID, Flags, Loaded, load
from .config.schema import Config, Source
from .errors import ConfigError

_SETTINGS = (
    ("--listen", "server.listen", "HOST:PORT", "where the data sources are served"),
    ("--admin-listen", "server.admin_listen", "HOST:PORT", "where the Caching API, health and metrics are served"),
    ("--grafana-url", "grafana.url", "URL", "stand in front of this Grafana, which owns the root path"),
    ("--redis", "caching.redis.url", "URL", "keep answers and settings in this Redis: caching.backend becomes redis"),
    ("--data-dir", "server.data_dir", "DIR", "settings and the admin token"),
    ("--ttl", "caching.ttl", "DURATION", "default TTL"),
    ("--log-format", "telemetry.log_format", "logfmt|json|console", "form of the log"),
    ("--log-level", "telemetry.log_level", "LEVEL", "debug, info, warning or error"),
)
"""Flag, path in the file, metavariable, help. The environment variable is the path's, the default the schema's."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed or a configuration that cannot be used, 2 usage."""
    parsed = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = parsed.command
    try:
        status = command(parsed)
        sys.stdout.flush()
    except ConfigError as error:
        return _print_problems(error, getattr(parsed, "file", None) or getattr(parsed, "config", None))
    except BrokenPipeError:  # who reads has seen enough: `millpond openapi | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes once more as it ends
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="millpond",
        description="A caching reverse proxy for Grafana's data sources. Without a command: serve.",
        epilog="In brackets: a flag's environment variable, and its default. Order: defaults, then the file, then the "
        "environment, then the flags. Every other key of the file that is not in a list is MILLPOND_<SECTION>_<KEY> in the "
        "environment.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"millpond {__version__}")
    parser.set_defaults(command=_serve)
    _add_flags(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_flags(_add(commands, "serve", _serve, "run the proxy (the default)"))
    check = _add(commands, "check-config", _check_config, "check a configuration file; every error with its path")
    check.add_argument("file", metavar="FILE")
    _add_flags(_add(commands, "print-config", _print_config, "print the effective configuration, secrets redacted"))
    _add_flags(_add(commands, "healthcheck", _healthcheck, "exit 0 when the admin listener says ready"))
    _add_flags(_add(commands, "token", _token, "print the admin token of the data directory"))
    _add(commands, "openapi", _openapi, "print the API document that is served")
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
    parser.set_defaults(command=command)
    return parser


def _add_flags(parser: argparse.ArgumentParser) -> None:
    """They may stand before the command or after it; none has a default here, so that neither place undoes the other."""

    def add(flag: str, metavar: str, dest: str, text: str) -> None:
        parser.add_argument(flag, metavar=metavar, dest=dest, help=text, default=argparse.SUPPRESS)

    for name, metavar, text, default in (
        ("config", "FILE", "configuration file", "none"),
        ("upstream", "URL", "one data source, which owns the root path too", "none"),
        ("type", "TYPE", "its type", Source(uid="", url="").type),
        ("uid", "UID", "its uid", UPSTREAM_UID),
    ):
        add(f"--{name}", metavar, name, f"{text} [{environment.FLAGS[name]}; {default}]")
    for flag, path, metavar, text in _SETTINGS:
        add(flag, metavar, path, f"{text} [{environment.variable(path)}; {_default(path)}]")


def _default(path: str) -> str:
    if path == "server.data_dir":
        return STATE_DIR
    value: Any = plain(Config())
    for key in path.split("."):
        value = value[key]
    return str(value) or "none"


def _load(parsed: argparse.Namespace) -> Loaded:
    given = vars(parsed)
    settings = {path: given[path] for _, path, _, _ in _SETTINGS if path in given}
    if "caching.redis.url" in settings:
        settings["caching.backend"] = "redis"
    unnamed = {name: given.get(name) for name in environment.FLAGS}
    return load(Flags(**unnamed, settings=settings), os.environ)


def _serve(parsed: argparse.Namespace) -> int:
    loaded = _load(parsed)
    from .app import serve
    from .telemetry import logs

    logs.configure(loaded.config.telemetry.log_format, loaded.config.telemetry.log_level, sys.stderr)

    def warned(loaded: Loaded) -> Config:
        for path, text in loaded.warnings:
            logging.getLogger(__name__).warning("%s: %s", path, text)
        return loaded.config

    return serve(warned(loaded), lambda: warned(_load(parsed)))


def _check_config(parsed: argparse.Namespace) -> int:
    loaded = load(Flags(config=parsed.file), os.environ)
    for path, text in loaded.warnings:
        print(f"{parsed.file}: warning: {path}: {text}")
    print(f"{parsed.file}: ok")
    return 0


def _print_config(parsed: argparse.Namespace) -> int:
    print(dump(_load(parsed).config), end="")
    return 0


def _healthcheck(parsed: argparse.Namespace) -> int:
    host, _, port = _load(parsed).config.server.admin_listen.rpartition(":")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    try:
        connection.request("GET", "/-/ready")
        response = connection.getresponse()
        print(response.read().decode(errors="replace").strip())
        return 0 if response.status == 200 else 1
    except (OSError, http.client.HTTPException) as error:
        print(f"millpond: nothing ready at {host}:{port}: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()


def _token(parsed: argparse.Namespace) -> int:
    from .web.access import read_admin_token

    data_dir = Path(_load(parsed).config.server.data_dir)
    try:
        token = read_admin_token(data_dir)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no token of ours"
        print(f"millpond: the admin token in {data_dir} cannot be read: {reason}", file=sys.stderr)
        return 1
    if token is None:
        print(
            f"millpond: no admin token in {data_dir}: it is made at the first start without tokens in the configuration",
            file=sys.stderr,
        )
        return 1
    print(token)
    return 0


def _openapi(parsed: argparse.Namespace) -> int:
    from .web.openapi import document

    print(json.dumps(document(), indent=2))
    return 0


def _print_problems(error: ConfigError, file_name: str | None) -> int:
    count = len(error.problems)
    where = file_name or "the configuration"
    print(f"millpond: {where} cannot be used ({count} problem{'s' if count > 1 else ''}):", file=sys.stderr)
    for path, text in error.problems:
        print(f"  {path}: {text}" if path else f"  {text}", file=sys.stderr)
    return 1
