"""`print-config`: the effective configuration in the file's own form, which reads back as the same, without a secret."""

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.config.dump import dump, plain
from proxy.config.schema import (
    Auth,
    BasicAuth,
    Caching,
    Config,
    Duration,
    Identity,
    Memory,
    Redis,
    Secret,
    Source,
    SourceCache,
    Token,
)

from .loading import Loading

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)
MS = st.integers(min_value=0, max_value=31_536_000_000).map(Duration)
SOURCES = st.builds(
    Source,
    uid=st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
    url=st.just("http://a"),
    name=TEXT | st.sampled_from(["${HOME}", "$$", "$", "$${", "yes", "1", "null", "~", "2024-01-01", "a: b"]),
    id=st.none() | st.integers(min_value=1, max_value=2**53),
    owns_root=st.booleans(),
    cache=st.builds(SourceCache, enabled=st.booleans(), ttl_queries_ms=st.none() | MS),
    queue_timeout_ms=MS,
    cacheable_posts=st.lists(st.sampled_from(["^/a$", "^/${b}$", r"/\$\{c\}"]), max_size=2).map(tuple),
    identity=st.builds(Identity, drop=st.lists(st.sampled_from(["x-a", "x-b"])).map(tuple)),
)


@given(sources=st.lists(SOURCES, max_size=1), ttl_ms=MS, size=st.floats(min_value=0.001, max_value=1e6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_reads_back_as_the_same_configuration(
    loading: Loading, sources: list[Source], ttl_ms: Duration, size: float
) -> None:
    config = Config(
        caching=Caching(ttl_ms=ttl_ms, memory=Memory(max_size_mb=size), redis=Redis(prefix="${team}")),
        auth=Auth(
            tokens=(Token(name="$", sha256="0" * 64, permissions={"datasources.caching:read": ["datasources:*"]}),)
        ),
        datasources=tuple(sources),
    )
    read = loading(dump(config))
    assert (read.caching, read.auth, read.datasources) == (config.caching, config.auth, config.datasources)


def test_what_upstream_declares_reads_back_too(loading: Loading) -> None:
    config = loading(upstream="http://localhost:9090", environ={"HOME": "/home/me"})
    assert loading(dump(config)) == config


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://redis:6379/1", "redis://redis:6379/1"),
        ("redis://:CANARY@redis:6379/1", "redis://redacted@redis:6379/1"),
        ("rediss://CANARY:CANARY@redis", "rediss://redacted@redis"),
        ("redis://redis?password=CANARY&db=1", "redis://redis?redacted"),
        ("unix:///run/redis.sock?password=CANARY@CANARY", "unix://redacted"),
        # Not percent-encoded, and refused; shown with no part of the password all the same.
        ("redis://:CANARY/CANARY@redis", "redis://redacted@redis"),
        ("redis://:CANARY?CANARY@redis", "redis://redacted"),
        ("redis://:CANARY#CANARY@redis", "redis://redacted@redis"),
        ("redis://:CANARY@CANARY@redis", "redis://redacted@redis"),
        ("CANARY", "redacted"),
    ],
)
def test_a_url_is_shown_without_its_user_password_and_parameters(url: str, shown: str) -> None:
    config = Config(caching=Caching(redis=Redis(url=Secret(url))))
    assert yaml.safe_load(dump(config))["caching"]["redis"]["url"] == shown


@pytest.mark.parametrize("secret", ["CANARY", "https://CANARY/path", "CANARY $${HOME}", "a://CANARY@b"])
def test_no_secret_is_shown(loading: Loading, secret: str) -> None:
    """Neither in the file's form nor by `repr`; and what is shown can be checked."""
    source = Source(
        uid="a",
        url="http://a",
        basic_auth=BasicAuth(username="grafana", password=Secret(secret)),
        headers={"X-Token": Secret(secret), "Key": Secret(secret)},
    )
    redis = Redis(url=Secret("redis://:CANARY@redis:6379"))
    config = Config(caching=Caching(backend="redis", redis=redis), datasources=(source,))
    assert "CANARY" not in dump(config) + repr(config)
    assert "grafana" in dump(config)
    loading(dump(config))


def test_a_key_stands_in_it_as_in_the_file() -> None:
    shown = yaml.safe_load(dump(Config()))
    assert shown == plain(Config())
    assert shown["caching"]["ttl"] == "5m"
    assert "owns_root" in yaml.safe_load(dump(Config(datasources=(Source(uid="a", url="http://a"),))))["datasources"][0]
