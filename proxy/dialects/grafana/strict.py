"""A client's JSON body, read only where Grafana, its plugins and we cannot read it differently.

What a value becomes here (None, bool, int, float, str, dict, list) written back with sorted keys is the body's
identity, so nothing may get lost on the way: a body with a repeated key, with a number that a double or 64 bits do not
hold exactly, or that is nested too deep is refused. The browser writes compact JSON, which shows by being written back
byte for byte the same; anything else is read a second time, slowly.
"""

import json
from decimal import Decimal, InvalidOperation

import orjson


class Unreadable(ValueError):
    """Not JSON in UTF-8, or JSON that readers understand differently."""


def read(body: bytes) -> object:
    """Raises Unreadable."""
    try:
        document: object = orjson.loads(body)
        if orjson.dumps(document) != body:
            json.loads(body, object_pairs_hook=_object, parse_int=_integer, parse_float=_float)
    except (
        ValueError,
        TypeError,
        RecursionError,
    ):  # orjson's decoding errors are the one, its encoding errors the other
        raise Unreadable from None
    return document


def _object(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise Unreadable("a key is given twice")


def _integer(text: str) -> None:
    if text == "-0" or len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise Unreadable("orjson makes another number of it")


def _float(text: str) -> None:
    try:
        exact = Decimal(text) == Decimal(repr(float(text)))
    except InvalidOperation:  # an exponent beyond all bounds
        exact = False
    if not exact:
        raise Unreadable("a double is another number")
