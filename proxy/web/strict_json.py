"""Objects in JSON (RFC 8259), read strictly: what two readers might understand differently is refused.

That is duplicate fields, NaN and Infinity, numbers that no double can hold, any encoding but UTF-8, and depth.
"""

import json
import math
import re
from typing import NoReturn

from ..errors import BadRequest

_MAX_DEPTH = 16
# A string without its end is a token too: looking for the end again from each of its quotes would be quadratic.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]|NaN|-?Infinity|-?[0-9][0-9.eE+-]*', re.DOTALL)
_TRAILING_COMMA = re.compile(r",\s*[}\]]")


def parse_object(body: bytes) -> dict[str, object]:
    """The fields of the object that `body` is. Raises `BadRequest`, with line and column where there is a place."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"Invalid JSON: the body is not UTF-8 (byte {error.start + 1}).") from None
    if not text.strip():
        raise BadRequest("Invalid JSON: the body is empty. Send an object; {} is one.")
    if text[0] == "\ufeff":
        _invalid(text, 0, "a byte order mark before the text")
    _scan(text)
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        comma = text.rfind(",", 0, error.pos + 1)
        if comma >= 0 and not text[comma + 1 : error.pos].strip() and _TRAILING_COMMA.match(text, comma):
            _invalid(text, comma, "a comma with nothing after it")
        _invalid(text, error.pos, error.msg[:1].lower() + error.msg[1:])
    if not isinstance(value, dict):
        raise BadRequest("Invalid body: it must be a JSON object.")
    return value


def _scan(text: str) -> None:
    """Refuses what the parser would take, or would fail on without saying where."""
    depth = 0
    for token in _TOKEN.finditer(text):
        match token[0][0]:
            case "[" | "{":
                depth += 1
                if depth > _MAX_DEPTH:
                    _invalid(text, token.start(), f"more than {_MAX_DEPTH} levels")
            case "]" | "}":
                depth -= 1
            case '"':
                pass
            case _:
                if token[0].lstrip("-")[0] in "NI":
                    _invalid(text, token.start(), f"{token[0]} is not a JSON value")
                if not _fits(token[0]):
                    _invalid(text, token.start(), "a number that is too large")


def _fits(number: str) -> bool:
    try:
        return len(number) <= 400 and math.isfinite(float(number))
    except ValueError:
        return True  # no number at all: the parser says so, and where


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, value in pairs:
        if name in fields:
            raise BadRequest(f"Invalid JSON: the field {json.dumps(name[:40])} is there twice.")
        fields[name] = value
    return fields


def _invalid(text: str, position: int, reason: str) -> NoReturn:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    raise BadRequest(f"Invalid JSON at line {line}, column {column}: {reason}.")
