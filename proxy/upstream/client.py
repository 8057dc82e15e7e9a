"""The client of one data source: its connections, its slots, its timeouts.

aiohttp's client is a browser by default: it keeps cookies, follows redirects, undoes codings, rewrites URLs and asks
again. All of that is off (the numbers T6 to T12 in the tests of traps): a proxy passes on what is there.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ..config.schema import Source, Tls
from ..core.headers import end_to_end
from ..core.model import Pairs
from ..errors import ConfigError, UpstreamBusy, UpstreamError
from .failure import died_before_answering, failure, timed_out
from .resolver import CheckedResolver

_MAX_LINE_BYTES = 64 * 1024
"""Of a status line or header field: the sources' own limits are higher than aiohttp's 8 KiB."""
_MAX_FIELDS = 512
_KEEPALIVE_SECONDS = 30.0


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


OnFailure = Callable[[str, UpstreamError], None]
"""Told the uid of a source and what it failed at: once for each failure."""


class Response:
    """A source's answer, its head read. Close it in any case: it holds one of the source's slots."""

    def __init__(
        self,
        uid: str,
        response: aiohttp.ClientResponse,
        slot: "Slot",
        between_s: float,
        until: float | None,
        on_failure: OnFailure,
    ) -> None:
        self._uid = uid
        self._on_failure = on_failure
        self._response = response
        self._slot = slot
        self._between_s = between_s
        self._until = until
        self.status = response.status
        self.headers = _answer_headers(response.headers)
        self.content_length = None if "Transfer-Encoding" in response.headers else response.content_length

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, its coding not undone. Raises UpstreamError unless it ended as announced."""
        content = self._response.content
        endless = self.headers.get("Content-Type", "").startswith("text/event-stream")
        loop = asyncio.get_running_loop()
        try:
            while True:
                until = self._until if endless else _earlier(self._until, loop.time() + self._between_s)
                async with asyncio.timeout_at(until):
                    chunk = await content.readany()
                if not chunk:
                    break
                yield chunk
        except TimeoutError as error:
            raise self._failed(timed_out(self._uid, "between-bytes", "its answer stalled or took too long")) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._failed(failure(self._uid, error)) from error
        finally:
            await self.aclose()

    def _failed(self, error: UpstreamError) -> UpstreamError:
        self._on_failure(self._uid, error)
        return error

    async def aclose(self) -> None:
        """Frees the slot; closes the connection if the body was not read to its end."""
        self._response.release() if self._response.content.at_eof() else self._response.close()
        self._slot.free()


