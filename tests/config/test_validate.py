"""What a configuration of the right types may still not say."""

import pytest
from redis.asyncio import ConnectionPool

from proxy.config.load import Flags, load

from .loading import Loading

SOURCE = "datasources: [{uid: a, url: 'http://a', %s}]"
URL = "datasources: [{uid: a, url: '%s'}]"
TOKEN = "auth: {tokens: [{name: t, sha256: '%s', permissions: {%s}}]}"
SHA256 = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "file",
    [
        *(f"server: {{listen: '{address}'}}" for address in ("0.0.0.0:8690", ":8690", "[::1]:8690", "localhost:1")),
        *(URL % url for url in ("https://a", "http://a:9090/prom/", "http://127.0.0.1:9", "http://[::1]:9090", "HTTP://a")),
        TOKEN % (SHA256, "'datasources.caching:read': ['datasources:*', 'datasources:uid:*', 'datasources:uid:a-b_C']"),
        SOURCE % "basic_auth: {username: u}, headers: {X-Scope-OrgID: t}",
        SOURCE % "timeouts: {total: 0s}, queue_timeout: 0s",
        "caching: {redis: {cluster: 'a:6379, b:6379'}}",
        "caching: {ttl: 365d, max_ttl: 365d}",
        *(f"grafana: {{url: 'http://g', path: '{path}'}}" for path in ("", "/", "/grafana", "/a/b.c")),
        "grafana: {url: 'http://g', auth_proxy: {headers: [X-WEBAUTH-USER], addresses: [10.0.0.0/8, '::1']}}",
        "grafana: {url: 'http://g', cacheable_posts: {my-plugin: ['^/search$']}}",
    ],
)  # fmt: skip
def test_good(loading: Loading, file: str) -> None:
    loading(file)


