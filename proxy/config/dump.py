"""A configuration in the file's own form, secrets redacted: what `print-config` shows, and what reads back as the same."""

import re
from typing import Any

import msgspec
import yaml

from ..core.durations import format_ms
from .schema import Config, Duration, Redis, Secret, Section

_REDACTED = "redacted"
"""Also where a user and password stood in a URL, so that it can be read back."""
_SPECIAL_DOLLAR = re.compile(r"\$(?=[${])")


def dump(config: Config) -> str:
    text: str = yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)
    return text


def plain(section: Section) -> dict[str, Any]:
    """A section by its keys in the file, without those that have neither a value nor a default."""
    fields = ((field, getattr(section, field.name)) for field in msgspec.structs.fields(section))
    shown = {field.encode_name: _plain(item) for field, item in fields if item is not None}
    if isinstance(section, Redis):
        shown["url"] = _dollars_doubled(_redacted_url(section.url))
    return shown


def _plain(value: Any) -> Any:
    match value:
        case Section():
            return plain(value)
        case Duration():
            return format_ms(value)
        case Secret():
            return _REDACTED if value else ""
        case str():
            return _dollars_doubled(value)
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
        case _:
            return value


def _dollars_doubled(text: str) -> str:
    """Where a reader would take one for a variable."""
    return _SPECIAL_DOLLAR.sub("$$", text)


def _redacted_url(url: str) -> str:
    """Cautious with a password that was not percent-encoded: what stands before an `@` is never shown."""
    scheme, separator, rest = url.partition("://")
    place, question_mark, parameters = rest.partition("?")
    if not separator or "@" in parameters:
        return f"{scheme}://{_REDACTED}" if separator else _REDACTED
    _, at, host = place.rpartition("@")
    return f"{scheme}://{_REDACTED + at if at else ''}{host}{f'?{_REDACTED}' if question_mark else ''}"
