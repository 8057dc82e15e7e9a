"""What a configuration of the right types may still not say. Every problem with its path; warnings apart."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ..core.addresses import is_link_local
from ..core.headers import HOP_BY_HOP
from ..dialects.registry import KNOWN_TYPES
from .schema import (
    MAX_TTL_MS,
    UID,
    Action,
    Caching,
    Config,
    Grafana,
    Identity,
    Redis,
    Section,
    Server,
    Source,
    Telemetry,
    Timeouts,
    Tls,
    Token,
)

_LISTEN = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]*):(\d{1,5})")
_BARE_HOST = re.compile(r"(?!https?:)[A-Za-z0-9.-]+(?::\d+)?(?:/[^@?#\s]*)?")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SCOPE = re.compile(rf"datasources:(?:\*|uid:\*|uid:{UID})")
_ACTIONS = tuple(Action)
_CHOICES = {
    "backend": ("memory", "redis"),
    "log_format": ("logfmt", "json", "console"),
    "log_level": ("debug", "info", "warning", "error"),
    "policy": ("ttl", "http"),
}
_REDIS_PARAMETERS = (
    *("db", "username", "password"),
    *("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"),
)
"""Not redis-py's others: timeouts and retries have their own keys."""

_LONGEST_PERMISSION_MS = 60_000

Problem = tuple[str, str]


def problems(config: Config) -> Iterator[Problem]:
    yield from _server(config.server)
    yield from _caching(config.caching)
    yield from _telemetry(config.telemetry)
    yield from _grafana(config.grafana, "grafana")
    for index, token in enumerate(config.auth.tokens):
        yield from _token(token, f"auth.tokens[{index}]")
    for index, source in enumerate(config.datasources):
        yield from _source(source, f"datasources[{index}]")
    yield from _uniqueness(config)


def warnings(config: Config) -> Iterator[Problem]:
    """What works, and perhaps not as meant."""
    if not config.datasources and not config.grafana.url:
        yield "datasources", "there is none; give --upstream URL or --grafana-url URL, or declare some in the file"
    if not config.grafana.url and config.grafana != Grafana():
        yield "grafana", "is not used: it has no url"
    if config.caching.backend == "memory" and config.caching.redis != Redis():
        yield "caching.redis", "is not used: caching.backend is memory"
    for index, source in enumerate(config.datasources):
        path = f"datasources[{index}]"
        if source.type not in KNOWN_TYPES:
            yield f"{path}.type", f"{source.type!r} is not known: only its GETs are cached, exactly as asked"
        if source.tls.insecure_skip_verify:
            yield f"{path}.tls.insecure_skip_verify", "the source's certificate is not verified"


def _server(server: Server) -> Iterator[Problem]:
    for key in ("listen", "admin_listen"):
        match = _LISTEN.fullmatch(getattr(server, key))
        if match is None or int(match[1]) > 65535:
            yield f"server.{key}", "must be host:port, like 127.0.0.1:8690, an IPv6 host in brackets"
    if server.listen == server.admin_listen:
        yield "server.admin_listen", "must not be server.listen too: what Grafana can reach must not be the admin's"
    yield from _above_0("server", server, "max_request_body_mb")


def _caching(caching: Caching) -> Iterator[Problem]:
    yield from _choice("caching.backend", caching.backend)
    yield from _at_most_a_year("caching", caching, "ttl_ms", "max_ttl_ms")
    why = ": without it a hanging Redis hangs every user"
    yield from _above_0("caching", caching, "connection_timeout_ms", "read_timeout_ms", "write_timeout_ms", why=why)
    yield from _above_0("caching", caching, "max_value_mb")
    yield from _above_0("caching.memory", caching.memory, "max_size_mb")
    if not caching.redis.prefix:
        yield "caching.redis.prefix", "must not be empty: a clean deletes by it"
    yield from _redis_url(caching.redis.url)
    for address in filter(None, caching.redis.cluster.split(",")):
        if not _LISTEN.fullmatch(address.strip()):
            yield (
                "caching.redis.cluster",
                "must be a comma list of host:port; user, password and rediss go into url",
            )


