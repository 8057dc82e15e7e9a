"""A Millpond that a storm ends and starts again; nothing here blocks the clients' loop."""

import asyncio
import json
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from tests.servers.millpond import Millpond

from .oracle import Settings


class Replica(Millpond):
    def __init__(self, name: str, source_url: str, redis_url: str | None) -> None:
        self.name = name
        self._source_url = source_url
        self._redis_url = redis_url
        super().__init__(config=self.configuration())

    def configuration(self, between_bytes: str = "30s") -> str:
        """`between_bytes` changes nothing but the connections: a reload opens the sources anew."""
        backend = {"backend": "redis", "redis": {"url": self._redis_url}} if self._redis_url else {"backend": "memory"}
        return json.dumps(
            {
                "server": {"drain": "5s"},
                "caching": {**backend, "ttl": "60s", "max_value_mb": 1},
                "datasources": [
                    {
                        "uid": uid,
                        "type": "opaque",
                        "url": self._source_url,
                        "timeouts": {"between_bytes": between_bytes},
                        "cache": {"enabled": True},
                    }
                    for uid in ("src", "other")
                ],
            }
        )

    async def begin(self) -> None:
        await asyncio.to_thread(self.start)

    async def end(self, signum: signal.Signals) -> int:
        """The exit status."""
        process = self._process
        assert process is not None
        process.send_signal(signum)
        status = await asyncio.to_thread(process.wait, 30)
        self._process = None
        return status

    def reload(self, config: str) -> None:
        self.config_file.write_text(config)
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    async def call(
        self, session: aiohttp.ClientSession, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Of the Caching API, below /api/datasources/."""
        url = f"{self.admin_url}/api/datasources/{path}"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with session.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def ready(self, session: aiohttp.ClientSession) -> dict[str, Any]:
        async with session.get(f"{self.admin_url}/-/ready") as response:
            answer: dict[str, Any] = await response.json()
            return answer

    async def settings(self, session: aiohttp.ClientSession, uid: str) -> Settings:
        status, told = await self.call(session, "GET", f"{uid}/cache")
        assert status == 200, told
        return Settings(enabled=told["enabled"], ttl_ms=told["ttlQueriesMs"])

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))
