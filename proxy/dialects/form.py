"""Parameters in the URL and in a form body, read as Go's net/url reads them, since most sources are written in Go.

Where two parsers could disagree about a request, it is not kept: an entry that one reader of the same bytes would file
under another name is how a cache is poisoned.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from ..core.model import Pass, Reason, Request
from .media_types import FORM, media_type

_INVALID_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")

Parameters = tuple[tuple[str, str], ...]


class Form(NamedTuple):
    """A request's parameters. `given` has one value of each name, which for a single-valued one is its only one."""

    pairs: Parameters
    given: Mapping[str, str]
    parts: tuple[bytes, ...]


def read_keyed(
    request: Request,
    *,
    single: frozenset[str] = frozenset(),
    sets: frozenset[str] = frozenset(),
    noise: frozenset[str] = frozenset(),
) -> Form | Pass:
    """The parameters, and the parts of a key that they make (`canonical`)."""
    parameters = read_form(request)
    if isinstance(parameters, Pass):
        return parameters
    parts = canonical(parameters, single=single, sets=sets, noise=noise)
    return parts if isinstance(parts, Pass) else Form(parameters, dict(parameters), parts)


def read_form(request: Request) -> Parameters | Pass:
    """The parameters of the body, then those of the URL: that is their precedence. Bytes that are no UTF-8 survive as
    surrogates.
    """
    if "Content-Encoding" in request.headers:
        return Pass(reason=Reason.BODY)
    if request.body and request.method != "POST":
        return Pass(reason=Reason.BODY)
    url = parse(request.query)
    if url is None:
        return Pass(reason=Reason.PARAMETER)
    if not request.body:
        return url
    if media_type(request.headers) != FORM:
        return Pass(reason=Reason.CONTENT_TYPE)
    body = parse(request.body.decode("utf-8", "surrogateescape"))
    if body is None:
        return Pass(reason=Reason.PARAMETER)
    return (*body, *url)


def parse(encoded: str) -> Parameters | None:
    """Pairs in their order; None for what parsers read differently: a bare `;`, an invalid escape."""
    return _remembered(encoded) if len(encoded) <= _REMEMBERED_CHARS else _parse(encoded)


def _parse(encoded: str) -> Parameters | None:
    if ";" in encoded or _INVALID_ESCAPE.search(encoded):
        return None
    pairs = []
    for field in encoded.split("&"):
        if field:
            name, _, value = field.partition("=")
            pairs.append((decode(name), decode(value)))
    return tuple(pairs)


_remembered = lru_cache(maxsize=512)(_parse)
"""A dashboard asks the same again and again."""
_REMEMBERED_CHARS = 4096
"""Longer ones would make the memory of it a burden: this is 512 times a few of these."""


def canonical(
    parameters: Iterable[tuple[str, str]],
    *,
    single: frozenset[str] = frozenset(),
    sets: frozenset[str] = frozenset(),
    noise: frozenset[str] = frozenset(),
) -> tuple[bytes, ...] | Pass:
    """The parameters as parts of a key: name, count, values; sorted by name. Unknown names stay.

    `single` may come once, or the request is refused; the values of `sets` have no order and no repetition; `noise`
    cannot change the answer.
    """
    by_name: dict[str, list[str]] = {}
    for name, value in parameters:
        if name not in noise:
            by_name.setdefault(name, []).append(value)
    parts: list[bytes] = []
    for name in sorted(by_name):
        values = by_name[name]
        if name in single and len(values) > 1:
            return Pass(reason=Reason.PARAMETER)
        if name in sets:
            values = sorted(set(values))
        parts.append(encode(name))
        parts.append(b"%d" % len(values))
        parts.extend(encode(value) for value in values)
    return tuple(parts)


def without(parts: tuple[bytes, ...], names: frozenset[bytes]) -> tuple[bytes, ...]:
    """The parts that `canonical` would have made with these names for noise."""
    kept: list[bytes] = []
    at = 0
    while at < len(parts):
        after = at + 2 + int(parts[at + 1])
        if parts[at] not in names:
            kept += parts[at:after]
        at = after
    return tuple(kept)


def encode(text: str) -> bytes:
    """The bytes that `read_form` decoded."""
    return text.encode("utf-8", "surrogateescape")


def decode(text: str) -> str:
    """A name or a value out of its escapes."""
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    # By way of bytes: half of a character may be escaped and half of it raw.
    return unquote_to_bytes(encode(text)).decode("utf-8", "surrogateescape")