@pytest.mark.parametrize(
    ("file", "where", "named"),
    [
        ("server: {listen: '8690'}", "server.listen", "like 127.0.0.1:8690"),
        ("server: {listen: 'a:99999'}", "server.listen", "host:port"),
        ("server: {listen: 'a:http'}", "server.listen", "host:port"),
        ("server: {listen: '::1:8690'}", "server.listen", "brackets"),
        ("server: {listen: 'http://a:8690'}", "server.listen", "host:port"),
        ("server: {admin_listen: '127.0.0.1:8690'}", "server.admin_listen", "must not be server.listen"),
        ("server: {max_request_body_mb: 0}", "server.max_request_body_mb", "above 0"),
        ("caching: {backend: memcached}", "caching.backend", "must be one of memory, redis"),
        ("caching: {ttl: 366d}", "caching.ttl", "at most 365d"),
        ("caching: {read_timeout: 0s}", "caching.read_timeout", "hangs every user"),
        ("caching: {redis: {prefix: ''}}", "caching.redis.prefix", "must not be empty"),
        ("caching: {redis: {cluster: 'a'}}", "caching.redis.cluster", "host:port"),
        ("telemetry: {log_format: xml}", "telemetry.log_format", "must be one of logfmt, json, console"),
        ("telemetry: {log_level: trace}", "telemetry.log_level", "must be one of debug"),
        (TOKEN % ("secret", ""), "auth.tokens[0].sha256", "sha256sum"),
        (TOKEN % (SHA256, "write: []"), "auth.tokens[0].permissions.write", "is not an action"),
        (TOKEN % (SHA256, "'datasources.caching:read': [all]"),
         "auth.tokens[0].permissions.datasources.caching:read[0]", "datasources:uid:<uid>"),
        ("grafana: {url: 'grafana:3000'}", "grafana.url", "write http://grafana:3000"),
        ("grafana: {url: 'http://'}", "grafana.url", "http://grafana:3000"),
        ("grafana: {path: grafana}", "grafana.path", "a path like /grafana"),
        ("grafana: {path: /grafana/}", "grafana.path", "without a slash at its end"),
        ("grafana: {permission_ttl: 0s}", "grafana.permission_ttl", "above 0"),
        ("grafana: {permission_ttl: 61s}", "grafana.permission_ttl", "at most 1m"),
        ("grafana: {past_ttl: 366d}", "grafana.past_ttl", "at most 365d"),
        ("grafana: {max_data_points_step: -1}", "grafana.max_data_points_step", "0 or above"),
        ("grafana: {cache: {ttl_queries: 366d}}", "grafana.cache.ttl_queries", "at most 365d"),
        ("grafana: {auth_proxy: {headers: [X-WEBAUTH-USER]}}", "grafana.auth_proxy.addresses", "may send"),
        ("grafana: {auth_proxy: {addresses: [proxy]}}", "grafana.auth_proxy.addresses[0]", "10.0.0.0/8"),
        ("grafana: {auth_proxy: {headers: ['a b'], addresses: ['::1']}}", "grafana.auth_proxy.headers", "'a b'"),
        ("grafana: {identity: {drop: ['a b']}}", "grafana.identity", "'a b'"),
        ("grafana: {cacheable_posts: {p: ['(']}}", "grafana.cacheable_posts.p[0]", "regular expression"),
        ("grafana: {timeouts: {connect: 0s}}", "grafana.timeouts.connect", "above 0"),
        ("grafana: {max_concurrent: 0}", "grafana.max_concurrent", "1 or above"),
        ("grafana: {tls: {cert_file: '{directory}/f'}}", "grafana.tls", "cert_file and key_file"),
        ("grafana: {url: 'http://g'}\ndatasources: [{uid: a, url: 'http://a', owns_root: true}]",
         "grafana.url", "'a'; it is at /ds/a as well"),
        ("datasources: [{uid: a/b, url: 'http://a'}]", "datasources[0].uid", "1 to 40"),
        ("datasources: [{uid: '', url: 'http://a'}]", "datasources[0].uid", "1 to 40"),
        ("datasources: [{uid: a, url: 'http://a'}, {uid: a, url: 'http://b'}]", "datasources[1].uid", "datasources[0] too"),
        ("datasources: [{uid: a, id: 1, url: 'http://a'}, {uid: b, id: 1, url: 'http://b'}]", "datasources[1].id", "too"),
        ("datasources: [{uid: a, url: 'http://a', owns_root: true}, {uid: b, url: 'http://b', owns_root: true}]",
         "datasources[1].owns_root", "datasources[0]"),
        (SOURCE % "id: 0", "datasources[0].id", "1 or above"),
        (SOURCE % "org_id: 0", "datasources[0].org_id", "1 or above"),
        (SOURCE % "policy: never", "datasources[0].policy", "must be one of ttl, http"),
        (SOURCE % "cache: {ttl_queries: 366d}", "datasources[0].cache.ttl_queries", "at most 365d"),
        (SOURCE % "timeouts: {first_byte: 0s}", "datasources[0].timeouts.first_byte", "above 0"),
        (SOURCE % "max_concurrent: 0", "datasources[0].max_concurrent", "1 or above"),
        (SOURCE % "headers: {Content-Length: '1'}", "datasources[0].headers.Content-Length", "is not a header"),
        (SOURCE % "headers: {'a b': c}", "datasources[0].headers.a b", "is not a header"),
        (SOURCE % 'headers: {a: "b\\r\\nc: d"}', "datasources[0].headers.a", "line breaks"),
        (SOURCE % "identity: {drop: ['a b']}", "datasources[0].identity", "is not a header's name"),
        (SOURCE % "cacheable_posts: ['(']", "datasources[0].cacheable_posts[0]", "is not a regular expression"),
        (SOURCE % "tls: {cert_file: '{directory}/f'}", "datasources[0].tls", "cert_file and key_file"),
        (SOURCE % "tls: {ca_file: /none}", "datasources[0].tls.ca_file", "/none is no file"),
        (SOURCE % "basic_auth: {username: 'a:b'}", "datasources[0].basic_auth.username", "no colon"),
        (SOURCE % "basic_auth: {username: a}, headers: {authorization: b}", "datasources[0].basic_auth", "one of them"),
        *((URL % url, "datasources[0].url", named) for url, named in (
            ("prometheus:9090", "write http://prometheus:9090"),
            ("localhost", "write http://localhost"),
            ("10.0.0.1:9090/prom", "write http://10.0.0.1:9090/prom"),
            ("ftp://a", "must begin with http://"),
            ("file:///etc/passwd", "must begin with http://"),
            ("http://", "must name a host"),
            ("http:a", "must name a host"),
            ("http://a b", "must name a host"),
            ("http://a:port", "is not a URL"),
            ("http://a:99999", "is not a URL"),
            ("http://[::1", "is not a URL"),
            ("http://a?key=b", "no query"),
            ("http://169.254.169.254/latest", "link-local"),
        )),
        *((f"caching: {{redis: {{url: '{url}'}}}}", "caching.redis.url", named) for url, named in (
            ("redis", "must begin with redis://"),
            ("http://redis", "must begin with redis://"),
            ("redis://[::1", "is not a URL"),
            ("redis://redis:port", "is not a URL"),
            ("redis://redis/db", "number of a database"),
            ("redis://redis?socket_timeout=60", "has other parameters than db"),
            ("redis://redis?db", "is not a URL"),
            ("redis://redis#1", "no fragment"),
        )),
    ],
)  # fmt: skip
def test_bad(loading: Loading, file: str, where: str, named: str) -> None:
    loading.write("f", "")
    problems = loading.problems(file)
    assert list(problems) == [where]
    assert named in problems[where]


