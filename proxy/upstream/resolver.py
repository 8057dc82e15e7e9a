"""Name resolution that never leads to a link-local address: those belong to the host and to cloud metadata services.

Looked at when a connection is made, not when the configuration is read: a name may answer differently later (DNS
rebinding).
"""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from ..core.addresses import is_link_local


class CheckedResolver(AbstractResolver):
    def __init__(self) -> None:
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        results = await self._resolver.resolve(host, port, family)
        allowed = [result for result in results if not is_link_local(result["host"])]
        if not allowed:
            raise OSError(None, "resolves to link-local addresses only, which are refused")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()
