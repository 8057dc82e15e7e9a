"""A data source as the engine uses it: its configuration with everything derived from it once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from ..config.schema import Config, Source
from ..core.headers import HeaderRules
from ..core.key import source_fingerprint
from ..core.model import Dialect, Pairs, Reason
from ..dialects.registry import dialect_for
from ..upstream.client import Upstream

_MB = 1024 * 1024
_RANGE_VALUES = 4
"""A range query's answer may be as large as so many values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the configuration says for all sources. `max_body_bytes` bounds a request that is read to be classified.
    `max_range_bytes` bounds an answer that is held to be cut into chunks, each of which may be as large as a value.
    """

    enabled: bool
    max_value_bytes: int
    max_body_bytes: int
    max_range_bytes: int

    @classmethod
    def of(cls, config: Config) -> Self:
        return cls(
            enabled=config.caching.enabled,
            max_value_bytes=int(config.caching.max_value_mb * _MB),
            max_body_bytes=int(config.server.max_request_body_mb * _MB),
            max_range_bytes=_RANGE_VALUES * config.caching.max_value_bytes,
        )


def _as_they_are(headers: Pairs) -> Pairs:
    return headers


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRuntime:
    """`base_path` is between the upstream's address and the source's own paths. Where it `asks_as_caller`, answers are
    shared by callers whose credentials differ: what one of them is refused says nothing to another. `identity` is in
    every key. `hit_headers` go out with every hit. `ignored` are the refusals that its answers' heads do not mean.
    `forwards` is what becomes of the headers that go along with a call that may be kept.
    """

    config: Source
    limits: Limits
    dialect: Dialect
    rules: HeaderRules
    fingerprint: bytes
    upstream: Upstream
    deltas: bool
    base_path: str = ""
    asks_as_caller: bool = False
    identity: Pairs = ()
    hit_headers: Pairs = ()
    ignored: frozenset[Reason] = frozenset()
    forwards: Callable[[Pairs], Pairs] = _as_they_are

    @classmethod
    def of(cls, config: Source, limits: Limits, upstream: Upstream) -> Self:
        """No I/O: the upstream is started and closed by whoever owns it."""
        dialect = dialect_for(config.type, config.cacheable_posts)
        replaced = {name.lower() for name in config.headers}
        if config.basic_auth is not None:
            replaced.add("authorization")
        rules = HeaderRules(
            drop=frozenset(name.lower() for name in config.identity.drop),
            keep=frozenset(name.lower() for name in config.identity.keep),
            noise=dialect.noise,
            replaced=frozenset(replaced),
        )
        return cls(
            config=config,
            limits=limits,
            dialect=dialect,
            rules=rules,
            fingerprint=_fingerprint(config),
            upstream=upstream,
            deltas=has_deltas(config, dialect),
        )


def has_deltas(config: Source, dialect: Dialect) -> bool:
    """Not where each answer's own headers say how long it lives: parts of several have no headers."""
    if config.policy != "ttl":
        return False
    return dialect.deltas if config.delta.enabled is None else config.delta.enabled


def _fingerprint(config: Source) -> bytes:
    credentials = [f"{name.lower()}:{value}" for name, value in sorted(config.headers.items())]
    if config.basic_auth is not None:
        credentials.append(f"basic {config.basic_auth.username}:{config.basic_auth.password}")
    if config.tls.cert_file:
        credentials.append(f"certificate {config.tls.cert_file}")
    identity = f"{sorted(config.identity.drop)} {sorted(config.identity.keep)}"
    return source_fingerprint(str(config.org_id), config.uid, config.type, config.url, identity, *credentials)
