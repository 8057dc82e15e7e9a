"""What may be answered: the settings that may be in force at a moment, and how old an answer may be then.

A call of the API that was acknowledged holds on the replica that acknowledged it at once, on the others a second later.
One that failed may have been taken all the same, or be taken later: what it asked for may be in force, and need not be.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

LENIENCE = float(os.environ.get("CHAOS_LENIENCE", "3"))
"""By how much a machine may be slower than the promises suppose; `make chaos` takes them at their word."""
OTHERS_SECONDS = 1.0 * LENIENCE
"""Until every replica knows of a change."""
SLACK_SECONDS = 1.0 * LENIENCE
"""An answer's age counts from when its last byte had come, which on a busy machine is later than when it was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    enabled: bool
    ttl_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`settings` may come of it; `holds_from` is when it holds, by replica: empty until it is acknowledged."""

    settings: frozenset[Settings]
    called_at: float
    holds_from: dict[str, float]

    def holds(self, replica: str, at: float) -> bool:
        return replica in self.holds_from and self.holds_from[replica] <= at


@dataclass
class Oracle:
    """Of one source in one group of replicas that share their settings."""

    replicas: tuple[str, ...]
    first: Settings
    changes: list[Change] = field(default_factory=list)
    cleaned: list[Change] = field(default_factory=list)
    """Acknowledged cleans and disables: no answer that was asked for before the call may be given after it."""

    def called(self, change: Callable[[Settings], Settings], called_at: float) -> Change:
        """From now on it may be in force; `acknowledged` says from when on it is."""
        made = Change(settings=frozenset(map(change, self.possible())), called_at=called_at, holds_from={})
        self.changes.append(made)
        return made

    def acknowledged(self, change: Change, by: str, now: float, *, cleans: bool) -> None:
        change.holds_from.update({each: now + (0 if each == by else OTHERS_SECONDS) for each in self.replicas})
        if cleans:
            self.cleaned.append(change)

    def never_came(self, change: Change) -> None:
        self.changes.remove(change)

    def possible(self, replica: str = "", at: float = float("inf")) -> set[Settings]:
        """What may be in force: what was acknowledged last, and whatever was asked for since. Without a replica, once
        everything has come to rest."""
        found: set[Settings] = set()
        for change in reversed(self.changes):
            found |= change.settings
            if change.holds(replica or self.replicas[0], at):
                return found
        return found | {self.first}

    def oldest(self, replica: str, began: float) -> float:
        """The earliest time that an answer may have been asked for at the source."""
        return max((each.called_at for each in self.cleaned if each.holds(replica, began)), default=float("-inf"))

    def longest_seconds(self, replica: str, began: float) -> float:
        """The most that an answer's age may be."""
        return max(each.ttl_ms for each in self.possible(replica, began)) / 1000 + SLACK_SECONDS
