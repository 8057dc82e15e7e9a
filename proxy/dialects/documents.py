"""JSON that a client sends, read so that no two readers could differ about it, and written back in one spelling.

A cache that reads a body otherwise than the source does files an answer under a question that was not asked. So what
parsers disagree about is refused (a repeated key, NaN, another encoding than UTF-8), and numbers stay the text they
are: two integers beyond 2^53 are two values, whatever a double makes of them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass


class Unreadable(ValueError):
    """Not JSON (RFC 8259), or JSON that readers understand differently."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written: `1`, `1.0` and `1e0` are three of them."""

    text: str


def read(body: bytes) -> object:
    """None, bool, str, Number, list, or dict in the order of its keys. Raises Unreadable."""
    try:
        text = body.decode()
        return json.loads(text, object_pairs_hook=_object, parse_int=Number, parse_float=Number, parse_constant=_refuse)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise Unreadable from None


def spell(document: object, *, sort_keys: bool = False) -> bytes:
    """The one spelling of a document: no white space, ASCII. Documents that differ have different spellings.

    Keys keep their order unless it is known to mean nothing. Raises Unreadable for one that is too deep.
    """
    parts: list[str] = []
    try:
        _spell(document, sort_keys, parts)
    except RecursionError:
        raise Unreadable from None
    return "".join(parts).encode()


def names(document: object) -> Iterator[str]:
    """Every key, at any depth."""
    return (key for each in _nested(document) if isinstance(each, dict) for key in each)


def strings(document: object) -> Iterator[str]:
    """Every string that is a value, at any depth."""
    return (each for each in _nested(document) if isinstance(each, str))


def _nested(document: object) -> Iterator[object]:
    left = [document]
    while left:
        each = left.pop()
        yield each
        if isinstance(each, dict):
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)


def _spell(document: object, sort_keys: bool, parts: list[str]) -> None:
    match document:
        case Number(text=text):
            parts.append(text)
        case dict():
            before = "{"
            for key, value in sorted(document.items()) if sort_keys else document.items():
                parts.append(f"{before}{json.dumps(key)}:")
                _spell(value, sort_keys, parts)
                before = ","
            parts.append("{}" if before == "{" else "}")
        case list():
            before = "["
            for value in document:
                parts.append(before)
                _spell(value, sort_keys, parts)
                before = ","
            parts.append("[]" if before == "[" else "]")
        case _:  # None, bool, str
            parts.append(json.dumps(document))


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("a key is given twice")
    return found


def _refuse(constant: str) -> object:
    raise Unreadable(f"{constant} is not JSON")
