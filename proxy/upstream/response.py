"""An answer of a data source: its head, its body as it comes, and the slot that it holds until it is closed."""

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from ..core.headers import end_to_end
from ..errors import UpstreamError
from .failure import failure, timed_out
from .sending import Sending, earlier

OnFailure = Callable[[str, UpstreamError], None]
"""Told the uid of a source and what it failed at: once for each failure."""


class Slot:
    """One of a source's concurrent requests; freed once."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots: asyncio.Semaphore | None = slots

    def free(self) -> None:
        if self._slots is not None:
            self._slots.release()
            self._slots = None


class Response:
    """A source's answer, its head read. Close it in any case: it holds one of the source's slots."""

    def __init__(
        self,
        *,
        uid: str,
        response: aiohttp.ClientResponse,
        slot: Slot,
        between_s: float,
        until: float | None,
        sending: Sending | None,
        on_failure: OnFailure,
    ) -> None:
        self._uid = uid
        self._on_failure = on_failure
        self._response = response
        self._slot = slot
        self._between_s = between_s
        self._until = until
        self._sending = sending
        self.status = response.status
        self.headers = answer_headers(response.headers)
        chunked = "Transfer-Encoding" in response.headers
        self.content_length = None if chunked else response.content_length
        self.says_its_end = chunked or self.content_length is not None
        """Without a length or chunks, nothing tells an answer that broke off from a whole one."""

    @property
    def has_begun(self) -> bool:
        """Whether some of the body has come with the head, or there is none."""
        return self._response.content.is_eof() or self._response.content.total_bytes > 0

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, its coding not undone. Raises UpstreamError unless it ended as announced."""
        content = self._response.content
        endless = self.headers.get("Content-Type", "").lower().startswith("text/event-stream")
        loop = asyncio.get_running_loop()
        until = self._until
        try:
            while True:
                if content.is_eof() and content.exception() is None:  # all that is left has come
                    chunk = content.read_nowait()
                else:
                    if not endless:
                        until = earlier(self._until, loop.time() + self._between_s)
                    async with asyncio.timeout_at(until):
                        chunk = await content.readany()
                if not chunk:
                    break
                yield chunk
        except TimeoutError as error:
            phase = "total" if until == self._until else "between_bytes"
            raise self._failed(timed_out(self._uid, phase)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._failed(failure(self._uid, error)) from error
        finally:
            await self.aclose()

    def _failed(self, error: UpstreamError) -> UpstreamError:
        self._on_failure(self._uid, error)
        return error

    async def aclose(self) -> None:
        """Frees the slot; closes the connection unless both bodies went over it whole."""
        whole = self._response.content.at_eof() and (self._sending is None or self._sending.ended)
        self._response.release() if whole else self._response.close()
        self._slot.free()


def answer_headers(headers: CIMultiDictProxy[str]) -> CIMultiDictProxy[str]:
    """End-to-end fields. One that cannot be written again as it came, and would cost the whole answer, is left out."""
    return CIMultiDictProxy(CIMultiDict(pair for pair in end_to_end(headers) if _can_be_written(pair[1])))


def _can_be_written(value: str) -> bool:
    """No control character, which aiohttp's parser lets through and its writer refuses; bytes that are UTF-8."""
    if value.isascii():
        return value.replace("\t", " ").isprintable()
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return not any((char < " " and char != "\t") or char == "\x7f" for char in value)
