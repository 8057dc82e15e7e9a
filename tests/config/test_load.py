"""Defaults, then the file, then the environment, then the flags; `--upstream`; all errors at once."""

import pytest

from proxy.config.schema import Config, Source, SourceCache

from .loading import Loading

TTL_MS = {"file": "caching: {ttl: 2m}", "environment": {"MILLPOND_CACHING_TTL": "3m"}}


def test_nothing_given_is_the_schema(loading: Loading) -> None:
    config = loading(environ={"HOME": "/home/me"})
    assert config.caching == Config().caching
    assert config.datasources == ()
    assert config.server.data_dir == "/home/me/.local/state/millpond"


@pytest.mark.parametrize(
    ("file", "environ", "flag", "minutes"),
    [
        ("", "", "", 5),
        ("2m", "", "", 2),
        ("2m", "3m", "", 3),
        ("2m", "3m", "4m", 4),
        ("2m", "", "4m", 4),
        ("", "3m", "", 3),
    ],
)
def test_the_file_gives_way_to_the_environment_and_that_to_the_flags(
    loading: Loading, file: str, environ: str, flag: str, minutes: int
) -> None:
    config = loading(
        f"caching: {{ttl: {file}}}" if file else None,
        {"MILLPOND_CACHING_TTL": environ},
        **({"caching__ttl": flag} if flag else {}),
    )
    assert config.caching.ttl_ms == minutes * 60_000


def test_the_file_is_also_named_by_the_environment(loading: Loading) -> None:
    name = loading.write("elsewhere.yaml", "caching: {ttl: 2m}")
    assert loading(environ={"MILLPOND_CONFIG": name}).caching.ttl_ms == 120_000


@pytest.mark.parametrize(
    ("given", "environ", "data_dir"),
    [
        ("", {"XDG_STATE_HOME": "/state", "HOME": "/home/me"}, "/state/millpond"),
        ("", {}, "/var/lib/.local/state/millpond"),
        ("~/millpond", {"HOME": "/home/me"}, "/home/me/millpond"),
        ("/data", {"HOME": "/home/me", "XDG_STATE_HOME": "/state"}, "/data"),
    ],
)
def test_the_data_directory_is_the_users_own(
    loading: Loading, given: str, environ: dict[str, str], data_dir: str
) -> None:
    assert loading(f"server: {{data_dir: '{given}'}}", environ).server.data_dir == data_dir


def test_upstream_is_one_cached_source_at_the_root(loading: Loading) -> None:
    config = loading(upstream="http://localhost:9090")
    assert config.datasources == (
        Source(
            uid="default",
            url="http://localhost:9090",
            type="prometheus",
            owns_root=True,
            cache=SourceCache(enabled=True),
        ),
    )


def test_upstream_type_and_uid_come_from_flags_or_the_environment(loading: Loading) -> None:
    environ = {"MILLPOND_UPSTREAM": "http://loki:3100", "MILLPOND_TYPE": "loki", "MILLPOND_UID": "logs"}
    [source] = loading(environ=environ).datasources
    assert (source.url, source.type, source.uid) == ("http://loki:3100", "loki", "logs")
    [source] = loading(environ=environ, upstream="http://tempo:3200", type="tempo", uid="traces").datasources
    assert (source.url, source.type, source.uid) == ("http://tempo:3200", "tempo", "traces")


def test_upstream_stands_beside_the_sources_of_the_file(loading: Loading) -> None:
    config = loading("datasources: [{uid: logs, type: loki, url: 'http://loki'}]", upstream="http://localhost:9090")
    assert [(source.uid, source.owns_root, source.cache.enabled) for source in config.datasources] == [
        ("logs", False, False),
        ("default", True, True),
    ]


