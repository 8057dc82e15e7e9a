"""A Grafana, the Millpond in front of it, and what their clients send. Each test has data sources of its own."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.servers.grafana.server import Grafana, Reply, basic
from tests.servers.millpond import Millpond

ADMIN = basic("admin")
"""Of both organisations, and of the server."""
READER, WRITER = "mp_reader", "mp_writer"
"""Tokens of the configuration: one may read one data source's settings, the other may do everything."""


def in_org(org_id: int, headers: Mapping[str, str] = ADMIN) -> dict[str, str]:
    return {**headers, "X-Grafana-Org-Id": str(org_id)}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


CONFIG = f"""
grafana:
  permission_ttl: 1ms  # what a test changes in Grafana itself holds for the next call
caching:
  ttl: 5m
  max_ttl: 10m
auth:
  tokens:
    - name: reader
      sha256: {_digest(READER)}
      permissions: {{"datasources.caching:read": ["datasources:uid:readable"]}}
    - name: writer
      sha256: {_digest(WRITER)}
      permissions: {{"datasources.caching:read": ["datasources:*"], "datasources.caching:write": ["datasources:*"]}}
"""


@dataclass(frozen=True)
class Place:
    grafana: Grafana
    millpond: Millpond
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] = ADMIN,
        body: object = None,
        *,
        base: str | None = None,
    ) -> Reply:
        """Through Millpond."""
        return self.grafana.ask(method, path, headers=headers, body=body, base=base or self.millpond.url)

    def new_uid(self) -> str:
        return f"own-{next(self._numbers)}"

    def create(self, uid: str = "", headers: Mapping[str, str] = ADMIN) -> str:
        """The uid of a new data source, made through Millpond as Terraform makes it."""
        uid = uid or self.new_uid()
        reply = self.ask("POST", "/api/datasources", headers, source_body(uid))
        assert reply.status == 200, reply
        return uid

    def id_of(self, uid: str, headers: Mapping[str, str] = ADMIN) -> int:
        return int(self.ask("GET", f"/api/datasources/uid/{uid}", headers).json["id"])

    def cache(
        self,
        uid: str,
        operation: str = "",
        headers: Mapping[str, str] = ADMIN,
        *,
        method: str = "POST",
        body: object = None,
    ) -> Reply:
        return self.ask(method, f"/api/datasources/{uid}/cache{operation}", headers, body)

    def settings(self, uid: str, headers: Mapping[str, str] = ADMIN) -> dict[str, Any]:
        reply = self.cache(uid, headers=headers, method="GET")
        assert reply.status == 200, reply
        settings: dict[str, Any] = reply.json
        return settings

    def query(self, uid: str, headers: Mapping[str, str] = ADMIN, text: str = "up") -> Reply:
        """Always the same one."""
        return self.ask("POST", "/api/ds/query", headers, query_body(uid, text))

    def kept(self, uid: str, headers: Mapping[str, str] = ADMIN) -> None:
        """Its caching is on and the answer to `query` is stored."""
        assert self.cache(uid, "/enable", headers).status == 200
        assert [x_cache(self.query(uid, headers)) for _ in range(2)] == ["MISS", "HIT"]


@contextmanager
def place(**flags: Any) -> Iterator[Place]:
    with Grafana(**flags) as grafana, Millpond("--grafana-url", grafana.url, config=CONFIG) as millpond:
        yield Place(grafana, millpond)


def source_body(uid: str, **changes: Any) -> dict[str, Any]:
    return {"uid": uid, "name": uid, "type": "mysql", "access": "proxy", "url": "db:3306", **changes}


def query_body(uid: str, text: str = "up") -> dict[str, Any]:
    query = {"refId": "A", "datasource": {"uid": uid}, "rawSql": text, "intervalMs": 1000, "maxDataPoints": 100}
    return {"queries": [query], "from": "1000000", "to": "2000000"}


def x_cache(reply: Reply) -> str | None:
    return reply.header("X-Cache")


def row(reply: Reply) -> dict[str, Any]:
    """The one row of the test Grafana's answer: who asked what of which version."""
    frame = reply.json["results"]["A"]["frames"][0]
    names = [each["name"] for each in frame["schema"]["fields"]]
    return dict(zip(names, (values[0] for values in frame["data"]["values"]), strict=True))
