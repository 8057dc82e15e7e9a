"""A configuration in the file's own form, secrets redacted: what `print-config` shows."""

from typing import Any

import msgspec
import yaml

from ..core.durations import format_ms
from .schema import Config, Duration, Secret, Section

_REDACTED = "[redacted]"
_HIDDEN = frozenset(("owns_root",))


def dump(config: Config) -> str:
    text: str = yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)
    return text


def _plain(value: Any) -> Any:
    match value:
        case Section():
            fields = ((field, getattr(value, field.name)) for field in msgspec.structs.fields(value))
            return {
                field.encode_name: _plain(item)
                for field, item in fields
                if item is not None and field.name not in _HIDDEN
            }
        case Duration():
            return format_ms(value)
        case Secret():
            return _redacted_url(value) if "://" in value else (_REDACTED if value else "")
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
        case _:
            return value


def _redacted_url(url: str) -> str:
    """A URL without its user, password and parameters."""
    scheme, _, rest = url.partition("://")
    rest, query, _ = rest.partition("?")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        authority = f"{_REDACTED}@{authority.rpartition('@')[2]}"
    return f"{scheme}://{authority}{slash}{path}{f'?{_REDACTED}' if query else ''}"
