"""The protocol of a settings store: one small value, read whole, changed atomically, watched cheaply."""

from collections.abc import Callable
from typing import Protocol

from .contents import Contents

Edit = Callable[[Contents], Contents]
"""A pure step from what the store holds to what it shall hold; may be called again when another process was faster.

It may add and replace records and move the generation; it removes nothing. The version is the store's affair.
"""


class SettingsStore(Protocol):
    """Shared by processes. Reading raises `SettingsUnreadable`, changing `SettingsNotDurable`, each with the reason."""

    async def start(self) -> None:
        """Open it, and create it where there is none. `SettingsNotDurable` when it cannot be created,
        `SettingsUnreadable` when it is there and cannot be read; a store that may come later (Redis) raises neither."""

    async def load(self) -> Contents: ...

    async def version(self) -> str:
        """The version of what it holds now: another value after every change, "" when it holds nothing."""

    async def change(self, edit: Edit) -> Contents:
        """Read, edit and write as one step, and return what is durably there. An edit that changes nothing writes
        nothing. When it raises, nothing has changed."""

    async def close(self) -> None: ...
