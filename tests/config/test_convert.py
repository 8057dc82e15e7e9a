"""Plain data into the schema's types."""

from typing import Any

import pytest

from proxy.config.schema import Config

from .loading import Loading

SOURCE = "datasources: [{uid: a, url: 'http://a', %s}]"


@pytest.mark.parametrize(
    ("text", "value_ms"),
    [
        *(("30s", 30_000), ("5m", 300_000), ("1h30m", 5_400_000), ("250ms", 250), ("1d", 86_400_000)),
        *(("1.5s", 1_500), ("0", 0), ("0s", 0)),
    ],
)
def test_durations_are_written_as_grafana_does(loading: Loading, text: str, value_ms: int) -> None:
    assert loading(f"caching: {{max_ttl: {text}}}").caching.max_ttl_ms == value_ms


@pytest.mark.parametrize(
    "text", ["5", "5.5", "300000", "-5m", "m", "'5 m'", "5M", "1m 2s", "''", "1e3s", "true", "", "[]"]
)
def test_what_is_no_duration_says_how_to_write_one(loading: Loading, text: str) -> None:
    assert "like 30s" in loading.problems(f"caching: {{ttl: {text}}}")["caching.ttl"]


def test_no_duration_is_too_long_to_be_refused(loading: Loading) -> None:
    for text in ("366d", "9" * 12 + "w", "9" * 400 + "s"):
        assert "caching.ttl" in loading.problems(f"caching: {{ttl: {text}}}")


@pytest.mark.parametrize(("text", "size_mb"), [("512", 512), ("0.5", 0.5), ("'512'", 512), ("1e2", 100)])
def test_sizes_are_numbers_in_the_unit_of_the_key(loading: Loading, text: str, size_mb: float) -> None:
    assert loading(f"caching: {{memory: {{max_size_mb: {text}}}}}").caching.memory.max_size_mb == size_mb


@pytest.mark.parametrize(
    "text", [".nan", ".inf", "nan", "inf", "1e999", "512MB", "true", "''", "", "0", "-1", "9" * 400]
)
def test_what_is_no_size_is_refused(loading: Loading, text: str) -> None:
    assert list(loading.problems(f"caching: {{max_value_mb: {text}}}")) == ["caching.max_value_mb"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("false", False), ("'true'", True), ("'False'", False), ("yes", True), ("off", False)],
)
def test_booleans(loading: Loading, text: str, value: bool) -> None:
    """`yes` and `off` are YAML's own; a text comes from `${VAR}` and the environment."""
    assert loading(f"caching: {{enabled: {text}}}").caching.enabled is value


@pytest.mark.parametrize("text", ["'yes'", "1", "'1'", "''", "", "{}", "enabled"])
def test_what_is_no_boolean_is_refused(loading: Loading, text: str) -> None:
    assert "must be true or false" in loading.problems(f"caching: {{enabled: {text}}}")["caching.enabled"]