@pytest.mark.parametrize(
    "file",
    [
        *(URL % url for url in ("http://u:CANARY@a", "http://u:CANARY/x@a", "http://a?key=CANARY")),
        *(URL % url for url in ("http://a:CANARY", "CANARY@a", "http://a/#CANARY", "u:CANARY@a:9090", "CANARY://a")),
        *(f"caching: {{redis: {{url: '{url}'}}}}" for url in ("redis://:CANARY/@a", "redis://:CANARY#@a")),
        *(f"caching: {{redis: {{url: '{url}'}}}}" for url in ("redis://a?x=CANARY", "http://:CANARY@a", "CANARY", "redis://a:CANARY")),
        SOURCE % "basic_auth: CANARY",
        SOURCE % "headers: CANARY",
        SOURCE % "headers: {'Authorization': [CANARY]}",
        SOURCE % 'headers: {Authorization: "CANARY\\n"}',
        "auth: CANARY",
        TOKEN % ("CANARY", ""),
    ],
)  # fmt: skip
def test_no_error_shows_a_secret(loading: Loading, file: str) -> None:
    assert "CANARY" not in str(loading.problems(file))


@pytest.mark.parametrize("scheme", ["redis://redis:6379/1", "rediss://u:p@redis", "unix:///run/redis.sock"])
def test_the_parameters_that_a_url_of_redis_may_have_are_known_to_its_client(loading: Loading, scheme: str) -> None:
    parameters = "db=1&username=u&password=p"
    if scheme.startswith("rediss"):
        parameters += "&ssl_ca_certs=a&ssl_certfile=b&ssl_keyfile=c&ssl_cert_reqs=required&ssl_check_hostname=true"
    url = loading(f"caching: {{redis: {{url: '{scheme}?{parameters}'}}}}").caching.redis.url
    ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]  # redis-py's is not annotated


@pytest.mark.parametrize(
    ("file", "where"),
    [
        ("", "datasources"),
        (SOURCE % "type: access", "datasources[0].type"),
        (SOURCE % "tls: {insecure_skip_verify: true}", "datasources[0].tls.insecure_skip_verify"),
        (f"{SOURCE % 'id: 1'}\ncaching: {{redis: {{url: 'redis://redis'}}}}", "caching.redis"),
    ],
)
def test_what_works_and_perhaps_not_as_meant_is_a_warning(loading: Loading, file: str, where: str) -> None:
    warnings = load(Flags(config=loading.write("millpond.yaml", file)), {}).warnings
    assert [path for path, _ in warnings] == [where]
