"""Grafana's data sources: what a reference of a request names, and what Grafana says of it.

Asked with the caller's own credentials; where they may query a data source and not read it (Enterprise), with the token of
the configuration; else what Grafana's pages are told of it counts, which has its settings and not its version. Remembered
for half a minute: so long may an edit that did not come through here stay unnoticed.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from urllib.parse import quote

import orjson

from ...core.model import Pairs
from ...dialects.grafana.routes import ById, ByName, ByUid, Ref
from ...dialects.grafana.sharing import Sharing, sharing
from ...settings.model import uid_in_org
from .asking import Asking
from .facts import Fact, Facts

SECONDS = 30.0

_OF_PAGES = "pages:"
_TELLING = ("type", "url", "access", "database", "user", "basicAuth", "withCredentials", "jsonData", "apiVersion")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """`version` differs between any two states of it that are known to differ: Grafana counts the edits; where it does not
    say how many, its settings stand for that.
    """

    org_id: int
    id: int
    uid: str
    name: str
    type: str
    version: str
    sharing: Sharing

    @property
    def edits_are_seen(self) -> bool:
        """Whether an edit of it that did not come through Millpond gives it another version."""
        return not self.version.startswith(_OF_PAGES)

    @property
    def key(self) -> str:
        return uid_in_org(self.org_id, self.uid)


class Directory:
    """`met` is told of every data source that is found, before it is used."""

    def __init__(
        self,
        asking: Asking,
        monotonic: Callable[[], float],
        *,
        token: str,
        met: Callable[[DataSource], Awaitable[None]],
        seconds: float = SECONDS,
    ) -> None:
        self._asking = asking
        self._token: Pairs = (("Authorization", f"Bearer {token}"),) if token else ()
        self._met = met
        self._facts: Facts[tuple[int, Ref], DataSource] = Facts(monotonic, seconds=seconds)

    async def find(self, org_id: int, ref: Ref, headers: Pairs) -> Fact[DataSource]:
        """None: there is none, or it could not be read. The cookies are those of this caller, who alone was asked for."""
        cookies: list[tuple[str, str]] = []
        fact = await self._facts.get((org_id, ref), partial(self._ask, org_id, ref, headers, cookies))
        return Fact(fact.value, tuple(cookies))

    def forget(self, key: str | None = None) -> None:
        """What is known of a data source, or (None) of all."""
        self._facts.forget(lambda _, known: key is None or known is None or known.key == key)

    async def close(self) -> None:
        await self._facts.close()

    async def _ask(self, org_id: int, ref: Ref, headers: Pairs, cookies: list[tuple[str, str]]) -> Fact[DataSource]:
        """For everybody who waits; `cookies` are added to for the one whose credentials these are."""
        for asker in filter(None, (headers, self._token)):
            told = await self._asking.get(_path(ref), asker, "datasource")
            if asker is headers:
                cookies += told.cookies
            source = _read(org_id, told.json())
            if source is not None:
                return await self._found(source, ref)
        told = await self._asking.get("/api/frontend/settings", headers, "datasource")
        cookies += told.cookies
        return await self._found(_read_pages(org_id, ref, told.json()), ref)

    async def _found(self, source: DataSource | None, ref: Ref) -> Fact[DataSource]:
        if source is None or not _is(source, ref):
            return Fact(None)
        await self._met(source)
        return Fact(source)


def _path(ref: Ref) -> str:
    match ref:
        case ByUid(uid):
            return f"/api/datasources/uid/{quote(uid, safe='')}"
        case ById(id_):
            return f"/api/datasources/{id_}"
        case ByName(name):
            return f"/api/datasources/name/{quote(name, safe='')}"


def _is(source: DataSource, ref: Ref) -> bool:
    match ref:
        case ByUid(uid):
            return source.uid == uid
        case ById(id_):
            return source.id == id_
        case ByName(name):
            return source.name == name


def _read(org_id: int, document: object) -> DataSource | None:
    """Of /api/datasources/…; a token of another organisation has read another's."""
    if not isinstance(document, dict) or document.get("orgId") != org_id:
        return None
    version = document.get("version")
    known = type(version) is int and version > 0
    return _data_source(org_id, document, str(version) if known else f"read:{_digest(document)}")


def _read_pages(org_id: int, ref: Ref, document: object) -> DataSource | None:
    """Of /api/frontend/settings, where data sources stand by their names."""
    sources = document.get("datasources") if isinstance(document, dict) else None
    if not isinstance(sources, dict):
        return None
    for name, settings in sources.items():
        if isinstance(settings, dict):
            source = _data_source(org_id, {**settings, "name": name}, f"{_OF_PAGES}{_digest(settings)}")
            if source is not None and _is(source, ref):
                return source
    return None


def _data_source(org_id: int, document: Mapping[str, object], version: str) -> DataSource | None:
    match document:
        case {"id": int(id_), "uid": str(uid), "type": str(type_)} if uid and type_:
            name = str(document.get("name", ""))
            return DataSource(
                org_id=org_id, id=id_, uid=uid, name=name, type=type_, version=version, sharing=sharing(document)
            )
        case _:
            return None


def _digest(document: Mapping[str, object]) -> str:
    told = {name: document.get(name) for name in _TELLING}
    return sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
