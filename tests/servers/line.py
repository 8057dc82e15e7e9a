"""A line to a server that a test can make slow, noisy or dead while it is in use."""

import asyncio
from types import TracebackType
from typing import Self


class Line:
    """Listens on `port` and passes everything on to `server_port`. What the server says comes `delay_seconds` later; or,
    where `noise` is set, each time the client has said something it hears that instead. What the client says from `held`
    on waits until `released` is set."""

    def __init__(self, port: int, server_port: int) -> None:
        self.port = port
        self.delay_seconds = 0.0
        self.noise: bytes | None = None
        self.held: bytes | None = None
        self.holding = asyncio.Event()
        self.released = asyncio.Event()
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        for end in tuple(self._ends):
            end.transport.abort()
        while self._ends:
            await asyncio.sleep(0)

    async def _connected(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        server_reader, server = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._ends |= {client, server}
        back = asyncio.create_task(self._back(server_reader, client))
        while data := await _read(client_reader):
            if self.held is not None and self.held in data:
                at = data.index(self.held)
                server.write(data[:at])
                data = data[at:]
                self.holding.set()
                await self.released.wait()
            if self.noise is not None:
                client.write(self.noise)
            else:
                server.write(data)
        server.close()
        await back
        self._ends -= {client, server}

    async def _back(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await _read(reader):
            loop.call_later(self.delay_seconds, client.write, data)
        loop.call_later(self.delay_seconds, client.close)


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65536)
    except OSError:
        return b""
