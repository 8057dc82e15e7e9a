"""The whole application in the test's own process and event loop, on ports of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from proxy.app import App
from proxy.config.schema import Config, Server

from .process import free_port


@dataclass
class Application:
    app: App
    client: aiohttp.ClientSession
    url: str
    admin_url: str
    next_config: Config
    """What a reload loads."""

    async def reload(self, config: Config) -> None:
        """`config` but for `server`, which stays."""
        self.next_config = msgspec.structs.replace(config, server=self.next_config.server)
        await self.app.reload()

    async def metrics(self) -> str:
        async with self.client.get(f"{self.admin_url}/metrics") as response:
            return await response.text()


@asynccontextmanager
async def running(config: Config, data_dir: Path, **clocks: Any) -> AsyncIterator[Application]:
    """`config` without its `server` section; `clocks` are those of `App`."""
    server = Server(listen=f"127.0.0.1:{free_port()}", admin_listen=f"127.0.0.1:{free_port()}", data_dir=str(data_dir))
    config = msgspec.structs.replace(config, server=server)
    async with aiohttp.ClientSession() as client:
        application = Application(
            app=App(config, lambda: application.next_config, **clocks),
            client=client,
            url=f"http://{server.listen}",
            admin_url=f"http://{server.admin_listen}",
            next_config=config,
        )
        try:
            await application.app.start()
            yield application
        finally:
            await application.app.close()
