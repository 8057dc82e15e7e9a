"""Who may do what on the admin listener: bearer tokens, Grafana's two actions and its three forms of a scope."""

import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aiohttp import hdrs, web

from ..config.schema import Action, Auth, Token
from ..errors import Forbidden, NotFound, Unauthorized
from ..settings.model import Snapshot, SourceSettings
from ..telemetry.logs import Quiet

_log = logging.getLogger(__name__)

TOKEN_FILE = "admin-token"  # noqa: S105  # a file's name
_BEARER = re.compile(r"bearer ([!-~]+)", re.IGNORECASE)  # one space, then no other: RFC 6750, 2.1
_EVERYTHING = frozenset({"datasources:*", "datasources:uid:*"})


class Admission(Protocol):
    """Who may do what with which data source."""

    async def admit(
        self, request: web.BaseRequest, segment: str, action: Action, *, of_all: bool
    ) -> tuple[str, SourceSettings]:
        """The caller's name, and the data source that a path's segment names, for a caller who may do `action` with it,
        or (`of_all`) with all of them. Raises Unauthorized, Forbidden, NotFound, in this order.
        """


def forbidden(action: str) -> Forbidden:
    """As Grafana says it."""
    return Forbidden(
        f"You'll need additional permissions to perform this action. Permissions needed: {action}",
        extra={
            "title": "Access denied",
            "accessErrorId": f"ACE{secrets.randbelow(10**10):010}",
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated caller. `permissions` maps actions to scopes."""

    name: str
    permissions: Mapping[str, list[str]]

    def require(self, action: Action, uid: str | None) -> None:
        """Raises `Forbidden` unless the caller may do it with this source, or (None) with all of them."""
        scopes = set(self.permissions.get(action, ()))
        if scopes & _EVERYTHING or (uid is not None and f"datasources:uid:{uid}" in scopes):
            return
        raise forbidden(action)

    def source(
        self, segment: str, settings: Snapshot, action: Action, *, of_all: bool = False, org_id: int = 1
    ) -> SourceSettings:
        """The data source that a path's segment names, of the file or else of Grafana's organisation, for a caller who may
        do `action` with it, or (`of_all`) with all of them.
        """
        found = settings.find(segment) or settings.find_in_org(org_id, segment)
        return self.admit(found, segment, action, of_all=of_all)

    def admit(self, found: SourceSettings | None, segment: str, action: Action, *, of_all: bool) -> SourceSettings:
        """What the segment names, if they may. That comes before whether it is there: whoever may do nothing learns
        nothing.
        """
        self.require(action, None if of_all else found.own_uid if found else segment)
        if found is None:
            raise NotFound("Data source not found")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ByToken:
    """The admin listener's `Admission`: by tokens, the data sources of the file, and those of Grafana's that were met."""

    access: "Access"
    settings: Callable[[], Snapshot]

    async def admit(
        self, request: web.BaseRequest, segment: str, action: Action, *, of_all: bool
    ) -> tuple[str, SourceSettings]:
        caller = self.access.caller(request)
        org_id = org_of(request.headers)
        return caller.name, caller.source(segment, self.settings(), action, of_all=of_all, org_id=org_id)


def org_of(headers: Mapping[str, str]) -> int:
    """Of Grafana's organisations, the one that a client names; else the first."""
    named = headers.get("X-Grafana-Org-Id", "")
    return int(named) if re.fullmatch("[0-9]{1,18}", named) else 1


class Access:
    """The tokens of the configuration; where it has none, the generated one."""

    def __init__(self, auth: Auth, quiet: Quiet | None = None) -> None:
        self._tokens = auth.tokens
        self._generated: tuple[Token, ...] = ()
        self._quiet = quiet or Quiet()

    def configure(self, auth: Auth) -> None:
        """Bring in a reloaded configuration; its tokens hold from the next request."""
        self._tokens = auth.tokens

    def admit(self, token: str) -> None:
        """Let the generated token do everything, as long as none is configured."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        permissions = {action.value: ["datasources:*"] for action in Action}
        self._generated = (Token(name="admin", sha256=digest, permissions=permissions),)

    def caller(self, request: web.BaseRequest) -> Caller:
        """Who asks; `Unauthorized` without a known bearer token. Then `Forbidden` for a page of another origin: no
        browser has a token to send along, so one that does has been given it by somebody else's page."""
        try:
            caller = self.authenticate(request.headers.getall(hdrs.AUTHORIZATION, []))
        except Unauthorized:
            where = {"remote": request.remote, "method": request.method, "path": request.rel_url.raw_path}
            self._quiet.log(_log, logging.WARNING, "unauthorized", "refused a call without a known token", where)
            raise
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and origin.partition("://")[2].lower() != request.host.lower():
            raise Forbidden("Requests from another origin are not allowed.")
        return caller

    def knows(self, authorization: list[str]) -> bool:
        """Whether these are a token's, and not perhaps Grafana's."""
        with suppress(Unauthorized):
            self.authenticate(authorization)
            return True
        return False

    def authenticate(self, authorization: list[str]) -> Caller:
        """By the values of all Authorization headers: there has to be one."""
        credentials = _BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
        digest = hashlib.sha256(credentials[1].encode() if credentials else b"").hexdigest()
        found: Token | None = None
        for token in self._tokens or self._generated:  # all of them: the time tells nothing about which one it was
            if hmac.compare_digest(token.sha256.lower().encode(), digest.encode()):
                found = token
        if credentials is None or found is None:
            raise Unauthorized("Unauthorized")
        return Caller(name=found.name, permissions=found.permissions)


def read_admin_token(data_dir: Path) -> str | None:
    """The generated token of this data directory, or None where there is none. Raises OSError."""
    with suppress(FileNotFoundError):
        return (data_dir / TOKEN_FILE).read_text(encoding="ascii").strip() or None
    return None


def ensure_admin_token(data_dir: Path) -> str:
    """The token of this data directory; generated at the first start, for its owner's eyes alone. Raises OSError."""
    if token := read_admin_token(data_dir):
        return token
    path = data_dir / TOKEN_FILE
    new = path.with_name(f".{TOKEN_FILE}.{secrets.token_hex(8)}")
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with open(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(f"mp_{secrets.token_urlsafe(32)}\n")
            file.flush()
            os.fsync(file.fileno())
        if path.exists():  # read above as empty: a start that was cut short by something else than this function
            os.replace(new, path)
        else:
            with suppress(FileExistsError):  # another process was faster: its token holds
                os.link(new, path)
    finally:
        new.unlink(missing_ok=True)
    _log.info("No token is configured: the admin token is in %s", path)
    token = read_admin_token(data_dir)
    assert token is not None
    return token
