"""Grafana's own pages offer a panel's "Cache TTL" where a data source's `cachingConfig` says that it caches: what Grafana
sends them of its data sources is filled in on its way.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from ..core.codings import coding_of
from ..core.model import Headers, Pairs
from ..dialects.grafana import boot_data
from ..dialects.grafana.routes import BootData, FrontendSettings, Meaning, Page
from ..engine.exchange import Incoming, Payload
from ..engine.front.front import Front
from ..upstream.response import Response

_MOST_BYTES = 32 * 1024 * 1024
_OFF_THE_LOOP_BYTES = 128 * 1024
_OURS = frozenset(("content-length", "etag", "last-modified"))
"""Of a document that we change, they are no longer true."""


class Pages:
    def __init__(self, front: Front) -> None:
        self._front = front

    def may_be_filled(self, found: Meaning) -> bool:
        """Whether a request's answer is looked at: none is while nothing is cached of Grafana's sources."""
        return isinstance(found, FrontendSettings | BootData | Page) and self._front.caches_anything

    @staticmethod
    def asked_plainly(headers: Pairs) -> Pairs:
        """The request's headers without what would have the answer compressed, or not sent at all."""
        cut = ("accept-encoding", "if-none-match", "if-modified-since", "range")
        return (*(pair for pair in headers if pair[0].lower() not in cut), ("Accept-Encoding", "identity"))

    async def fill(self, incoming: Incoming, response: Response, payload: Payload) -> tuple[Payload, Pairs]:
        """The answer, filled in where it has what the pages are made of; and cookies of the caller's."""
        if response.status != 200 or coding_of(response.headers) != "identity" or not _is_document(response.headers):
            return payload, ()
        document, rest = await _collect(payload)
        if rest is not None:
            return replace(payload, body=rest), ()
        org_id = boot_data.org_of(document)
        cookies: Pairs = ()
        if org_id is None:
            visit = self._front.visit(incoming)
            caller = await visit.caller()
            org_id, cookies = (caller.org_id if caller is not None else None), tuple(visit.cookies)
        shown = self._front.shown(org_id) if org_id is not None else {}
        filled = await _off_the_loop(document, shown) if shown else None
        if filled is None:
            return replace(payload, body=_all_of(document)), cookies
        headers = tuple(pair for pair in payload.headers if pair[0].lower() not in _OURS)
        return replace(payload, headers=headers, body=_all_of(filled), length_bytes=len(filled)), cookies


def _is_document(headers: Headers) -> bool:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower() in ("text/html", "application/json")


async def _collect(payload: Payload) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """The whole body, or b"" and the body again where it is too large to hold."""
    assert not isinstance(payload.body, bytes)
    prefix: list[bytes] = []
    size_bytes = 0
    async for chunk in payload.body:
        prefix.append(chunk)
        size_bytes += len(chunk)
        if size_bytes > _MOST_BYTES:
            return b"", _chain(prefix, payload.body)
    return b"".join(prefix), None


async def _chain(prefix: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while prefix:
        yield prefix.pop(0)
    async for chunk in rest:
        yield chunk


async def _all_of(document: bytes) -> AsyncIterator[bytes]:
    if document:
        yield document


async def _off_the_loop(document: bytes, shown: dict[str, tuple[bool, int]]) -> bytes | None:
    fill = partial(boot_data.with_caching, document, shown)
    return await asyncio.to_thread(fill) if len(document) >= _OFF_THE_LOOP_BYTES else fill()
