"""A source's client by itself, and the requests it is given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from proxy.upstream.client import Outgoing, Upstream
from tests.servers.listener import source

HOUR_MS = 3_600_000
PATIENT = {"connect_ms": HOUR_MS, "first_byte_ms": HOUR_MS, "between_bytes_ms": HOUR_MS, "total_ms": HOUR_MS}
"""No time-out but the one a test is about."""


@asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[Upstream]:
    upstream = Upstream(source(url, **{**PATIENT, **options}))
    await upstream.start()
    try:
        yield upstream
    finally:
        await upstream.close()


def read(target: str = "/read", **options: Any) -> Outgoing:
    """A call that may be kept."""
    return Outgoing(**{"method": "GET", "target": target, "headers": (), "read_only": True, "bounded": True, **options})


def write(**options: Any) -> Outgoing:
    return Outgoing(**{"method": "POST", "target": "/write", "headers": (), "read_only": False, **options})


async def whole(upstream: Upstream, outgoing: Outgoing) -> bytes:
    """The body of the answer, to its end."""
    response = await upstream.fetch(outgoing)
    return b"".join([chunk async for chunk in response.chunks()])
