"""Put an answer into the form that this client takes: its coding, Vary, Age, and no header that is not for it."""

from collections.abc import AsyncIterator

from ..core import codings
from ..core.model import Entry, Headers, Pairs
from ..upstream.response import Response
from .delta import Assembled
from .exchange import Payload
from .flight import Whole

_OURS = frozenset(("content-length", "x-cache", "cache-status", "age"))
"""Set by us; the source's own are replaced."""
_RECODED = frozenset(("content-encoding", "etag", "last-modified", "accept-ranges"))
"""Belong to the coding that the source chose. Hits are never conditional, so no validator is lost."""


def from_entry(entry: Entry, age_ms: int, *, accepts_gzip: bool, limit_bytes: int, extra: Pairs = ()) -> Payload:
    """`extra` headers go out with every hit of the source."""
    body, coding = _recode(entry.body, entry.encoding, accepts_gzip=accepts_gzip, limit_bytes=limit_bytes)
    headers = (*entry.headers, *coding, ("Vary", "Accept-Encoding"), ("Age", str(age_ms // 1000)), *extra)
    return Payload(status=200, headers=headers, body=body, length_bytes=len(body))


def from_parts(assembled: Assembled, *, extra: Pairs = ()) -> Payload:
    age = () if assembled.fetched else (("Age", str(assembled.age_ms // 1000)),)
    headers = (*assembled.headers, ("Vary", "Accept-Encoding"), *age, *extra)
    return Payload(status=200, headers=headers, body=assembled.body, length_bytes=len(assembled.body))


def from_whole(whole: Whole, *, accepts_gzip: bool, limit_bytes: int, joined: bool) -> Payload:
    """`joined`: for one who waited for somebody else's fetch, to whom no cookie may go."""
    body, coding = _recode(whole.body, whole.encoding, accepts_gzip=accepts_gzip, limit_bytes=limit_bytes)
    dropped = _OURS | _RECODED | ({"set-cookie"} if joined else set())
    kept = tuple(pair for pair in whole.headers.items() if pair[0].lower() not in dropped)
    varies = any("accept-encoding" in value.lower() for value in whole.headers.getall("Vary", ()))
    headers = (*kept, *coding) if varies else (*kept, *coding, ("Vary", "Accept-Encoding"))
    return Payload(status=whole.status, headers=headers, body=body, length_bytes=len(body))


def from_stream(response: Response, prefix: list[bytes], chunks: AsyncIterator[bytes]) -> Payload:
    """The source's answer as it comes: `prefix`, then the rest."""
    return Payload(
        status=response.status,
        headers=_all_but_ours(response.headers),
        body=_chain(prefix, chunks),
        length_bytes=response.content_length,
        aclose=response.aclose,
    )


def _all_but_ours(headers: Headers) -> Pairs:
    return tuple(pair for pair in headers.items() if pair[0].lower() not in _OURS)


async def _chain(prefix: list[bytes], chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while prefix:
        yield prefix.pop(0)
    async for chunk in chunks:
        yield chunk


def _recode(body: bytes, encoding: str, *, accepts_gzip: bool, limit_bytes: int) -> tuple[bytes, Pairs]:
    """The body in a coding that the client takes, and its Content-Encoding.

    A source is asked for gzip or for no coding. What it sends unasked in one that cannot be undone goes as it came, to
    the client that it was sent to.
    """
    if encoding == "identity":
        return body, ()
    if encoding == "gzip" and accepts_gzip:
        return body, (("Content-Encoding", encoding),)
    decoded = codings.decode(encoding, body, limit_bytes)
    return (decoded, ()) if isinstance(decoded, bytes) else (body, (("Content-Encoding", encoding),))
