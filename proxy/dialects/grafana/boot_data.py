"""The data that Grafana's pages start with, and in it what they know of caching.

Grafana's stock pages offer a panel's "Cache TTL" where a data source's `cachingConfig` says that it is cached, which the
free edition never says. Here that one member is replaced, or put in where it is missing, and every other byte stays. Values
on the way are skipped by the JSON scanner, which is C; only the levels that lead to a data source are walked. A shape that
is not known, or a name given twice on the way, is left alone.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from json import JSONDecodeError, JSONDecoder, dumps
from typing import NamedTuple

_scan = JSONDecoder().raw_decode
_SPACE = re.compile(r"[ \t\n\r]*")
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_PAGE = re.compile(r"window\.grafanaBootData\s*=\s*(?=\{)")
"""In the page it is a script's literal: names without quotes, a comma after the last, but values in JSON."""


class _Unknown(Exception):
    """The document is not of a shape that is known."""


class _Member(NamedTuple):
    name: str
    value: object
    start: int
    end: int
    """Of the value in the text."""


def with_caching(document: bytes, shown: Mapping[str, tuple[bool, int]]) -> bytes | None:
    """The document with `cachingConfig` {enabled, TTLMs} of the data sources whose uid is in `shown`.

    It may be what /api/frontend/settings or /bootdata answer, or an HTML page. None: leave it as it is.
    """
    try:
        text = document.decode()
        edits = list(_edits(text, _datasources(text), shown))
    except (ValueError, RecursionError, _Unknown):  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        return None
    parts: list[str] = []
    at = 0
    for start, end, new in edits:
        parts += (text[at:start], new)
        at = end
    parts.append(text[at:])
    return "".join(parts).encode()


def org_of(document: bytes) -> int | None:
    """The org of the user whom a page or /bootdata is for; None where there is none or it is not said."""
    try:
        user = _one(list(_boot_members(document.decode())), "user").value
    except (ValueError, RecursionError, _Unknown):
        return None
    org = user.get("orgId") if isinstance(user, dict) else None
    return org if type(org) is int and org > 0 else None


def _datasources(text: str) -> _Member:
    top = list(_boot_members(text))
    names = {member.name for member in top}
    if "settings" in names and "datasources" not in names:
        top = list(_members(text, _one(top, "settings").start))
    return _one(top, "datasources")


def _boot_members(text: str) -> Iterator[_Member]:
    start = _skip(text, 0)
    if text.startswith("{", start):
        return _members(text, start)
    pages = list(_PAGE.finditer(text))
    if len(pages) != 1 or not text.startswith("<", start):
        raise _Unknown
    return _members(text, pages[0].end(), script=True)


def _one(members: Sequence[_Member], name: str) -> _Member:
    found = [member for member in members if member.name == name]
    if len(found) != 1:
        raise _Unknown
    return found[0]


def _edits(text: str, datasources: _Member, shown: Mapping[str, tuple[bool, int]]) -> Iterator[tuple[int, int, str]]:
    """From where to where, and what is put there instead; in order."""
    sources = list(_members(text, datasources.start))
    if len({source.name for source in sources}) != len(sources):
        raise _Unknown
    for source in sources:
        if not isinstance(source.value, dict):
            raise _Unknown
        uid = source.value.get("uid")
        if not isinstance(uid, str) or uid not in shown:
            continue
        enabled, ttl_ms = shown[uid]
        config = dumps({"enabled": enabled, "TTLMs": ttl_ms}, separators=(",", ":"))
        members = list(_members(text, source.start))
        _one(members, "uid")
        if any(member.name == "cachingConfig" for member in members):
            old = _one(members, "cachingConfig")
            if not isinstance(old.value, dict | None):
                raise _Unknown
            yield old.start, old.end, config
        else:
            yield members[-1].end, members[-1].end, f',"cachingConfig":{config}'


def _members(text: str, at: int, *, script: bool = False) -> Iterator[_Member]:
    """The members of the object that begins at `at`, to its end; in a script, to the first value that is not JSON (newer
    pages have one, but after all that counts).
    """
    at = _after(text, at, "{")
    while not text.startswith("}", at):
        if text.startswith('"', at):
            name, at = _scan(text, at)
        elif script and (found := _NAME.match(text, at)):
            name, at = found[0], found.end()
        else:
            raise _Unknown
        start = _after(text, _skip(text, at), ":")
        try:
            value, end = _scan(text, start)
        except JSONDecodeError:
            if script:
                return
            raise
        yield _Member(name, value, start, end)
        at = _skip(text, end)
        if not text.startswith("}", at):
            at = _after(text, at, ",")
            if not script and text.startswith("}", at):
                raise _Unknown


def _after(text: str, at: int, char: str) -> int:
    if not text.startswith(char, at):
        raise _Unknown
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
