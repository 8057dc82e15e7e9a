"""Plain data into the schema's types. Collects every problem, each with its path in the file, instead of stopping."""

import difflib
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from ..core.durations import parse_ms
from .schema import Duration, Secret, Section

S = TypeVar("S", bound=Section)
Problems = list[tuple[str, str]]

_INTERNAL = frozenset(("owns_root",))
"""Fields that no file may set."""


def section(kind: type[S], data: Any, path: str, problems: Problems) -> S | None:
    """None when something in it is wrong."""
    if not isinstance(data, Mapping):
        problems.append((path, f"must be a mapping, not {_what(data)}"))
        return None
    before = len(problems)
    hints = get_type_hints(kind)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind) if field.name not in _INTERNAL}
    data = _with_secret_files(data, {key: hints[field.name] for key, field in fields.items()}, path, problems)
    values: dict[str, Any] = {}
    for key, item in data.items():
        here = join(path, str(key))
        if key not in fields:
            problems.append((here, _unknown(str(key), fields)))
            continue
        values[fields[key].name] = _value(hints[fields[key].name], item, here, problems)
    for key, field in fields.items():
        if field.required and key not in data:
            problems.append((join(path, key), "is missing"))
    return kind(**values) if len(problems) == before else None


def join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _value(kind: Any, item: Any, path: str, problems: Problems) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if item is None:
            return None
        return _value(next(one for one in arguments if one is not type(None)), item, path, problems)
    if origin in (tuple, list):
        if not isinstance(item, list):
            problems.append((path, f"must be a list, not {_what(item)}"))
            return None
        items = [_value(arguments[0], one, f"{path}[{index}]", problems) for index, one in enumerate(item)]
        return tuple(items) if origin is tuple else items
    if origin is dict:
        if not isinstance(item, Mapping):
            problems.append((path, f"must be a mapping, not {_what(item)}"))
            return None
        if arguments[1] is Secret:
            names = {str(key).removesuffix("_file"): Secret for key in item}
            item = _with_secret_files(item, names, path, problems)
        return {str(key): _value(arguments[1], one, join(path, str(key)), problems) for key, one in item.items()}
    if issubclass(kind, Section):
        return section(kind, item, path, problems)
    try:
        return _SCALARS[kind](item)
    except ValueError as error:
        problems.append((path, str(error)))
        return None


def _duration(item: Any) -> Duration:
    if isinstance(item, str):
        return Duration(parse_ms(item))
    if item == 0 and not isinstance(item, bool):
        return Duration(0)
    raise ValueError(f"must be a duration like 30s or 5m, not {_what(item)}")


def _text(item: Any) -> str:
    if isinstance(item, str):
        return item
    raise ValueError(f"must be a text, not {_what(item)}; put it in quotes")


def _flag(item: Any) -> bool:
    if isinstance(item, bool):
        return item
    if isinstance(item, str) and item.lower() in ("true", "false"):
        return item.lower() == "true"
    raise ValueError(f"must be true or false, not {_what(item)}")


def _whole(item: Any) -> int:
    if isinstance(item, int) and not isinstance(item, bool):
        return item
    if isinstance(item, str) and item.strip().lstrip("-").isdecimal():
        return int(item)
    raise ValueError(f"must be a whole number, not {_what(item)}")


def _number(item: Any) -> float:
    if isinstance(item, int | float) and not isinstance(item, bool):
        return item
    try:
        return float(_text(item))
    except ValueError:
        raise ValueError(f"must be a number, not {_what(item)}") from None


_SCALARS: dict[type, Callable[[Any], Any]] = {
    Duration: _duration,
    Secret: lambda item: Secret(_text(item)),
    str: _text,
    bool: _flag,
    int: _whole,
    float: _number,
}


def _with_secret_files(
    data: Mapping[str, Any], hints: Mapping[str, Any], path: str, problems: Problems
) -> dict[str, Any]:
    """`<key>_file` of every secret, read; the line end of its last line is no part of it."""
    merged = dict(data)
    for key, hint in hints.items():
        file_key = f"{key}_file"
        if file_key not in merged or Secret not in (hint, *get_args(hint)) or get_origin(hint) is dict:
            continue
        here, file_name = join(path, file_key), merged.pop(file_key)
        if key in merged:
            problems.append((here, f"give either {key} or {file_key}"))
            continue
        try:
            merged[key] = Path(str(file_name)).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            problems.append((here, f"cannot be read: {error}"))
            merged[key] = ""
    return merged


def _unknown(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"is not a key here; did you mean {near[0]}?" if near else f"is not a key here; known are {', '.join(known)}"


def _what(item: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return names.get(type(item), f"a {type(item).__name__}")