@pytest.mark.parametrize(
    ("file", "where", "named"),
    [
        ("caching: [ttl]", "caching", "must be a mapping, not a list"),
        ("caching:", "caching", "must be a mapping, not nothing"),
        ("caching: 5m", "caching", "must be a mapping, not a text"),
        ("datasources: {uid: a}", "datasources", "must be a list, not a mapping"),
        ("datasources:", "datasources", "must be a list, not nothing"),
        ("datasources: [http://a]", "datasources[0]", "must be a mapping, not a text"),
        ("datasources: [{url: 'http://a'}]", "datasources[0].uid", "is missing"),
        ("datasources: [{uid: a}]", "datasources[0].url", "is missing"),
        ("datasources: [{uid: 7, url: 'http://a'}]", "datasources[0].uid", "not a number; put it in quotes"),
        (SOURCE % "id: '1.5'", "datasources[0].id", "must be a whole number, not '1.5'"),
        (SOURCE % "id: 1.5", "datasources[0].id", "must be a whole number"),
        (SOURCE % "id: true", "datasources[0].id", "must be a whole number, not true or false"),
        (SOURCE % "name: 2024-01-01", "datasources[0].name", "put it in quotes"),
        (SOURCE % "name:", "datasources[0].name", "must be a text, not nothing"),
        (SOURCE % "headers: [a]", "datasources[0].headers", "must be a mapping, not a list"),
        (SOURCE % "identity: {drop: x-a}", "datasources[0].identity.drop", "must be a list, not a text"),
        (SOURCE % "identity: {drop: [1]}", "datasources[0].identity.drop[0]", "must be a text"),
        (SOURCE % "basic_auth: {username: u, password: 7}", "datasources[0].basic_auth.password", "must be a text"),
        (SOURCE % "basic_auth:", "datasources[0].basic_auth", "must be a mapping, not nothing"),
        (SOURCE % "deltas: {enabled: true}", "datasources[0].deltas", "is not a key here"),
        ("gateway: {url: 'http://grafana'}", "gateway", "is not a key here; known are server, caching"),
        ("caching: {tll: 5m}", "caching.tll", "is not a key here; did you mean ttl?"),
        ("caching: {ttl_ms: 5}", "caching.ttl_ms", "is not a key here; did you mean ttl?"),
        ("server: {yes: 1}", "server.True", "is not a key here"),
    ],
)  # fmt: skip
def test_what_has_the_wrong_form_is_refused_with_its_path(loading: Loading, file: str, where: str, named: str) -> None:
    problems = loading.problems(file)
    assert list(problems) == [where]
    assert named in problems[where]


def url_of_redis(config: Config) -> str:
    return config.caching.redis.url


def password(config: Config) -> str:
    [source] = config.datasources
    assert source.basic_auth is not None
    return source.basic_auth.password


def header(config: Config) -> str:
    [source] = config.datasources
    return source.headers["X-Token"]


SECRETS: list[tuple[str, str, Any]] = [
    ("caching: {redis: {%s}}", "url", url_of_redis),
    (SOURCE % "basic_auth: {username: u, %s}", "password", password),
    (SOURCE % "headers: {%s}", "X-Token", header),
]


@pytest.mark.parametrize(("file", "key", "get"), SECRETS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_every_secret_may_be_in_a_file(loading: Loading, file: str, key: str, get: Any, end: str) -> None:
    loading.write("secret", f"redis://:p$$w d@${{HOST}}/0{end}")
    config = loading(file % f"{key}_file: '{{directory}}/secret'")
    assert get(config) == "redis://:p$$w d@${HOST}/0"  # a secret's file is taken as it is


@pytest.mark.parametrize(("file", "key", "get"), SECRETS)
@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ("{key}: redis://a, {key}_file: '{{directory}}/secret'", "give either {key} or {key}_file"),
        ("{key}_file: '{{directory}}/none'", "cannot be read: No such file or directory"),
        ("{key}_file: '{{directory}}'", "cannot be read: Is a directory"),
        ("{key}_file: '{{directory}}/binary'", "is not UTF-8 text"),
        ("{key}_file: [a]", "must be a file's name, not a list"),
        ("{key}_file:", "must be a file's name, not nothing"),
    ],
)
def test_a_secret_that_cannot_be_read_is_told(
    loading: Loading, file: str, key: str, get: Any, entries: str, named: str
) -> None:
    loading.write("secret", "redis://b")
    (loading.directory / "binary").write_bytes(b"\xff\xfe")
    [(where, problem)] = loading.problems(file % entries.format(key=key)).items()
    assert where.endswith(f".{key}_file")
    assert named.format(key=key) in problem


def test_what_is_no_secret_has_no_file(loading: Loading) -> None:
    assert "caching.ttl_file" in loading.problems("caching: {ttl_file: /dev/null}")
    assert "MILLPOND_CACHING_TTL_FILE" in loading.problems(environ={"MILLPOND_CACHING_TTL_FILE": "/dev/null"})
