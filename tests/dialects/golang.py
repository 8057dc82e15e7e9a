"""How net/http of Go reads a request's parameters: most of the sources are written in it."""

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from multidict import CIMultiDict

from proxy.core.model import Request
from proxy.dialects.form import encode

from .asking import FORM

CONTENT_TYPES = {
    FORM: True,
    f"{FORM}; charset=utf-8": True,
    f'{FORM.upper()};charset="UTF-8"': True,
    f"{FORM};": True,
    f"{FORM}; a=1; a=2": False,  # mime.ParseMediaType fails on it, and the form is left unread
    f"{FORM}; a=1; A=1": False,
    "application/json": False,
    "text/plain": False,
    "": False,
}
"""Whether Go's ParseForm reads the body."""


def request(query: str, body: bytes | None = None, content_type: str = FORM) -> Request:
    headers = CIMultiDict({"Content-Type": content_type} if content_type else {})
    return Request(method="GET" if body is None else "POST", path="/", query=query, headers=headers, body=body or b"")


def parse_query(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    """net/url.ParseQuery: a field with a semicolon or an invalid escape is left out."""
    for field in encoded.split(b"&"):
        if field and b";" not in field and not re.search(rb"%(?![0-9A-Fa-f]{2})", field):
            name, _, value = (unquote_to_bytes(half.replace(b"+", b" ")) for half in field.partition(b"="))
            yield name, value


def form(asked: Request) -> dict[bytes, list[bytes]]:
    """http.Request.Form, the body's values before the URL's; FormValue is the first of them."""
    pairs: list[tuple[bytes, bytes]] = []
    if asked.method == "POST" and CONTENT_TYPES[asked.headers.get("Content-Type", "")]:
        pairs += parse_query(asked.body)
    pairs += parse_query(encode(asked.query))
    found: dict[bytes, list[bytes]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found
