"""Our own calls of Grafana, with the credentials of whoever is asking us: what they may read there, we read for them.

An answer may carry a renewed session (Grafana rotates its cookie on any call). It belongs to the caller and is handed on
to them; the one that it replaces stays valid until the new one is seen, so a caller who does not get it loses nothing.
"""

import logging
from dataclasses import dataclass
from typing import Literal

import msgspec

from ...core.model import Headers, Pairs
from ...errors import UpstreamError
from ...telemetry.logs import Quiet
from ...telemetry.metrics import Metrics
from ...upstream.client import Outgoing, Upstream

_log = logging.getLogger(__name__)

_MOST_BYTES = 32 * 1024 * 1024
"""Of an answer: the settings of Grafana's pages are some hundred kilobytes."""
_LOG_SECONDS = 60.0


About = Literal["caller", "datasource", "dashboard"]


@dataclass(frozen=True, slots=True)
class Told:
    """What Grafana said. `status` is 0 where it said nothing, or nothing that can be used."""

    status: int
    body: bytes = b""
    cookies: Pairs = ()

    def json(self) -> object:
        """The body of a 200; None for any other, and for what is no JSON."""
        try:
            return msgspec.json.decode(self.body) if self.status == 200 else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    @property
    def is_json(self) -> bool:
        """Whether a `json` of None is the null that was said."""
        return self.json() is not None or (self.status == 200 and self.body.strip() == b"null")


class Asking:
    """Each question is counted, by what it is about."""

    def __init__(self, upstream: Upstream, metrics: Metrics) -> None:
        self._upstream = upstream
        self._metrics = metrics
        self._quiet = Quiet(_LOG_SECONDS)

    async def get(self, path: str, headers: Pairs, about: About) -> Told:
        """Never raises for what Grafana can do."""
        told = await self._get(path, headers)
        self._metrics.asked_grafana(about=about, answered=told.status != 0)
        return told

    async def _get(self, path: str, headers: Pairs) -> Told:
        outgoing = Outgoing(
            method="GET",
            target=path,
            headers=(*headers, ("Accept", "application/json"), ("Accept-Encoding", "identity")),
            read_only=True,
            bounded=True,
        )
        try:
            response = await self._upstream.fetch(outgoing)
            body = bytearray()
            async for chunk in response.chunks():
                body += chunk
                if len(body) > _MOST_BYTES:
                    await response.aclose()
                    return Told(0)
        except UpstreamError:
            return Told(0)
        if 300 <= response.status < 400:
            self._moved(path, response.headers)
        return Told(response.status, bytes(body), set_cookies(response.headers))

    def _moved(self, path: str, headers: Headers) -> None:
        text = (
            "Grafana answers our calls with a redirect: if it is served from a sub-path, that belongs into grafana.url"
        )
        self._quiet.log(_log, logging.WARNING, "moved", text, {"path": path, "location": headers.get("Location", "")})


def set_cookies(headers: Headers) -> Pairs:
    return tuple(("Set-Cookie", value) for value in headers.getall("Set-Cookie", ()))
