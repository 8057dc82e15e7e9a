"""The configuration in force: defaults, then the file, then the environment, then the flags.

All of them become one tree of plain data, which is then typed and validated, so that an error reads the same wherever
it came from. Only files that are named here are read.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from ..errors import ConfigError
from . import document, validate
from .convert import Problems, join, section
from .schema import Config, Secret, Section

_PREFIX = "MILLPOND_"
_UNNAMED = {
    "config": "MILLPOND_CONFIG",
    "upstream": "MILLPOND_UPSTREAM",
    "type": "MILLPOND_TYPE",
    "uid": "MILLPOND_UID",
}
"""Flags that are no key of the file."""


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
    file_name = flags.config or environ.get(_UNNAMED["config"])
    data = _read(file_name, environ) if file_name else {}
    origins: dict[str, str] = {}
    problems: Problems = []
    for path, name in _variables(environ, problems):
        _put(data, path, environ[name])
        origins[path] = name
    for path, text in (flags.settings or {}).items():
        _put(data, path, text)
        origins[path] = "the command line"
    _add_upstream(data, flags, environ, problems)
    config = section(Config, data, "", problems)
    if config is not None:
        config = _with_defaults_of_the_host(config, environ, owns_root=_has_upstream(flags, environ))
        problems += validate.problems(config)
    if config is None or problems:
        raise ConfigError(tuple((_with_origin(path, origins), text) for path, text in problems))
    return Loaded(config, tuple(validate.warnings(config)))


def variables() -> dict[str, str]:
    """Every environment variable that is a key of the file, and its path there."""
    return {f"{_PREFIX}{path.replace('.', '_').upper()}": path for path in _scalar_paths(Config)}


def _read(file_name: str, environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        text = Path(file_name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(((file_name, f"cannot be read: {error}"),)) from error
    return document.parse(text, environ)


def _scalar_paths(kind: type[Section], path: str = "") -> Iterator[str]:
    hints = get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        hint, here = hints[field.name], join(path, field.encode_name)
        if not isinstance(hint, type):
            continue  # lists and mappings come from the file
        if issubclass(hint, Section):
            yield from _scalar_paths(hint, here)
        else:
            yield here
            if hint is Secret:
                yield f"{here}_file"


def _variables(environ: Mapping[str, str], problems: Problems) -> Iterator[tuple[str, str]]:
    known = variables()
    for name in sorted(environ):
        if name in known:
            yield known[name], name
        elif name.startswith(_PREFIX) and name not in _UNNAMED.values():
            near = difflib.get_close_matches(name, (*known, *_UNNAMED.values()), n=1)
            hint = f"did you mean {near[0]}?" if near else "see --help for the names"
            problems.append((name, f"is not an environment variable of Millpond; {hint}"))


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


def _has_upstream(flags: Flags, environ: Mapping[str, str]) -> bool:
    return bool(flags.upstream or environ.get(_UNNAMED["upstream"]))


def _add_upstream(data: dict[str, Any], flags: Flags, environ: Mapping[str, str], problems: Problems) -> None:
    """`--upstream` is a source as if it stood in the file, with caching on."""
    source_type = flags.type or environ.get(_UNNAMED["type"])
    uid = flags.uid or environ.get(_UNNAMED["uid"])
    if not _has_upstream(flags, environ):
        for name, value in (("--type", source_type), ("--uid", uid)):
            if value:
                problems.append((name, "goes with --upstream"))
        return
    url = flags.upstream or environ[_UNNAMED["upstream"]]
    source = {
        "uid": uid or "default",
        "type": source_type or "prometheus",
        "url": url,
        "cache": {"enabled": True},
    }
    declared = data.setdefault("datasources", [])
    if isinstance(declared, list):
        data["datasources"] = [*declared, source]


def _with_defaults_of_the_host(config: Config, environ: Mapping[str, str], *, owns_root: bool) -> Config:
    if not config.server.data_dir:
        state = environ.get("XDG_STATE_HOME") or os.path.join(environ.get("HOME", "/var/lib"), ".local", "state")
        server = msgspec.structs.replace(config.server, data_dir=os.path.join(state, "millpond"))
        config = msgspec.structs.replace(config, server=server)
    if owns_root:
        *declared, upstream = config.datasources
        upstream = msgspec.structs.replace(upstream, owns_root=True)
        config = msgspec.structs.replace(config, datasources=(*declared, upstream))
    return config


def _with_origin(path: str, origins: Mapping[str, str]) -> str:
    return f"{path} ({origins[path]})" if path in origins else path