def _redis_url(url: str) -> Iterator[Problem]:
    """Says nothing of the URL: it may hold a password."""
    path = "caching.redis.url"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises ValueError for a port that is none
        parameters = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        yield path, "is not a URL like redis://redis:6379; percent-encode what is special in its password"
        return
    if parts.scheme not in ("redis", "rediss", "unix"):
        yield path, "must begin with redis://, rediss:// or unix://"
    elif parts.scheme != "unix" and not re.fullmatch(r"/?|/[0-9]+", parts.path):
        yield path, "must end with the host and port, or with the number of a database, like redis://redis:6379/0"
    elif parts.fragment:
        yield path, "must have no fragment; percent-encode what is special in its password"
    elif not parameters.keys() <= set(_REDIS_PARAMETERS):
        yield path, f"has other parameters than {', '.join(_REDIS_PARAMETERS)}"


def _telemetry(telemetry: Telemetry) -> Iterator[Problem]:
    yield from _choice("telemetry.log_format", telemetry.log_format)
    yield from _choice("telemetry.log_level", telemetry.log_level)


def _above_0(path: str, section: Section, *names: str, why: str = "") -> Iterator[Problem]:
    for name in names:
        if getattr(section, name) <= 0:
            yield f"{path}.{name.removesuffix('_ms')}", f"must be above 0{why}"


def _at_most_a_year(path: str, section: Section, *names: str) -> Iterator[Problem]:
    for name in names:
        if (getattr(section, name) or 0) > MAX_TTL_MS:
            yield f"{path}.{name.removesuffix('_ms')}", "must be at most 365d"


def _choice(path: str, value: str) -> Iterator[Problem]:
    choices = _CHOICES[path.rpartition(".")[2]]
    if value not in choices:
        yield path, f"must be one of {', '.join(choices)}"


def _token(token: Token, path: str) -> Iterator[Problem]:
    if not re.fullmatch(r"[0-9a-f]{64}", token.sha256):
        yield f"{path}.sha256", 'must be 64 lower-case hex digits: printf %s "$TOKEN" | sha256sum'
    for action, scopes in token.permissions.items():
        if action not in _ACTIONS:
            yield f"{path}.permissions.{action}", f"is not an action; known are {', '.join(_ACTIONS)}"
        for index, scope in enumerate(scopes):
            if not _SCOPE.fullmatch(scope):
                yield (
                    f"{path}.permissions.{action}[{index}]",
                    "must be datasources:*, datasources:uid:* or datasources:uid:<uid>",
                )


def _source(source: Source, path: str) -> Iterator[Problem]:
    if not re.fullmatch(UID, source.uid):
        yield f"{path}.uid", "must be 1 to 40 of A-Z a-z 0-9 _ -"
    if source.id is not None and source.id < 1:
        yield f"{path}.id", "must be 1 or above; leave it out to be given one"
    if source.org_id < 1:
        yield f"{path}.org_id", "must be 1 or above"
    yield from _url(source.url, f"{path}.url")
    yield from _choice(f"{path}.policy", source.policy)
    yield from _at_most_a_year(f"{path}.cache", source.cache, "ttl_queries_ms", "ttl_resources_ms")
    yield from _timeouts(source.timeouts, f"{path}.timeouts")
    yield from _at_least_1(path, source, "max_concurrent")
    for name, value in source.headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in HOP_BY_HOP | {"host", "content-length"}:
            yield f"{path}.headers.{name}", "is not a header that can be set on a request"
        if any(ord(char) < 0x20 or ord(char) == 0x7F for char in value):
            yield f"{path}.headers.{name}", "must have no line breaks or control characters"
    yield from _identity(source.identity, f"{path}.identity")
    yield from _patterns(source.cacheable_posts, f"{path}.cacheable_posts")
    if source.basic_auth is not None:
        if ":" in source.basic_auth.username:
            yield f"{path}.basic_auth.username", "must have no colon: the password would begin there"
        if any(name.lower() == "authorization" for name in source.headers):
            yield f"{path}.basic_auth", "sets the Authorization header, and so do headers; give one of them"
    yield from _tls(source.tls, f"{path}.tls")


