"""The program as tests use it: a process, and what they tell it."""

import base64
import http.client
import json
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.servers.process import Process, http_ready, wait_until

from .defaults import PASSWORD
from .model import Flags, Role

_ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def cookies(self) -> dict[str, str]:
        """Name and value of each `Set-Cookie`."""
        lines = [value for name, value in self.headers if name.lower() == "set-cookie"]
        pairs = [line.partition(";")[0].partition("=") for line in lines]
        return {name: value for name, _, value in pairs}


def basic(login: str, password: str | None = None) -> dict[str, str]:
    """The header of one of the default users, or of another."""
    secret = password or ("admin" if login == "admin" else PASSWORD)
    return {"Authorization": f"Basic {base64.b64encode(f'{login}:{secret}'.encode()).decode()}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"grafana_session={token}"}


class Grafana(Process):
    """`Grafana(edition="enterprise", sub_path="/grafana")`: what is not said is as in `Flags`."""

    def __init__(self, **flags: Any) -> None:
        super().__init__()
        self.flags = Flags(**flags)

    @property
    def url(self) -> str:
        """With the sub-path, where it serves it."""
        return f"{super().url}{self.flags.own_path}"

    def command(self) -> Sequence[str]:
        given = {name.replace("_", "-"): value for name, value in asdict(self.flags).items() if value}
        options = [f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()]
        # From another directory, and from any tree, without being installed.
        return ("env", f"PYTHONPATH={_ROOT}", sys.executable, "-m", __package__, str(self.port), *options)

    def is_ready(self) -> bool:
        return http_ready(f"{self.url}/api/health")

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        base: str | None = None,
    ) -> Reply:
        """A request as it is, no redirect followed; `base` is where to send it, if not to itself."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        content = {"Content-Type": "application/json"} if data is not None else {}
        target = urlsplit(f"{base or self.url}{path}")
        connection = http.client.HTTPConnection(target.netloc, timeout=30)
        with closing(connection):
            connection.request(
                method, target._replace(scheme="", netloc="").geturl(), data, {**content, **(headers or {})}
            )
            response = connection.getresponse()
            return Reply(status=response.status, headers=response.getheaders(), body=response.read())

    def reset(self) -> None:
        """All as at the start, but the clock."""
        self._tell("reset")

    def set_flags(self, **flags: Any) -> None:
        self._tell("flags", **flags)

    def turn_clock(self, seconds: int) -> int:
        """Its time afterwards, in seconds."""
        return int(self._tell("clock", seconds=seconds))

    @contextmanager
    def closed_gate(self, name: str) -> Iterator[Callable[[], None]]:
        """Gives what opens it; it opens at the latest at the end."""
        self._tell("gate", name=name, open=False)
        try:
            yield lambda: self.open_gate(name)
        finally:
            self.open_gate(name)

    def open_gate(self, name: str) -> None:
        self._tell("gate", name=name, open=True)

    def wait_for(self, name: str, count: int = 1) -> None:
        """Until so many wait at the gate."""
        wait_until(lambda: self._counts()["waiting"].get(name, 0) >= count)

    def grant(self, subject: str, action: str, scope: str, org_id: int = 1) -> None:
        """To `role:Viewer`, `user:viewer`, `account:robot`, `anonymous`; a scope such as `datasources:uid:prom`."""
        self._tell("permission", given=True, subject=subject, org_id=org_id, action=action, scope=scope)

    def revoke(self, subject: str, action: str, scope: str = "", org_id: int = 1) -> None:
        """Without a scope: the whole action."""
        self._tell("permission", given=False, subject=subject, org_id=org_id, action=action, scope=scope)

    def add_org(self, name: str) -> int:
        return int(self._tell("orgs", name=name))

    def add_user(
        self, login: str, roles: Mapping[int, Role], *, password: str = PASSWORD, is_admin: bool = False
    ) -> int:
        return int(self._tell("users", login=login, password=password, roles=dict(roles), is_admin=is_admin))

    def set_role(self, login: str, org_id: int, role: Role) -> None:
        """The empty role takes the user out of the org."""
        self._tell("role", login=login, org_id=org_id, role=role)

    def add_account(self, name: str, role: Role, org_id: int = 1) -> str:
        """A service account's token."""
        return str(self._tell("accounts", name=name, org_id=org_id, role=role))

    def remove_account(self, token: str) -> None:
        self._tell("remove-account", token=token)

    def add_source(self, uid: str, kind: str, org_id: int = 1, **settings: Any) -> int:
        """Its id; `settings` are the fields of `model.DataSource`."""
        return int(self._tell("sources", uid=uid, type=kind, org_id=org_id, **settings))

    def provision(self, uid: str, org_id: int = 1, **changes: Any) -> None:
        """Changes a source behind everybody's back, by the names of the API (`url`, `jsonData`, …) or `delete=True`."""
        self._tell("provision", uid=uid, org=org_id, **changes)

    def stage(self, uid: str, org_id: int = 1, **changes: Any) -> None:
        """The same, at the next reload of the provisioning."""
        self._tell("stage", uid=uid, org=org_id, **changes)

    def answer_with(self, method: str, path: str, status: int) -> None:
        """To a call that it does not have, from now on: nothing but the status."""
        self._tell("canned", call=f"{method} {path}", status=status)

    def publish(
        self,
        token: str,
        panels: Mapping[int, Sequence[Mapping[str, Any]]],
        *,
        org_id: int = 1,
        enabled: bool = True,
    ) -> None:
        """A public dashboard: the targets of each panel."""
        given = {panel: list(targets) for panel, targets in panels.items()}
        self._tell("public", token=token, org_id=org_id, panels=given, enabled=enabled)

    def log_in(self, login: str) -> str:
        """The token of a new session, without asking for the password."""
        return str(self._tell("log-in", login=login))

    def revoke_sessions(self, login: str) -> None:
        self._tell("revoke-sessions", login=login)

    def executions(self, uid: str, ref_id: str = "A", org_id: int = 1) -> int:
        """How often that refId of the source was executed."""
        return int(self._counts()["executions"].get(f"{org_id}/{uid}/{ref_id}", 0))

    @property
    def all_executions(self) -> dict[str, int]:
        """By `<org>/<uid>/<refId>`."""
        return dict(self._counts()["executions"])

    def resource_calls(self, uid: str, path: str, org_id: int = 1) -> int:
        return int(self._counts()["resources"].get(f"{org_id}/{uid}/{path}", 0))

    def proxied(self, uid: str, org_id: int = 1) -> int:
        return int(self._counts()["proxied"].get(f"{org_id}/{uid}", 0))

    @property
    def requests(self) -> list[dict[str, Any]]:
        """All that it was asked since `forget`: `method`, `target`, `headers` (pairs, as they came)."""
        seen: list[dict[str, Any]] = json.loads(_read(f"{super().url}/-/test/requests"))
        return seen

    def forget(self) -> None:
        """The counters and the requests."""
        self._tell("forget")

    def _counts(self) -> dict[str, Any]:
        counts: dict[str, Any] = json.loads(_read(f"{super().url}/-/test/counts"))
        return counts

    def _tell(self, what: str, **body: Any) -> Any:
        return json.loads(_read(f"{super().url}/-/test/{what}", json.dumps(body).encode()))


def _read(url: str, data: bytes | None = None) -> bytes:
    with urllib.request.urlopen(url, data=data, timeout=30) as response:
        body: bytes = response.read()
        return body


@pytest.fixture(scope="session")
def _grafana() -> Iterator[Grafana]:
    with Grafana() as server:
        yield server


@pytest.fixture
def grafana(_grafana: Grafana) -> Grafana:
    """An open source Grafana of today, as it is at the start but for its clock."""
    _grafana.reset()
    return _grafana