class Slot:
    """One of a source's concurrent requests; freed once."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots: asyncio.Semaphore | None = slots

    def free(self) -> None:
        if self._slots is not None:
            self._slots.release()
            self._slots = None


class Upstream:
    """A source's connections. `failing`: it could not be reached when it was last asked."""

    def __init__(self, source: Source, on_failure: OnFailure = lambda uid, error: None) -> None:
        self._source = source
        self._on_failure = on_failure
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()
        self.failing = False
        self._uid = source.uid
        self._base = source.url.rstrip("/")
        self._fixed = _fixed_headers(source)
        self._slots = asyncio.Semaphore(source.max_concurrent)
        self._session: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Raises ConfigError for TLS files that cannot be used."""
        tls = _ssl_context(self._uid, self._source.tls)
        self._session = self._open(tls, force_close=False)
        self._fresh = self._open(tls, force_close=True)

    async def close(self) -> None:
        for session in (self._session, self._fresh):
            if session is not None:
                await session.close()

    @contextmanager
    def used(self) -> Iterator[None]:
        """While a call is under way that may yet ask this source: it is not retired before."""
        self._users += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def retire(self) -> None:
        """Close when nobody uses it any more."""
        try:
            await self._unused.wait()
        finally:
            await self.close()

    async def fetch(self, outgoing: Outgoing) -> Response:
        """Raises UpstreamError, UpstreamTimeout, UpstreamBusy."""
        try:
            response = await self._fetch(outgoing)
        except UpstreamError as error:
            self.failing = not isinstance(error, UpstreamBusy)
            self._on_failure(self._uid, error)
            raise
        self.failing = False
        return response

    async def _fetch(self, outgoing: Outgoing) -> Response:
        slot = await self._slot()
        try:
            return await self._send(outgoing, slot)
        except BaseException:
            slot.free()
            raise

    async def websocket(
        self, outgoing: Outgoing, protocols: tuple[str, ...], max_message_bytes: int
    ) -> aiohttp.ClientWebSocketResponse:
        """A WebSocket to the source; its handshake's refusal is aiohttp's WSServerHandshakeError, with the status."""
        assert self._session is not None
        try:
            return await self._session.ws_connect(
                self._url(outgoing.target),
                headers=self._headers(outgoing),
                protocols=protocols,
                autoping=False,
                max_msg_size=max_message_bytes,
                timeout=aiohttp.ClientWSTimeout(ws_close=10.0),
            )
        except aiohttp.WSServerHandshakeError:
            raise
        except (aiohttp.ClientError, OSError) as error:
            failed = failure(self._uid, error)
            self._on_failure(self._uid, failed)
            raise failed from error

    async def _slot(self) -> Slot:
        try:
            async with asyncio.timeout(self._source.queue_timeout_ms / 1000):
                await self._slots.acquire()
        except TimeoutError as error:
            raise UpstreamBusy(
                f"Data source {self._uid} has {self._source.max_concurrent} requests in flight; "
                "raise its max_concurrent if it can take more.",
                kind="timeout-queue",
                extra={"dataSourceUID": self._uid},
            ) from error
        return Slot(self._slots)

    async def _send(self, outgoing: Outgoing, slot: Slot) -> Response:
        assert self._session is not None
        assert self._fresh is not None
        until = None
        if outgoing.bounded and self._source.timeouts.total_ms:
            until = asyncio.get_running_loop().time() + self._source.timeouts.total_ms / 1000
        try:
            response = await self._ask(self._session, outgoing)
        except (aiohttp.ClientError, OSError) as error:
            if not (outgoing.read_only and isinstance(outgoing.body, bytes) and died_before_answering(error)):
                raise failure(self._uid, error) from error
            try:
                response = await self._ask(self._fresh, outgoing)
            except (aiohttp.ClientError, OSError) as again:
                raise failure(self._uid, again) from again
        between_s = self._source.timeouts.between_bytes_ms / 1000
        return Response(self._uid, response, slot, between_s, until, self._on_failure)

    async def _ask(self, session: aiohttp.ClientSession, outgoing: Outgoing) -> aiohttp.ClientResponse:
        first_byte_s = self._source.timeouts.first_byte_ms / 1000
        try:
            async with asyncio.timeout(first_byte_s) as waiting:
                body = outgoing.body
                if not isinstance(body, bytes):
                    body = _postponing(body, waiting, first_byte_s)
                return await session.request(
                    outgoing.method,
                    self._url(outgoing.target),
                    headers=self._headers(outgoing),
                    data=body or None,
                    allow_redirects=False,
                )
        except aiohttp.ConnectionTimeoutError:
            raise
        except TimeoutError as error:
            raise timed_out(self._uid, "first-byte", "it did not begin to answer in time") from error

    def _url(self, target: str) -> URL:
        return URL(self._base + target, encoded=True)

    def _headers(self, outgoing: Outgoing) -> CIMultiDict[str]:
        headers = CIMultiDict(outgoing.headers)
        if isinstance(outgoing.body, bytes):
            headers.popall("Content-Length", None)
        for name, value in self._fixed:
            headers[name] = value
        return headers

    def _open(self, tls: ssl.SSLContext | bool, *, force_close: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,  # the slots are ours, with a queue that ends: one hung source must not stop the others
            force_close=force_close,
            keepalive_timeout=None if force_close else _KEEPALIVE_SECONDS,
            resolver=CheckedResolver(),
            ssl=tls,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._source.timeouts.connect_ms / 1000),
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
            max_headers=_MAX_FIELDS,
            read_bufsize=64 * 1024,
        )
        # aiohttp would send PUT and DELETE twice on a connection that died; what is sent again is decided here.
        session._retry_connection = False
        return session


async def _postponing(
    body: AsyncIterator[bytes], waiting: asyncio.Timeout, first_byte_s: float
) -> AsyncIterator[bytes]:
    """A body that is still arriving: the wait for the answer begins with its last byte."""
    loop = asyncio.get_running_loop()
    async for chunk in body:
        yield chunk
        if not waiting.expired():
            waiting.reschedule(loop.time() + first_byte_s)


def _fixed_headers(source: Source) -> Pairs:
    headers = [(name, str(value)) for name, value in source.headers.items()]
    if source.basic_auth is not None:
        basic = aiohttp.BasicAuth(source.basic_auth.username, str(source.basic_auth.password), encoding="utf-8")
        headers.append(("Authorization", basic.encode()))
    return tuple(headers)


def _answer_headers(headers: CIMultiDictProxy[str]) -> CIMultiDictProxy[str]:
    """End-to-end fields. One with bytes that are no UTF-8 is left out: it cannot be written again as it came."""
    kept = ((name, value) for name, value in end_to_end(headers) if value.isascii() or _is_utf8(value))
    return CIMultiDictProxy(CIMultiDict(kept))


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _ssl_context(uid: str, tls: Tls) -> ssl.SSLContext | bool:
    """True stands for aiohttp's own, which verifies by the system's authorities and is made once for all sources."""
    if tls == Tls():
        return True
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(((f"datasources.{uid}.tls", f"these files cannot be used: {error}"),)) from error
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _earlier(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)
