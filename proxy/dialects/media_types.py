"""The media type of a request's body, where every server reads the same one out of its headers."""

import re
from functools import lru_cache

from ..core.model import Headers

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

_PLAIN = re.compile(r"([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)[ \t]*(?:;[ \t]*charset=\"?utf-?8\"?[ \t]*)?;?[ \t]*")


def media_type(headers: Headers) -> str:
    """In lower case, without parameters; "" where it is absent or where servers could differ about it.

    Go reads no form at all from a body whose Content-Type has a parameter twice, and answers from the URL alone: the
    answer to another question. So a parameter other than UTF-8's is not understood, and neither is a repeated header.
    """
    values = headers.getall("Content-Type", ())
    return _read(values[0]) if len(values) == 1 else ""


@lru_cache(maxsize=256)
def _read(value: str) -> str:
    found = _PLAIN.fullmatch(value.strip().lower())
    return found[1] if found else ""
