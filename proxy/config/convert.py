"""Plain data into the schema's types. Collects every problem, each with its path in the file, instead of stopping."""

import difflib
import math
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from ..core.durations import parse_ms
from .document import FAILED
from .schema import Duration, Secret, Section

S = TypeVar("S", bound=Section)
Problems = list[tuple[str, str]]


def section(kind: type[S], data: Any, path: str, problems: Problems) -> S:
    """Whole even when something in it is wrong, so that the rest can be checked too: a value that is wrong is told in
    `problems`, and its default, or something empty, stands in its place.
    """
    if not isinstance(data, Mapping):
        if data is not FAILED:
            problems.append((path, f"must be a mapping, not {_what(data)}"))
        data = FAILED
    given = {} if data is FAILED else data
    hints = get_type_hints(kind)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    given = _with_secret_files(given, {key: hints[field.name] for key, field in fields.items()}, path, problems)
    values: dict[str, Any] = {}
    for key, item in given.items():
        here = join(path, str(key))
        if key not in fields:
            problems.append((here, _unknown(str(key), fields)))
            continue
        value = _value(hints[fields[key].name], item, here, problems)
        if value is not FAILED:
            values[fields[key].name] = value
    for key, field in fields.items():
        if field.required and key not in given and data is not FAILED:
            problems.append((join(path, key), "is missing"))
        if field.required and field.name not in values:
            values[field.name] = (get_origin(hints[field.name]) or hints[field.name])()
    return kind(**values)


def join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _value(kind: Any, item: Any, path: str, problems: Problems) -> Any:
    """FAILED where it is wrong, which `problems` tell."""
    origin, arguments = get_origin(kind), get_args(kind)
    if item is FAILED:
        return FAILED
    if origin in (Union, types.UnionType):
        return _value(next(one for one in arguments if one is not type(None)), item, path, problems)
    if origin in (tuple, list):
        if not isinstance(item, list):
            problems.append((path, f"must be a list, not {_what(item)}"))
            return FAILED
        items = [_value(arguments[0], one, f"{path}[{index}]", problems) for index, one in enumerate(item)]
        return FAILED if FAILED in items else origin(items)
    if origin is dict:
        if not isinstance(item, Mapping):
            problems.append((path, f"must be a mapping, not {_what(item)}"))
            return FAILED
        if arguments[1] is Secret:
            names = {str(key).removesuffix("_file"): Secret for key in item}
            item = _with_secret_files(item, names, path, problems)
        values = {str(key): _value(arguments[1], one, join(path, str(key)), problems) for key, one in item.items()}
        return {key: value for key, value in values.items() if value is not FAILED}
    if issubclass(kind, Section):
        return section(kind, item, path, problems)
    try:
        return _SCALARS[kind](item)
    except ValueError as error:
        problems.append((path, str(error)))
        return FAILED


def _duration(item: Any) -> Duration:
    if isinstance(item, str):
        return Duration(parse_ms(item))
    if item == 0 and not isinstance(item, bool):
        return Duration(0)
    raise ValueError(f"must be a duration with its unit, like 30s or 5m, not {_what(item)}")


def _text(item: Any) -> str:
    if isinstance(item, str):
        return item
    raise ValueError(f"must be a text, not {_what(item)}{'' if item is None else '; put it in quotes'}")


def _flag(item: Any) -> bool:
    if isinstance(item, bool):
        return item
    if isinstance(item, str) and item.lower() in ("true", "false"):
        return item.lower() == "true"
    raise ValueError(f"must be true or false, not {_shown(item)}")


def _whole(item: Any) -> int:
    if isinstance(item, int) and not isinstance(item, bool):
        return item
    if isinstance(item, str) and item.strip().lstrip("-").isdecimal():
        return int(item)
    raise ValueError(f"must be a whole number, not {_shown(item)}")


def _number(item: Any) -> float:
    if isinstance(item, int | float | str) and not isinstance(item, bool):
        with suppress(ValueError, OverflowError):
            number = float(item)
            if math.isfinite(number):
                return number
    raise ValueError(f"must be a number, not {_shown(item)}")


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
        if file_key not in merged or not is_secret(hint):
            continue
        here, file_name = join(path, file_key), merged.pop(file_key)
        if key in merged:
            problems.append((here, f"give either {key} or {file_key}"))
        elif isinstance(file_name, str):
            merged[key] = _read_secret(file_name, here, problems)
        else:
            merged[key] = FAILED
            if file_name is not FAILED:
                problems.append((here, f"must be a file's name, not {_what(file_name)}"))
    return merged


def is_secret(hint: Any) -> bool:
    return hint is Secret


def _read_secret(file_name: str, path: str, problems: Problems) -> Any:
    try:
        return Path(file_name).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        problems.append((path, f"{file_name} cannot be read: {error.strerror}"))
    except ValueError:
        problems.append((path, f"{file_name} cannot be read: it is not UTF-8 text"))
    return FAILED


def _unknown(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"is not a key here; did you mean {near[0]}?" if near else f"is not a key here; known are {', '.join(known)}"


def _what(item: Any) -> str:
    """Its kind alone: it may be a secret."""
    match item:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case Mapping():
            return "a mapping"
        case _:
            return f"a {type(item).__name__}"


def _shown(item: Any) -> str:
    """For what holds no secret."""
    return repr(item) if isinstance(item, str) else _what(item)