@pytest.mark.parametrize(
    ("file", "environ", "flags", "where", "named"),
    [
        ("datasources: [{uid: default, url: 'http://p'}]", {}, {"upstream": "http://p"}, "--upstream", "another --uid"),
        (
            "datasources: [{uid: default, url: 'http://p'}]",
            {"MILLPOND_UPSTREAM": "http://p"},
            {},
            "MILLPOND_UPSTREAM",
            "'default'",
        ),
        (
            "datasources: [{uid: a, url: 'http://p', owns_root: true}]",
            {},
            {"upstream": "http://p"},
            "--upstream",
            "root path",
        ),
        (
            "",
            {"MILLPOND_GRAFANA_URL": "http://g"},
            {"upstream": "http://p"},
            "grafana.url (MILLPOND_GRAFANA_URL)",
            "takes the root path, and so does the data source 'default'",
        ),
        ("", {}, {"uid": "logs"}, "--uid", "goes with --upstream"),
        ("", {"MILLPOND_TYPE": "loki"}, {}, "MILLPOND_TYPE", "goes with --upstream"),
        (
            "",
            {},
            {"upstream": "localhost:9090"},
            "datasources[0].url (--upstream)",
            "write http://localhost:9090",
        ),
        ("", {"MILLPOND_UPSTREAM": "prom"}, {}, "datasources[0].url (MILLPOND_UPSTREAM)", "write http://prom"),
        ("", {}, {"upstream": "http://p", "uid": "a b"}, "datasources[0].uid (--uid)", "must be 1 to 40"),
        ("", {"MILLPOND_CACHING_TTL": "5"}, {}, "caching.ttl (MILLPOND_CACHING_TTL)", "30s, 5m or 1h30m"),
        ("", {}, {"caching__ttl": "5 minutes"}, "caching.ttl (the command line)", "30s, 5m or 1h30m"),
        ("", {}, {"server__listen": "8690"}, "server.listen (the command line)", "like 127.0.0.1:8690"),
    ],
)
def test_an_error_names_what_was_given(
    loading: Loading, file: str, environ: dict[str, str], flags: dict[str, str], where: str, named: str
) -> None:
    problems = loading.problems(file, environ, **flags)
    assert list(problems) == [where]
    assert named in problems[where]


def test_a_file_that_cannot_be_read_says_why(loading: Loading) -> None:
    latin = loading.directory / "latin.yaml"
    latin.write_bytes(b"a: \xe9")
    for name, reason in (
        (str(loading.directory), "Is a directory"),
        (str(loading.directory / "none.yaml"), "No such file or directory"),
        (str(latin), "it is not UTF-8 text"),
    ):
        assert loading.problems(environ={"MILLPOND_CONFIG": name}) == {"": f"{name} cannot be read: {reason}"}


def test_every_error_is_told_at_once(loading: Loading) -> None:
    """Of every kind: missing variables, unknown keys, wrong types, values out of range, files, the environment."""
    file = """
        server: {listen: here, admin_listen: "${ADMIN}", drian: 5s}
        caching: {backend: disk, ttl: 5, max_value_mb: -1, redis: {url_file: /nonexistent}, memory: [1]}
        auth: {tokens: [{sha256: abc, permissions: {write: [everything]}}, 7]}
        datasources:
          - {uid: a b, url: ftp://x, cache: {enabled: perhaps, ttl_queries: 1y}, headers: {Host: x, X-A: 1}}
          - {url: http://u:p@x, policy: never, cacheable_posts: ["("], basic_auth: {password: x}}
          - {uid: c, url: http://x, max_concurrent: many, timeouts: {connect: 0s}, tls: {key_file: /nonexistent}}
          - {uid: c, url: http://x, deltas: {enabled: true}}
        telemetry: {log_level: loud}
        grafana: {address: http://grafana}
    """
    assert set(loading.problems(file, {"MILLPOND_CACHING_TLL": "5m"})) == {
        "MILLPOND_CACHING_TLL",
        "server.listen",
        "server.admin_listen",
        "server.drian",
        "caching.backend",
        "caching.ttl",
        "caching.max_value_mb",
        "caching.redis.url_file",
        "caching.memory",
        "auth.tokens[0].name",
        "auth.tokens[0].sha256",
        "auth.tokens[0].permissions.write",
        "auth.tokens[0].permissions.write[0]",
        "auth.tokens[1]",
        "datasources[0].uid",
        "datasources[0].url",
        "datasources[0].cache.enabled",
        "datasources[0].cache.ttl_queries",
        "datasources[0].headers.Host",
        "datasources[0].headers.X-A",
        "datasources[1].uid",
        "datasources[1].url",
        "datasources[1].policy",
        "datasources[1].cacheable_posts[0]",
        "datasources[1].basic_auth.username",
        "datasources[2].max_concurrent",
        "datasources[2].timeouts.connect",
        "datasources[2].tls",
        "datasources[2].tls.key_file",
        "datasources[3].uid",
        "datasources[3].deltas",
        "telemetry.log_level",
        "grafana.address",
    }
