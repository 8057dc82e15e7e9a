"""The environment variables that Millpond reads, and those that only look like them."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Final, get_type_hints

import msgspec

from .convert import Problems, is_secret, join
from .schema import Config, Section

_PREFIX = "MILLPOND_"
CONFIG: Final = "MILLPOND_CONFIG"
FLAGS: Final = {
    "config": CONFIG,
    "upstream": "MILLPOND_UPSTREAM",
    "type": "MILLPOND_TYPE",
    "uid": "MILLPOND_UID",
}
"""Flags that are no key of the file."""
_SERVICE = re.compile(
    r"MILLPOND_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_SERVICE_ADDRESS = re.compile(r"MILLPOND_(?:[A-Z0-9_]+_)?PORT")


def variable(path: str) -> str:
    """Of a key of the file: `caching.ttl` is MILLPOND_CACHING_TTL."""
    return f"{_PREFIX}{path.replace('.', '_').upper()}"


def variables() -> dict[str, str]:
    """Every environment variable that is a key of the file, and its path there."""
    return {variable(path): path for path in _scalar_paths(Config)}


def settings(environ: Mapping[str, str], problems: Problems) -> Iterator[tuple[str, str]]:
    """Path in the file and name of each variable that is set. An empty one counts as not set, as in Grafana."""
    known = variables()
    for name in sorted(environ):
        if not name.startswith(_PREFIX) or name in FLAGS.values() or is_of_a_service(name, environ[name]):
            continue
        if name not in known:
            names = [other.removeprefix(_PREFIX) for other in (*known, *FLAGS.values())]
            near = difflib.get_close_matches(name.removeprefix(_PREFIX), names, n=1)
            hint = f"did you mean {_PREFIX}{near[0]}?" if near else "docs/configuration.md has the names"
            problems.append((name, f"is not an environment variable of Millpond; {hint}"))
        elif environ[name] and environ.get(f"{name}_FILE"):
            problems.append((name, f"give either {name} or {name}_FILE"))
        elif environ[name]:
            yield known[name], name


def is_of_a_service(name: str, value: str) -> bool:
    """Kubernetes tells every pod of the Services in its namespace, and one of them may be called millpond."""
    return bool(_SERVICE.fullmatch(name) or (_SERVICE_ADDRESS.fullmatch(name) and "://" in value))


def _scalar_paths(kind: type[Section], path: str = "") -> Iterator[str]:
    hints = get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        hint, here = hints[field.name], join(path, field.encode_name)
        if not isinstance(hint, type):
            continue  # lists and mappings come from the file
        if issubclass(hint, Section):
            yield from _scalar_paths(hint, here)
        else:
            yield here
            if is_secret(hint):
                yield f"{here}_file"
