"""One request in front of Grafana: who asks, which data sources it is about, and whether a hit may show their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...core.headers import HeaderRules, sort_headers
from ...core.model import Headers, Pairs, Reason
from ...dialects.grafana.headers import in_org
from ...dialects.grafana.routes import ByUid, Ref
from ...dialects.grafana.sharing import Sharing
from ..exchange import Incoming
from .asking import Asking
from .callers import Caller, Callers, Credentials
from .directory import DataSource, Directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A caller who may query these data sources. `identity` is the user's, where one of them answers by user."""

    sources: Sequence[DataSource]
    identity: Pairs


class Visit:
    """`cookies` is what Grafana renewed while it was asked; it goes out with the answer."""

    def __init__(
        self, incoming: Incoming, rules: HeaderRules, *, asking: Asking, callers: Callers, directory: Directory
    ) -> None:
        self.incoming = incoming
        self.cookies: list[tuple[str, str]] = []
        carried = tuple(
            (name, value)
            for name in (*sorted(rules.carried), "user-agent")
            for value in incoming.headers.getall(name, ())
        )
        self.told = sort_headers(incoming.headers, rules)
        self.credentials = Credentials.of(self.told, carried)
        self._asking = asking
        self._callers = callers
        self._directory = directory

    async def admit(self, refs: Sequence[Ref], namespace: str | None) -> Admitted | Reason:
        """Whether the caller may be shown what these data sources answered to others, or why not."""
        caller = await self.caller()
        if caller is None or (namespace is not None and _org_of(namespace) != caller.org_id):
            return Reason.PERMISSION
        sources: list[DataSource] = []
        for ref in refs:
            if isinstance(ref, ByUid) and not caller.may_query(ref.uid, 0) and not caller.has_ids:
                return Reason.PERMISSION
            source = await self.source(ref)
            if source is None:
                return Reason.SOURCE
            if not caller.may_query(source.uid, source.id):
                return Reason.PERMISSION
            if source.sharing is Sharing.NONE:
                return Reason.PER_USER
            sources.append(source)
        if all(source.sharing is Sharing.SHARED for source in sources):
            return Admitted(sources=sources, identity=())
        user = await self._callers.user(self.credentials)
        self.cookies += user.cookies
        return Reason.PER_USER if user.value is None else Admitted(sources=sources, identity=(("user", user.value),))

    async def caller(self) -> Caller | None:
        """None: not signed in, or in doubt."""
        fact = await self._callers.find(self.credentials)
        self.cookies += fact.cookies
        return fact.value

    async def source(self, ref: Ref) -> DataSource | None:
        """In the caller's organisation. None: there is none, or nobody could read it."""
        caller = await self.caller()
        if caller is None:
            return None
        fact = await self._directory.find(caller.org_id, ref, in_org(self.credentials.headers, caller.org_id))
        self.cookies += fact.cookies
        return fact.value

    async def status(self, path: str) -> int:
        """What Grafana answers the caller at a path; 0 where it does not answer."""
        told = await self._asking.get(path, self.credentials.headers, "caller")
        self.cookies += told.cookies
        return told.status


def is_of_its_own_page(headers: Headers) -> bool:
    """Grafana refuses pages of other sites that send its cookie along (CSRF): it compares hosts without their ports."""
    origin = headers.get("Origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).hostname == urlsplit(f"//{headers.get('Host', '')}").hostname is not None
    except ValueError:
        return False


def _org_of(namespace: str) -> int | None:
    """Of Grafana's own namespaces: `default` is the first organisation, the others are numbered."""
    if namespace == "default":
        return 1
    number = namespace.removeprefix("org-")
    return int(number) if number != namespace and number.isascii() and number.isdecimal() else None
