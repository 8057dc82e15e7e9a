"""Grafana's data sources as the engine uses any source: a dialect, rules for headers, an upstream, which is Grafana."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from re import Pattern

from msgspec import structs

from ...config.schema import Config, Duration, Source, Timeouts
from ...core import paths
from ...core.headers import HeaderRules
from ...core.key import source_fingerprint
from ...core.model import Call, Dialect, Pairs, Pass, Reason, Request, Route
from ...dialects.grafana import headers, resources
from ...dialects.opaque import OPAQUE
from ...dialects.registry import dialect_for
from ...upstream.client import Upstream
from ..source import Limits, SourceRuntime, has_deltas
from .directory import DataSource

GRAFANA = "grafana"
"""What Grafana itself is called in logs and metrics."""

_MEANT_FOR_BROWSERS = frozenset((Reason.SET_COOKIE, Reason.NO_STORE, Reason.PRIVATE))
"""Grafana forbids browsers to keep its answers, and renews sessions in any of them."""

_HIT_HEADERS: Pairs = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
_PROXIED_HIT_HEADERS: Pairs = (("Content-Security-Policy", "sandbox"), ("X-Content-Type-Options", "nosniff"))
"""As Grafana has them: what a data source sends through it may be a page, in Grafana's own origin (CVE-2022-21702)."""

_ASKED_MS = 5000
"""So long our own questions wait for Grafana: without an answer a call passes, which is slower than it was already."""

_REMEMBERED = 1024
UNSEEN_MS = 60_000
"""So long an edit that did not come through Millpond may stay unnoticed."""
_ANY_PATH = re.compile(".*", re.DOTALL)


def grafana_source(config: Config) -> Source:
    """Grafana as an upstream."""
    grafana = config.grafana
    return Source(
        uid=GRAFANA,
        url=grafana.url,
        type=GRAFANA,
        timeouts=grafana.timeouts,
        tls=grafana.tls,
        max_concurrent=grafana.max_concurrent,
        queue_timeout_ms=grafana.queue_timeout_ms,
    )


def asked_source(config: Config) -> Source:
    """The same for our own questions: they have slots of their own, or Grafana's slow queries would keep hits waiting."""
    source = grafana_source(config)
    timeouts = Timeouts(
        connect_ms=Duration(min(source.timeouts.connect_ms, _ASKED_MS)),
        first_byte_ms=Duration(min(source.timeouts.first_byte_ms, _ASKED_MS)),
        between_bytes_ms=Duration(min(source.timeouts.between_bytes_ms, _ASKED_MS)),
        total_ms=Duration(_ASKED_MS),
    )
    return structs.replace(source, timeouts=timeouts)


