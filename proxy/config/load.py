"""The configuration in force: defaults, then the file, then the environment, then the flags.

All of them become one tree of plain data, which is then typed and validated, so that an error reads the same wherever
it came from. Only files that are named here are read.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ..errors import ConfigError
from . import document, environment, validate
from .convert import Problems, section
from .schema import Config

UPSTREAM_UID = "default"
"""Of the source that `--upstream` declares."""
STATE_DIR = "$XDG_STATE_HOME/millpond"
"""Where `server.data_dir` is when it is empty; $XDG_STATE_HOME is ~/.local/state when it is not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The command line's, None where not given. `settings` maps paths in the file (`caching.ttl`) to texts."""

    config: str | None = None
    upstream: str | None = None
    type: str | None = None
    uid: str | None = None
    settings: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    config: Config
    warnings: tuple[tuple[str, str], ...]


def load(flags: Flags, environ: Mapping[str, str]) -> Loaded:
    """Raises ConfigError with all that is wrong."""
    problems: Problems = []
    data = _read(flags.config or environ.get(environment.CONFIG, ""), environ, problems)
    origins: dict[str, str] = {}
    for path, name in environment.settings(environ, problems):
        _put(data, path, environ[name])
        origins[path] = name
    for path, text in (flags.settings or {}).items():
        _put(data, path, text)
        origins[path] = "the command line"
    origins |= _add_upstream(data, flags, environ, problems)
    config = _with_defaults_of_the_host(section(Config, data, "", problems), environ)
    told = tuple(path for path, _ in problems)
    problems += (problem for problem in validate.problems(config) if not _is_below(problem[0], told))
    if problems:
        raise ConfigError(
            tuple((f"{path} ({origins[path]})" if path in origins else path, text) for path, text in problems)
        )
    return Loaded(config, tuple(validate.warnings(config)))


def _read(file_name: str, environ: Mapping[str, str], problems: Problems) -> dict[str, Any]:
    if not file_name:
        return {}
    try:
        text = Path(file_name).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError((("", f"{file_name} cannot be read: {error.strerror}"),)) from error
    except UnicodeDecodeError as error:
        raise ConfigError((("", f"{file_name} cannot be read: it is not UTF-8 text"),)) from error
    return document.parse(text, environ, problems)


def _put(data: dict[str, Any], path: str, text: str) -> None:
    *sections, key = path.split(".")
    for name in sections:
        inner = data.setdefault(name, {})
        if not isinstance(inner, dict):
            return  # its own problem is reported by its own path
        data = inner
    data[key] = text
    # A secret given further on replaces the other way of giving it.
    data.pop(key.removesuffix("_file") if key.endswith("_file") else f"{key}_file", None)


def _add_upstream(data: dict[str, Any], flags: Flags, environ: Mapping[str, str], problems: Problems) -> dict[str, str]:
    """`--upstream` is a source as if it stood in the file, with caching on and at the root. Returns where its parts came
    from.
    """
    given = {}
    for name, flag in (("upstream", flags.upstream), ("type", flags.type), ("uid", flags.uid)):
        variable = environment.FLAGS[name]
        if flag is not None:
            given[name] = (flag, f"--{name}")
        elif environ.get(variable):
            given[name] = (environ[variable], variable)
    if "upstream" not in given:
        problems += ((origin, "goes with --upstream") for _, origin in given.values())
        return {}
    url, origin = given.pop("upstream")
    source = {"uid": UPSTREAM_UID, "url": url, "owns_root": True, "cache": {"enabled": True}}
    source |= {name: text for name, (text, _) in given.items()}
    declared = data.get("datasources", [])
    if not isinstance(declared, list):
        return {}  # its own problem is reported by its own path
    if any(isinstance(other, dict) and other.get("uid") == source["uid"] for other in declared):
        problems.append(
            (origin, f"declares the data source {source['uid']!r}, and so does the file; give another --uid")
        )
        return {}
    if any(isinstance(other, dict) and other.get("owns_root") for other in declared):
        problems.append((origin, "takes the root path, and so does a data source of the file (owns_root)"))
        return {}
    data["datasources"] = [*declared, source]
    path = f"datasources[{len(declared)}]"
    return {f"{path}.url": origin, **{f"{path}.{name}": where for name, (_, where) in given.items()}}


def _with_defaults_of_the_host(config: Config, environ: Mapping[str, str]) -> Config:
    home = environ.get("HOME", "/var/lib")
    data_dir = config.server.data_dir
    if not data_dir:
        state = environ.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state")
        data_dir = STATE_DIR.replace("$XDG_STATE_HOME", state)
    elif data_dir.startswith("~/"):
        data_dir = os.path.join(home, data_dir[2:])
    return msgspec.structs.replace(config, server=msgspec.structs.replace(config.server, data_dir=data_dir))


def _is_below(path: str, others: tuple[str, ...]) -> bool:
    """Whether `path` is one of `others` or in a section or list that is."""
    return any(path == other or (path.startswith(other) and path[len(other)] in ".[") for other in others if other)
