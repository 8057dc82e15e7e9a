"""The client of one data source: its connections, its slots, its timeouts.

aiohttp's client is a browser by default: it keeps cookies, follows redirects, undoes codings, rewrites URLs and asks
again. All of that is off (the numbers T6 to T12 in the tests of traps): a proxy passes on what is there.
"""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from io import BytesIO

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from ..config.schema import Source
from ..core.model import Pairs
from ..errors import UpstreamBusy, UpstreamError
from .failure import died_before_answering, failure, malformed, not_as_coded, timed_out
from .response import OnFailure, Response, Slot, answer_headers
from .sending import Deadline, Sending, earlier
from .session import Reuse, open_session
from .switched import Switched, is_websocket
from .users import Users

_IN_ONE_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request to the source. `target` is raw path and query below the source's base, byte for byte.

    `headers` are end-to-end ones, without Host. A call that only reads (`read_only`) is asked once more, on a fresh
    connection, where the first one proved dead. A `bounded` one must be answered whole within the total timeout.
    """

    method: str
    target: str
    headers: Pairs
    body: bytes | AsyncIterator[bytes] = b""
    read_only: bool
    bounded: bool = False


class Upstream:
    """A source's connections. `failing`: it could not be reached when it was last asked."""

    def __init__(self, source: Source, on_failure: OnFailure = lambda uid, error: None) -> None:
        self._source = source
        self._on_failure = on_failure
        self.in_use = Users()
        """Entered while a call is under way that may yet ask this source: it is not retired before."""
        self.failing = False
        self._uid = source.uid
        self._base = source.url.rstrip("/")
        self._fixed = _fixed_headers(source)
        self._slots = asyncio.Semaphore(source.max_concurrent)
        self._session: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Raises ConfigError for TLS files that cannot be used."""
        self._session = open_session(self._source, force_close=False)
        self._fresh = open_session(self._source, force_close=True)

    async def close(self) -> None:
        for session in (self._session, self._fresh):
            if session is not None:
                await session.close()

    async def retire(self) -> None:
        """Close when nobody uses it any more."""
        try:
            await self.in_use.none()
        finally:
            await self.close()

    async def fetch(self, outgoing: Outgoing) -> Response:
        """Raises UpstreamError, UpstreamTimeout, UpstreamBusy; and what the client's body raises where that fails."""
        try:
            response = await self._fetch(outgoing)
        except UpstreamError as error:
            self.failing = not isinstance(error, UpstreamBusy)
            self._on_failure(self._uid, error)
            raise
        self.failing = False
        return response

    async def _fetch(self, outgoing: Outgoing) -> Response:
        until = None
        if outgoing.bounded and self._source.timeouts.total_ms:
            until = asyncio.get_running_loop().time() + self._source.timeouts.total_ms / 1000
        slot = await self._slot(until)
        try:
            return await self._send(outgoing, slot, until)
        except BaseException:
            slot.free()
            raise

    def not_as_coded(self) -> UpstreamError:
        """The failure of a whole answer that cannot be decoded; counted like the others."""
        error = not_as_coded(self._uid)
        self._on_failure(self._uid, error)
        return error

    async def websocket(self, outgoing: Outgoing) -> Switched | Response:
        """Ask for a WebSocket on a connection of its own: the connection, or the answer that refuses it. The handshake is
        the caller's, without `Connection` and `Upgrade`. Raises as `fetch` does.

        Only the handshake takes a slot: a live tail that stays open for hours must not keep queries waiting.
        """
        assert self._fresh is not None
        asked = replace(outgoing, headers=(*outgoing.headers, ("Connection", "Upgrade"), ("Upgrade", "websocket")))
        key = CIMultiDict(outgoing.headers).get("Sec-WebSocket-Key", "")
        slot = await self._slot(None)
        try:
            response = await self._ask(self._fresh, asked, None, None, Reuse())
            if response.status == 101 and is_websocket(response, key):
                slot.free()
                return Switched(response, answer_headers(response.headers))
            return self._answer(response, slot, None, None)
        except BaseException as error:
            slot.free()
            if not isinstance(error, aiohttp.ClientError | OSError | UpstreamError):
                raise
            failed = error if isinstance(error, UpstreamError) else failure(self._uid, error)
            self._on_failure(self._uid, failed)
            raise failed from error

    async def _slot(self, until: float | None) -> Slot:
        if not self._slots.locked():
            await self._slots.acquire()
            return Slot(self._slots)
        queued_until = asyncio.get_running_loop().time() + self._source.queue_timeout_ms / 1000
        try:
            async with asyncio.timeout_at(earlier(until, queued_until)):
                await self._slots.acquire()
        except TimeoutError as error:
            raise UpstreamBusy(
                f"Data source {self._uid} has {self._source.max_concurrent} requests in flight; "
                "raise its max_concurrent if it can take more.",
                kind="timeout-queue",
                extra={"dataSourceUID": self._uid},
            ) from error
        return Slot(self._slots)

    async def _send(self, outgoing: Outgoing, slot: Slot, until: float | None) -> Response:
        assert self._session is not None
        assert self._fresh is not None
        sending = None if isinstance(outgoing.body, bytes) else Sending(outgoing.body)
        reuse = Reuse()
        # What may act is never asked twice, so it takes no connection that the source may just be closing.
        session = self._session if outgoing.read_only else self._fresh
        try:
            response = await self._ask(session, outgoing, sending, until, reuse)
        except (aiohttp.ClientError, OSError) as error:
            repeatable = outgoing.read_only and sending is None and reuse.happened
            if not (repeatable and died_before_answering(error)):
                raise failure(self._uid, error) from error
            try:
                response = await self._ask(self._fresh, outgoing, sending, until, reuse)
            except (aiohttp.ClientError, OSError) as again:
                raise failure(self._uid, again) from again
        return self._answer(response, slot, until, sending)

    def _answer(
        self, response: aiohttp.ClientResponse, slot: Slot, until: float | None, sending: Sending | None
    ) -> Response:
        if response.status < 200:  # 101, which nobody asked for: what follows is not HTTP
            response.close()
            raise malformed(self._uid)
        return Response(
            uid=self._uid,
            response=response,
            slot=slot,
            between_s=self._source.timeouts.between_bytes_ms / 1000,
            until=until,
            sending=sending,
            on_failure=self._on_failure,
        )

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        outgoing: Outgoing,
        sending: Sending | None,
        until: float | None,
        reuse: Reuse,
    ) -> aiohttp.ClientResponse:
        deadline = Deadline(self._source.timeouts.first_byte_ms / 1000, until)
        try:
            async with deadline.waiting:
                return await session.request(
                    outgoing.method,
                    self._url(outgoing.target),
                    headers=self._headers(outgoing),
                    data=sending.chunks(deadline) if sending is not None else _data(outgoing.body),
                    allow_redirects=False,
                    trace_request_ctx=reuse,
                )
        except Exception as error:
            if sending is not None and sending.error is not None:
                raise sending.error from error
            if isinstance(error, TimeoutError) and deadline.waiting.expired():
                raise timed_out(self._uid, "total" if deadline.is_total else "first_byte") from error
            raise

    def _url(self, target: str) -> URL:
        return URL(self._base + target, encoded=True)

    def _headers(self, outgoing: Outgoing) -> CIMultiDict[str]:
        headers: CIMultiDict[str] = CIMultiDict()
        spelt: dict[str, str] = {}  # of a name in two spellings aiohttp would send the last field alone
        for name, value in outgoing.headers:
            headers.add(spelt.setdefault(name.lower(), name), value)
        if isinstance(outgoing.body, bytes):
            headers.popall("Content-Length", None)
        for name, value in self._fixed:
            headers[name] = value
        return headers


def _data(body: bytes | AsyncIterator[bytes]) -> object:
    """aiohttp warns of large bytes, and takes a file in parts."""
    assert isinstance(body, bytes)
    return BytesIO(body) if len(body) > _IN_ONE_PIECE_BYTES else body or None


def _fixed_headers(source: Source) -> Pairs:
    headers = [(name, str(value)) for name, value in source.headers.items()]
    if source.basic_auth is not None:
        credentials = f"{source.basic_auth.username}:{source.basic_auth.password!s}"
        headers.append(("Authorization", f"Basic {b64encode(credentials.encode()).decode()}"))
    return tuple(headers)
