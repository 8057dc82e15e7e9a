"""JSON that a source sends: whatever its bytes are, reading them raises nothing.

None stands for what is no JSON, and for `null`, which no source has for an answer.
"""

import json
from typing import TypeVar

import msgspec
import orjson

T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """None too where the body is not of the decoder's type."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def parse(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def parse_leniently(body: bytes) -> object:
    """NaN and Infinity allowed: older Graphites and OpenTSDB write them."""
    strict = parse(body)
    if strict is not None:
        return strict
    try:
        return json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