def _grafana(grafana: Grafana, path: str) -> Iterator[Problem]:
    if grafana.url:
        yield from _url(grafana.url, f"{path}.url", like="http://grafana:3000")
    if grafana.path and not re.fullmatch(r"/|(?:/[A-Za-z0-9._~-]+)+", grafana.path):
        yield f"{path}.path", "must be a path like /grafana, without a slash at its end"
    yield from _at_most_a_year(f"{path}.cache", grafana.cache, "ttl_queries_ms", "ttl_resources_ms")
    yield from _at_most_a_year(path, grafana, "past_ttl_ms")
    yield from _above_0(path, grafana, "permission_ttl_ms")
    if grafana.permission_ttl_ms > _LONGEST_PERMISSION_MS:
        yield f"{path}.permission_ttl", "must be at most 1m: who has lost a role may read on for so long"
    if grafana.max_data_points_step < 0:
        yield f"{path}.max_data_points_step", "must be 0 or above"
    yield from _header_names(grafana.auth_proxy.headers, f"{path}.auth_proxy.headers")
    for index, address in enumerate(grafana.auth_proxy.addresses):
        try:
            ipaddress.ip_network(address)
        except ValueError:
            yield f"{path}.auth_proxy.addresses[{index}]", "must be an address or a network, like 10.0.0.0/8"
    if grafana.auth_proxy.headers and not grafana.auth_proxy.addresses:
        yield f"{path}.auth_proxy.addresses", "must name the proxies that may send these headers"
    yield from _identity(grafana.identity, f"{path}.identity")
    for plugin, patterns in grafana.cacheable_posts.items():
        yield from _patterns(patterns, f"{path}.cacheable_posts.{plugin}")
    yield from _timeouts(grafana.timeouts, f"{path}.timeouts")
    yield from _at_least_1(path, grafana, "max_concurrent")
    yield from _tls(grafana.tls, f"{path}.tls")


def _timeouts(timeouts: Timeouts, path: str) -> Iterator[Problem]:
    yield from _above_0(path, timeouts, "connect_ms", "first_byte_ms", "between_bytes_ms")


def _at_least_1(path: str, section: Section, name: str) -> Iterator[Problem]:
    if getattr(section, name) < 1:
        yield f"{path}.{name}", "must be 1 or above"


def _identity(identity: Identity, path: str) -> Iterator[Problem]:
    yield from _header_names((*identity.drop, *identity.keep), path)


def _header_names(names: Iterable[str], path: str) -> Iterator[Problem]:
    for name in names:
        if not _HEADER.fullmatch(name):
            yield path, f"{name!r} is not a header's name"


def _patterns(patterns: Iterable[str], path: str) -> Iterator[Problem]:
    for index, pattern in enumerate(patterns):
        try:
            re.compile(pattern)
        except re.error as error:
            yield f"{path}[{index}]", f"is not a regular expression: {error}"


def _url(url: str, path: str, like: str = "http://prometheus:9090") -> Iterator[Problem]:
    """Says nothing of the URL but that it lacks its scheme: it may hold a password."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        parts.port  # noqa: B018  # raises ValueError for a port that is none
    except ValueError:
        yield path, f"is not a URL like {like}"
        return
    if _BARE_HOST.fullmatch(url):
        yield path, f"must begin with http:// or https://; write http://{url}"
    elif parts.scheme not in ("http", "https"):
        yield path, "must begin with http:// or https://"
    elif not host or any(char.isspace() or not char.isprintable() for char in url):
        yield path, f"must name a host, like {like}"
    elif parts.username is not None or parts.password is not None:
        yield path, "must hold no user or password; use basic_auth"
    elif parts.query or parts.fragment:
        yield path, "must have no query and no fragment"
    elif is_link_local(host):
        yield path, "is a link-local address; these belong to the host and to cloud metadata services"


def _tls(tls: Tls, path: str) -> Iterator[Problem]:
    if bool(tls.cert_file) != bool(tls.key_file):
        yield path, "give cert_file and key_file, or neither"
    for key in ("ca_file", "cert_file", "key_file"):
        file_name = getattr(tls, key)
        if file_name and not Path(file_name).is_file():
            yield f"{path}.{key}", f"{file_name} is no file that can be read"


def _uniqueness(config: Config) -> Iterator[Problem]:
    roots = [index for index, source in enumerate(config.datasources) if source.owns_root]
    if config.grafana.url and roots:
        root = config.datasources[roots[0]].uid
        yield "grafana.url", f"takes the root path, and so does the data source {root!r}; it is at /ds/{root} as well"
    for index in roots[1:]:
        yield f"datasources[{index}].owns_root", f"the root path is owned by datasources[{roots[0]}]"
    uids: dict[str, int] = {}
    ids: dict[int, int] = {}
    for index, source in enumerate(config.datasources):
        if uids.setdefault(source.uid, index) != index:
            yield (
                f"datasources[{index}].uid",
                f"{source.uid!r} is the uid of datasources[{uids[source.uid]}] too",
            )
        if source.id is not None and ids.setdefault(source.id, index) != index:
            yield f"datasources[{index}].id", f"{source.id} is the id of datasources[{ids[source.id]}] too"
