"""The two waits of a request to a source: for the client to send its body, and for the source to begin its answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress


class Sending:
    """A body that is still arriving from the client. `error` is the client's own failure to send it; once `ended`, the
    source has been given all of it.
    """

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self.error: Exception | None = None
        self.ended = False

    async def chunks(self, deadline: "Deadline") -> AsyncIterator[bytes]:
        """Each chunk puts off the deadline: the wait for the answer begins with the last one."""
        try:
            async for chunk in self._body:
                yield chunk
                deadline.begin_again()
        except Exception as error:
            self.error = error
            raise
        self.ended = True


class Deadline:
    """Of the wait for an answer's head: the first-byte time-out, or the total one where that ends before."""

    def __init__(self, first_byte_s: float, until: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._first_byte_s = first_byte_s
        self._until = until
        self.waiting = asyncio.timeout_at(self._next())

    def begin_again(self) -> None:
        with suppress(RuntimeError):  # the wait is over: it answers before it has read all
            self.waiting.reschedule(self._next())

    @property
    def is_total(self) -> bool:
        return self._until is not None and self.waiting.when() == self._until

    def _next(self) -> float:
        return earlier(self._until, self._loop.time() + self._first_byte_s)


def earlier(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)
