"""Which variables are Millpond's, which are not, and which are a mistake."""

import pytest

from proxy.config.environment import FLAGS, is_of_a_service, variables

from .loading import Loading


def test_every_scalar_of_the_file_has_a_variable_and_lists_have_none() -> None:
    paths = set(variables().values())
    assert {"caching.ttl", "caching.redis.url", "caching.redis.url_file", "server.data_dir"} <= paths
    assert variables()["MILLPOND_CACHING_MEMORY_MAX_SIZE_MB"] == "caching.memory.max_size_mb"
    assert not any(path.startswith(("datasources", "auth")) for path in paths)


def test_a_value_is_read_as_its_key_wants_it(loading: Loading) -> None:
    caching = loading(
        environ={
            "MILLPOND_CACHING_ENABLED": "false",
            "MILLPOND_CACHING_BACKEND": "redis",
            "MILLPOND_CACHING_MAX_TTL": "1h30m",
            "MILLPOND_CACHING_MEMORY_MAX_SIZE_MB": "0.5",
            "MILLPOND_CACHING_REDIS_PREFIX": "$team",
        }
    ).caching
    assert (caching.enabled, caching.backend, caching.max_ttl_ms) == (False, "redis", 5_400_000)
    assert (caching.memory.max_size_mb, caching.redis.prefix) == (0.5, "$team")


def test_an_empty_variable_counts_as_not_set(loading: Loading) -> None:
    environ = dict.fromkeys([*variables(), *FLAGS.values()], "")
    assert loading(environ=environ) == loading()


def test_a_secret_of_the_environment_replaces_that_of_the_file_however_it_is_given(loading: Loading) -> None:
    name = loading.write("redis-url", "redis://from-a-file\n")
    for file, environ, url in (
        ("caching: {redis: {url: redis://file}}", {"MILLPOND_CACHING_REDIS_URL": "redis://env"}, "redis://env"),
        (
            "caching: {redis: {url_file: '{directory}/redis-url'}}",
            {"MILLPOND_CACHING_REDIS_URL": "redis://env"},
            "redis://env",
        ),
        ("caching: {redis: {url: redis://file}}", {"MILLPOND_CACHING_REDIS_URL_FILE": name}, "redis://from-a-file"),
    ):
        assert loading(file, environ).caching.redis.url == url
    both = {"MILLPOND_CACHING_REDIS_URL": "redis://env", "MILLPOND_CACHING_REDIS_URL_FILE": name}
    assert list(loading.problems(environ=both)) == ["MILLPOND_CACHING_REDIS_URL"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MILLPOND_SERVICE_HOST", "10.96.0.12"),
        ("MILLPOND_SERVICE_PORT", "8690"),
        ("MILLPOND_SERVICE_PORT_HTTP", "8690"),
        ("MILLPOND_PORT", "tcp://10.96.0.12:8690"),
        ("MILLPOND_PORT_8690_TCP", "tcp://10.96.0.12:8690"),
        ("MILLPOND_PORT_8690_TCP_PROTO", "tcp"),
        ("MILLPOND_PORT_8690_TCP_PORT", "8690"),
        ("MILLPOND_PORT_8690_TCP_ADDR", "10.96.0.12"),
        ("MILLPOND_ADMIN_SERVICE_HOST", "10.96.0.13"),
        ("MILLPOND_ADMIN_SERVICE_PORT_HTTP_METRICS", "8691"),
        ("MILLPOND_ADMIN_PORT", "tcp://10.96.0.13:8691"),
        ("MILLPOND_ADMIN_PORT_8691_UDP_ADDR", "10.96.0.13"),
    ],
)
def test_what_kubernetes_says_of_a_service_called_millpond_is_no_setting(
    loading: Loading, name: str, value: str
) -> None:
    assert loading(environ={name: value}) == loading()


def test_no_setting_is_taken_for_kubernetes_own() -> None:
    assert [name for name in variables() if is_of_a_service(name, "tcp://10.96.0.12:8690")] == []


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("MILLPOND_CACHING_TLL", "did you mean MILLPOND_CACHING_TTL?"),
        ("MILLPOND_LISTEN", "did you mean MILLPOND_SERVER_LISTEN?"),
        ("MILLPOND_UPSTREAMS", "did you mean MILLPOND_UPSTREAM?"),
        ("MILLPOND_PORT", "is not an environment variable of Millpond"),  # a number, not Kubernetes' address
        ("MILLPOND_ADMIN_PORT", "is not an environment variable of Millpond"),
        ("MILLPOND_DATASOURCES", "is not an environment variable of Millpond"),
        ("MILLPOND_X", "docs/configuration.md has the names"),
    ],
)
def test_a_variable_that_nobody_reads_is_a_mistake(loading: Loading, name: str, named: str) -> None:
    problems = loading.problems(environ={name: "8690"})
    assert list(problems) == [name]
    assert named in problems[name]


def test_grafanas_variables_are_never_read(loading: Loading) -> None:
    assert loading(environ={"GF_CACHING_TTL": "1m", "GF_CACHING_ENABLED": "nonsense"}) == loading()
