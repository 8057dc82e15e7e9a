"""Logs as logfmt, JSON or for a console. No secret is ever given to a logger; values of query strings are redacted.

A line's own fields come in `extra`: `log.info("reloaded", extra={"sources": 3})`.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TextIO

import orjson

_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_NEEDS_QUOTES = re.compile(r'[\s="\\]|^$')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_VALUE = re.compile(r"=[^&]*")
_BARE = re.compile(r"(?:^|(?<=&))[^&=]+(?=&|$)")


def configure(log_format: str, log_level: str, stream: TextIO) -> None:
    """One handler for the whole process; aiohttp and asyncio speak through it too."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_FORMATS[log_format]())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log_level.upper())
    for chatty in ("aiohttp.access", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


def redact_query(raw_query: str) -> str:
    """The names of a query string's parameters, without their values. What has no name is all value."""
    return _VALUE.sub("=…", _BARE.sub("…", raw_query))


def redact_path(raw_path: str) -> str:
    """The path of a request line; the user and password of an absolute URL are left out."""
    return raw_path if raw_path.startswith("/") else raw_path.rpartition("@")[2]


class Quiet:
    """Lets one line of a kind through in a while, and says in the next one how many it held back."""

    def __init__(self, seconds: float = 1.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._next: dict[str, tuple[float, int]] = {}

    def log(
        self,
        logger: logging.Logger,
        level: int,
        kind: str,
        text: str,
        extra: Mapping[str, object] | None = None,
        *,
        exc_info: bool = False,
    ) -> None:
        """Log the line unless one of its kind went through a moment ago. `kind` is from a closed list."""
        now = self._monotonic()
        due, held_back = self._next.get(kind, (now, 0))
        if now < due:
            self._next[kind] = (due, held_back + 1)
            return
        self._next[kind] = (now + self._seconds, 0)
        fields = {**(extra or {})} | ({"times_before": held_back} if held_back else {})
        logger.log(level, text, extra=fields, exc_info=exc_info)


class _Logfmt(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{name}={_quote(str(value))}" for name, value in _fields(self, record).items())


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return orjson.dumps(_fields(self, record), default=str).decode()


class _Console(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(self, record)
        clock, level, _, message = (fields.pop(name) for name in ("time", "level", "logger", "msg"))
        trace = fields.pop("trace", "")
        rest = "".join(f" {name}={_quote(str(value))}" for name, value in fields.items())
        line = f"{str(clock)[11:23]} {str(level).upper():<7} {_CONTROL.sub('?', str(message))}{rest}"
        return f"{line}\n{trace}" if trace else line


_FORMATS: dict[str, type[logging.Formatter]] = {"logfmt": _Logfmt, "json": _Json, "console": _Console}


def _fields(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, object]:
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    fields: dict[str, object] = {
        "time": when,
        "level": record.levelname.lower(),
        "logger": record.name.replace("proxy", "millpond", 1),  # the package's name says nothing to an operator
        "msg": record.getMessage(),
    }
    fields.update((name, value) for name, value in record.__dict__.items() if name not in _PLAIN)
    if record.exc_info:
        fields["trace"] = formatter.formatException(record.exc_info)
    return fields


def _quote(value: str) -> str:
    """A logfmt value; line breaks and control characters cannot forge a line."""
    if _CONTROL.search(value):
        value = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}" if match[0] != "\n" else "\\n", value)
        return '"' + value.replace('"', '\\"') + '"'
    if _NEEDS_QUOTES.search(value):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return value