class FrontSources:
    """Makes them; what is the same for all of them is made once. `grafana` is Grafana itself, for what is of none."""

    def __init__(self, config: Config, upstream: Upstream) -> None:
        grafana = config.grafana
        self.config = config
        self.upstream = upstream
        self.limits = Limits.of(config)
        self.rules = HeaderRules(
            drop=frozenset(name.lower() for name in grafana.identity.drop),
            keep=headers.KEPT | {name.lower() for name in grafana.identity.keep},
            noise=headers.NOISE,
            credentials=headers.CREDENTIALS | {name.lower() for name in grafana.auth_proxy.headers},
            carried=headers.CARRIED,
        )
        self.grafana = SourceRuntime(
            config=grafana_source(config),
            limits=self.limits,
            dialect=OPAQUE,
            rules=self.rules,
            fingerprint=b"",
            upstream=upstream,
            deltas=False,
        )
        self._own_posts = {
            plugin: tuple(re.compile(each) for each in own) for plugin, own in grafana.cacheable_posts.items()
        }
        self._remember_made()

    def configure(self, config: Config) -> None:
        self.config = config
        self.limits = Limits.of(config)
        self.grafana = replace(self.grafana, limits=self.limits)
        self._remember_made()

    def _remember_made(self) -> None:
        """Every hit needs one, and there are few: of a data source's states, the present one."""
        self.asked_for_queries = lru_cache(maxsize=_REMEMBERED)(self._asked_for_queries)
        self.asked_for_resources = lru_cache(maxsize=_REMEMBERED)(self._asked_for_resources)
        self.proxied = lru_cache(maxsize=_REMEMBERED)(self._proxied)

    def described(self, source: DataSource) -> Source:
        """As the settings know it."""
        grafana = self.config.grafana
        return Source(
            uid=source.key,
            id=source.id,
            org_id=source.org_id,
            name=source.name,
            type=source.type,
            url=grafana.url,
            cache=grafana.cache,
            delta=grafana.delta,
        )

    def _asked_for_queries(self, sources: tuple[DataSource, ...], identity: Pairs) -> SourceRuntime:
        """One for all of a request's: it is named after the first of them."""
        return self._runtime(
            "queries", sources, identity, dialect=OPAQUE, hit_headers=_HIT_HEADERS, ignored=_MEANT_FOR_BROWSERS
        )

    def public(self, uid: str) -> SourceRuntime:
        """A public dashboard's data source, of which nobody has said what it is."""
        source = Source(uid=uid, url=self.config.grafana.url, type=GRAFANA)
        return replace(
            self.grafana,
            config=source,
            asks_as_caller=True,
            hit_headers=_HIT_HEADERS,
            ignored=_MEANT_FOR_BROWSERS,
        )

    def _asked_for_resources(self, source: DataSource, identity: Pairs, base_path: str) -> SourceRuntime:
        read = partial(_read_resource, source=source, own=self._own_posts)
        route = Route(name="resource", methods=frozenset(("GET", "POST")), path=_ANY_PATH, read=read)
        return self._runtime(
            "resources",
            (source,),
            identity,
            dialect=Dialect(name="grafana-resources", routes=(route,)),
            base_path=base_path,
            hit_headers=_HIT_HEADERS,
            ignored=_MEANT_FOR_BROWSERS,
        )

    def _proxied(self, source: DataSource, identity: Pairs, base_path: str) -> SourceRuntime:
        """What it says of storing is the data source's own word; cookies are Grafana's, which lets no other pass."""
        dialect = dialect_for(source.type)
        return self._runtime(
            "proxied",
            (source,),
            identity,
            dialect=dialect,
            base_path=base_path,
            deltas=has_deltas(self.described(source), dialect),
            hit_headers=_PROXIED_HIT_HEADERS,
            ignored=frozenset((Reason.SET_COOKIE,)),
        )

    def _runtime(
        self,
        way: str,
        sources: tuple[DataSource, ...],
        identity: Pairs,
        *,
        dialect: Dialect,
        hit_headers: Pairs,
        ignored: frozenset[Reason],
        base_path: str = "",
        deltas: bool = False,
    ) -> SourceRuntime:
        return SourceRuntime(
            config=self.described(sources[0]),
            limits=self.limits,
            dialect=dialect,
            rules=self.rules,
            fingerprint=self._fingerprint(way, sources),
            upstream=self.upstream,
            deltas=deltas,
            base_path=base_path,
            asks_as_caller=True,
            identity=identity,
            hit_headers=hit_headers,
            ignored=ignored,
            forwards=partial(headers.in_org, org_id=sources[0].org_id),
        )

    def _fingerprint(self, way: str, sources: tuple[DataSource, ...]) -> bytes:
        """Their versions are in it: an edited data source has other answers. So is the way they are asked: a plugin and
        what it asks may have the same paths.
        """
        states = [text for source in sources for text in (source.key, str(source.id), source.type, source.version)]
        return source_fingerprint(GRAFANA, way, self.config.grafana.url, *states)


def _read_resource(request: Request, *, source: DataSource, own: Mapping[str, Sequence[Pattern[str]]]) -> Call | Pass:
    read = resources.read(request, source.type, own)
    if isinstance(read, Pass):
        return read
    if names_the_user((paths.canonical(request.path).encode(), *read.parts)):
        return Pass(reason=Reason.PER_USER)
    cap_ms = cap_of((source,))
    return read if cap_ms is None else replace(read, ttl_cap_ms=min(cap_ms, read.ttl_cap_ms or cap_ms))


def cap_of(sources: Iterable[DataSource]) -> int | None:
    """At most this long an answer is kept of a data source whose edits may stay unseen."""
    return None if all(source.edits_are_seen for source in sources) else UNSEEN_MS


def names_the_user(parts: Iterable[bytes]) -> bool:
    """Whether a plugin might put the user in: Infinity and others expand `${__user.login}` and its like on the server."""
    return any(b"__user" in part for part in parts)
