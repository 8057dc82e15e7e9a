"""All that it knows and counts; one of these is the whole state of the server."""

import asyncio
import hashlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from .model import DataSource, Flags, Permission, PublicDashboard, Role, ServiceAccount, Session, User

_REMEMBERED_REQUESTS = 20_000


@dataclass(slots=True)
class Gate:
    event: asyncio.Event
    waiting: int = 0


@dataclass(slots=True)
class World:
    flags: Flags
    port: int = 0
    now_s: int = field(default_factory=lambda: int(time.time()))
    orgs: dict[int, str] = field(default_factory=dict)
    users: dict[int, User] = field(default_factory=dict)
    accounts: dict[str, ServiceAccount] = field(default_factory=dict)
    """By token."""
    sources: dict[int, DataSource] = field(default_factory=dict)
    sessions: dict[int, Session] = field(default_factory=dict)
    permissions: list[Permission] = field(default_factory=list)
    """What was granted and revoked, in that order."""
    public: dict[str, PublicDashboard] = field(default_factory=dict)
    staged: list[dict[str, Any]] = field(default_factory=list)
    """What the next reload of the provisioning brings."""
    executions: Counter[str] = field(default_factory=Counter)
    """By `<org>/<uid>/<refId>`."""
    resources: Counter[str] = field(default_factory=Counter)
    """By `<org>/<uid>/<path>`."""
    proxied: Counter[str] = field(default_factory=Counter)
    """By `<org>/<uid>`."""
    gates: dict[str, Gate] = field(default_factory=dict)
    canned: dict[str, int] = field(default_factory=dict)
    """Calls that it does not have, by method and path, and with which status it answers them all the same."""
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_REQUESTS))
    _numbers: Counter[str] = field(default_factory=Counter)

    @property
    def root_url(self) -> str:
        return self.flags.root_url or f"http://127.0.0.1:{self.port}{self.flags.sub_path}"

    def number(self, of: str) -> int:
        self._numbers[of] += 1
        return self._numbers[of]

    def new_token(self, prefix: str = "") -> str:
        """Never one that it gave before, by this process or another."""
        return prefix + hashlib.sha256(f"{self.port} {self.now_s} {self.number('token')}".encode()).hexdigest()[:32]

    def become(self, other: "World") -> None:
        """As that one; nobody waits any longer, no token comes again, the clock goes on."""
        for name in self.gates:
            self.open_gate(name)
        other._numbers["token"] = self._numbers["token"]
        for each in fields(World):
            if each.name != "now_s":
                setattr(self, each.name, getattr(other, each.name))

    def add_org(self, name: str) -> int:
        org_id = self.number("org")
        self.orgs[org_id] = name
        return org_id

    def add_user(self, login: str, password: str, roles: dict[int, Role], *, is_admin: bool = False) -> User:
        user = User(
            id=self.number("user"), login=login, password=password, roles=roles, org_id=min(roles), is_admin=is_admin
        )
        self.users[user.id] = user
        return user

    def add_account(self, name: str, org_id: int, role: Role) -> ServiceAccount:
        number = self.number("user")  # service accounts are users to it
        account = ServiceAccount(id=number, org_id=org_id, name=name, role=role, token=self.new_token("glsa_"))
        self.accounts[account.token] = account
        return account

    def add_source(self, org_id: int, uid: str, kind: str, **settings: Any) -> DataSource:
        source = DataSource(id=self.number("source"), org_id=org_id, uid=uid, type=kind, **{"name": uid, **settings})
        self.sources[source.id] = source
        return source

    def sources_of(self, org_id: int) -> list[DataSource]:
        return [source for source in self.sources.values() if source.org_id == org_id]

    def source(self, org_id: int, *, uid: str = "", number: int = 0, name: str = "") -> DataSource | None:
        """The one with this uid, id (`number`) or name, if the org has it."""
        for source in self.sources_of(org_id):
            if (uid and source.uid == uid) or (number and source.id == number) or (name and source.name == name):
                return source
        return None

    def user(self, login: str) -> User | None:
        return next((user for user in self.users.values() if login in (user.login, user.email)), None)

    def close_gate(self, name: str) -> None:
        self.gates.setdefault(name, Gate(asyncio.Event())).event.clear()

    def open_gate(self, name: str) -> None:
        if name in self.gates:
            self.gates[name].event.set()

    @asynccontextmanager
    async def behind(self, name: str) -> AsyncIterator[None]:
        """Entered when the gate of that name is open; one that nobody closed is."""
        if gate := self.gates.get(name):
            gate.waiting += 1
            try:
                await gate.event.wait()
            finally:
                gate.waiting -= 1
        yield
