"""How many use something that may only be closed when nobody does."""

import asyncio
from types import TracebackType


class Users:
    """Entered and left by each user, any number at once."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self._count += 1
        self._none.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._count -= 1
        if not self._count:
            self._none.set()

    async def none(self) -> None:
        """Wait until there are none."""
        await self._none.wait()
