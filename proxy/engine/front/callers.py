"""Who asks, in which organisation, and what they may: asked of Grafana with their own credentials, remembered for seconds.

A hit must show nothing that Grafana would refuse. So there is a hit only for a caller of whom Grafana said, at most
`permission_ttl` ago, that they may query every data source of the request; in doubt there is none, and Grafana decides.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from ...core.headers import Sorted
from ...core.model import Pairs
from ...dialects.grafana import permissions
from ...dialects.grafana.permissions import Scopes
from .asking import Asking, Told
from .facts import Fact, Facts

_SESSION = frozenset(("cookie", "authorization"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`scopes` are None where Grafana has no permissions call (before 9): there any member of an organisation may query
    all of its data sources.
    """

    org_id: int
    scopes: Scopes | None

    @property
    def has_ids(self) -> bool:
        """Whether a scope names a data source by its number, as some older versions have it."""
        query = () if self.scopes is None else self.scopes.get(permissions.QUERY, ())
        return any(scope.startswith("datasources:id:") for scope in query)

    def may_query(self, uid: str, id_: int) -> bool:
        return self.scopes is None or permissions.allows(self.scopes, permissions.QUERY, uid, id_)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says of who asks. `headers` are those to ask Grafana with; `digest` tells callers apart, `session`
    the sessions and tokens, whatever else the requests have in their heads.
    """

    headers: Pairs
    digest: bytes
    session: bytes

    @classmethod
    def of(cls, told: Sorted, carried: Pairs) -> "Credentials":
        """`carried` goes with every question and tells nobody apart: where the caller is."""
        who = (*told.credentials, *told.identity)
        session = tuple(pair for pair in told.credentials if pair[0] in _SESSION)
        return cls((*who, *carried), _digest(who), _digest(session))


class Callers:
    def __init__(self, asking: Asking, monotonic: Callable[[], float], *, seconds: float) -> None:
        self._asking = asking
        self._callers: Facts[tuple[bytes, bytes], Caller] = Facts(monotonic, seconds=seconds)
        self._users: Facts[tuple[bytes, bytes], str] = Facts(monotonic, seconds=seconds)
        self.knows_caching_actions = False
        """Whether Grafana was ever seen to have the actions of Enterprise's caching."""
        self._has_permissions = False
        """Whether it was ever seen to have a permissions call: one that has, does not lose it."""

    async def find(self, credentials: Credentials) -> Fact[Caller]:
        """None: not signed in, or in doubt."""
        key = (credentials.session, credentials.digest)
        return await self._callers.get(key, lambda: self._ask(credentials.headers))

    async def user(self, credentials: Credentials) -> Fact[str]:
        """A lasting name of the person; None for a service account, an anonymous visitor, or in doubt."""
        key = (credentials.session, credentials.digest)
        return await self._users.get(key, lambda: self._ask_user(credentials.headers))

    def forget(self, session: bytes | None = None) -> None:
        """What is known of a session's or token's caller, or (None) of all."""
        for facts in (self._callers, self._users):
            facts.forget(lambda key, value: session is None or key[0] == session)

    async def close(self) -> None:
        await self._callers.close()
        await self._users.close()

    async def _ask(self, headers: Pairs) -> Fact[Caller]:
        org, granted = await asyncio.gather(
            self._asking.get("/api/org", headers, "caller"),
            self._asking.get("/api/access-control/user/permissions", headers, "caller"),
        )
        cookies = (*org.cookies, *granted.cookies)
        org_id = _number(org, "id")
        if org_id is None:
            return Fact(None, cookies)
        if not self._has_permissions and _is_unknown_to_grafana(granted):
            return Fact(Caller(org_id=org_id, scopes=None), cookies)
        scopes = permissions.parse(granted.json()) if granted.is_json else None
        if scopes is None:
            return Fact(None, cookies)
        self._has_permissions = True
        if scopes.keys() & {permissions.CACHING_READ, permissions.CACHING_WRITE}:
            self.knows_caching_actions = True
        return Fact(Caller(org_id=org_id, scopes=scopes), cookies)

    async def _ask_user(self, headers: Pairs) -> Fact[str]:
        told = await self._asking.get("/api/user", headers, "caller")
        user_id = _number(told, "id")
        return Fact(None if user_id is None else f"user:{user_id}", told.cookies)


def _is_unknown_to_grafana(told: Told) -> bool:
    """Its own 404, and not that of a proxy before it, which would open every data source to every member."""
    if told.status != 404:
        return False
    try:
        document = msgspec.json.decode(told.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return isinstance(document, dict) and str(document.get("message")).lower() == "not found"


def _number(told: Told, name: str) -> int | None:
    document = told.json()
    number = document.get(name) if isinstance(document, dict) else None
    return number if type(number) is int and number > 0 else None


def _digest(pairs: Pairs) -> bytes:
    """Of names and values with their lengths: no two lists have one digest."""
    digest = sha256()
    for pair in pairs:
        for text in pair:
            raw = text.encode("utf-8", "surrogateescape")
            digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.digest()
