"""A configuration file as plain data: YAML's safe subset, no key twice, `${VAR}` filled in."""

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from ..errors import ConfigError

_VARIABLE = re.compile(r"\$(?:\$|\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-((?:(?!\$\{)[^}])*))?\})?)")
"""`$$`, `${NAME}`, `${NAME:-default}`; a bare `${` is what is none of these. The default holds no variable."""


class _Failed:
    """Stands where a value could not be had, for a reason that has been told."""


FAILED: Final = _Failed()


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: YAML's own rule, which PyYAML does not hold."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.value in seen:
                problem = f"the key {key_node.value!r} stands twice; keep one"
                raise yaml.composer.ComposerError(None, None, problem, key_node.start_mark)
            seen.add(str(key_node.value))
        return node


def parse(text: str, environ: Mapping[str, str], problems: list[tuple[str, str]]) -> dict[str, Any]:
    """The file's mapping. A value whose variable is missing is FAILED, and told in `problems`. Raises ConfigError for a
    text that is no mapping at all.
    """
    try:
        loaded = yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader
        if loaded is None:
            return {}
        if isinstance(loaded, dict):
            mapping: dict[str, Any] = _fill(loaded, environ, "", problems)
            return mapping
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(((where, f"is not valid YAML: {_reason(error)}"),)) from error
    except ValueError as error:  # a date or number that there is not: PyYAML lets Python's own error through
        raise ConfigError((("", f"is not valid YAML: {error}; put it in quotes if it is a text"),)) from error
    except RecursionError as error:
        raise ConfigError((("", "is nested too deeply, or refers to itself"),)) from error
    raise ConfigError((("", "the file must be a mapping of sections: server, caching, auth, datasources, telemetry"),))


def _reason(error: yaml.YAMLError) -> str:
    reason = str(getattr(error, "problem", None) or error).partition("\n")[0]
    return f"{reason} (indent with spaces, not tabs)" if "'\\t'" in reason else reason


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


def _fill_text(text: str, environ: Mapping[str, str], path: str, problems: list[tuple[str, str]]) -> str | _Failed:
    before = len(problems)

    def replaced(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name, default = match[1], match[2]
        if name is None:
            problems.append(
                (path, "has a ${ that begins no variable; write ${NAME}, ${NAME:-default}, or $${ for itself")
            )
            return ""
        if default is not None:
            return environ.get(name) or default
        if name not in environ:
            problems.append(
                (path, f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
            )
        return environ.get(name, "")

    filled = _VARIABLE.sub(replaced, text)
    return filled if len(problems) == before else FAILED
