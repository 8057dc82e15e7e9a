"""A configuration file as plain data: YAML's safe subset, no key twice, `${VAR}` filled in, secrets read from files."""

import re
from collections.abc import Hashable, Mapping
from typing import Any

import yaml

from ..errors import ConfigError

_VARIABLE = re.compile(r"\$(?:\$|\{([^}:]*)(?::-([^}]*))?\})")


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: YAML's own rule, which PyYAML does not hold."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice; keep one (line {line})", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def parse(text: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """The file's mapping. Raises ConfigError with every variable that is missing."""
    try:
        loaded = yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(((where, f"is not valid YAML: {getattr(error, 'problem', None) or error}"),)) from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(
            (("", "the file must be a mapping of sections: server, caching, auth, datasources, telemetry"),)
        )
    problems: list[tuple[str, str]] = []
    filled = _fill(loaded, environ, "", problems)
    if problems:
        raise ConfigError(tuple(problems))
    mapping: dict[str, Any] = filled
    return mapping


def _fill(value: Any, environ: Mapping[str, str], path: str, problems: list[tuple[str, str]]) -> Any:
    match value:
        case str():
            return _fill_text(value, environ, path, problems)
        case dict():
            return {
                key: _fill(item, environ, f"{path}.{key}" if path else str(key), problems)
                for key, item in value.items()
            }
        case list():
            return [_fill(item, environ, f"{path}[{index}]", problems) for index, item in enumerate(value)]
        case _:
            return value


def _fill_text(text: str, environ: Mapping[str, str], path: str, problems: list[tuple[str, str]]) -> str:
    def replaced(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name, default = match[1], match[2]
        if name in environ:
            return environ[name]
        if default is None:
            problems.append(
                (path, f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
            )
            return ""
        return default

    return _VARIABLE.sub(replaced, text)
