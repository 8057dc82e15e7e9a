"""The process's own configuration: every key, and every default once.

Durations are written as Grafana writes them ("30s", "5m", "1h30m") and held as whole milliseconds; sizes are numbers in
the unit of the key's name. An attribute's `_ms` suffix is not part of its key in the file.
"""

from enum import StrEnum

from msgspec import Struct, field


class Duration(int):
    """Milliseconds; "30s" in the file."""

    __slots__ = ()


class Secret(str):
    """A string that is never shown: its repr is redacted. In the file also as `<key>_file`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[redacted]'"


SECOND = 1000
MINUTE = 60 * SECOND
MAX_TTL_MS = 365 * 24 * 60 * MINUTE
"""Of a TTL, whether the file or the API sets it."""
MIB = 1024 * 1024

UID = "[A-Za-z0-9_-]{1,40}"
"""A regular expression: what Grafana takes for a data source's uid."""


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every section has in common: immutable, keyword-only, unknown keys refused."""


class Server(Section, frozen=True):
    listen: str = "127.0.0.1:8690"
    admin_listen: str = "127.0.0.1:8691"
    data_dir: str = ""  # empty: $XDG_STATE_HOME/millpond, or ~/.local/state/millpond
    drain_ms: Duration = field(default=Duration(30 * SECOND), name="drain")
    max_request_body_mb: float = 1  # of a call that may be answered from the cache; larger ones pass uncached


class Redis(Section, frozen=True):
    url: Secret = Secret("redis://localhost:6379")
    cluster: str = ""
    prefix: str = "millpond"


class Memory(Section, frozen=True):
    max_size_mb: float = 256


class Caching(Section, frozen=True):
    """Grafana's `[caching]`, with its vocabulary."""

    enabled: bool = True
    backend: str = "memory"  # memory | redis
    ttl_ms: Duration = field(default=Duration(5 * MINUTE), name="ttl")
    max_ttl_ms: Duration = field(default=Duration(0), name="max_ttl")  # 0: no cap
    max_value_mb: float = 16
    connection_timeout_ms: Duration = field(default=Duration(250), name="connection_timeout")
    read_timeout_ms: Duration = field(default=Duration(250), name="read_timeout")
    write_timeout_ms: Duration = field(default=Duration(250), name="write_timeout")
    redis: Redis = Redis()
    memory: Memory = Memory()

    @property
    def max_value_bytes(self) -> int:
        return int(self.max_value_mb * MIB)


class Action(StrEnum):
    """What a token may be allowed to do: Grafana's names."""

    READ = "datasources.caching:read"
    WRITE = "datasources.caching:write"


class Token(Section, frozen=True):
    """`permissions` maps actions to scopes."""

    name: str
    sha256: str  # hex of the token's digest; the token itself is never kept
    permissions: dict[str, list[str]]


class Auth(Section, frozen=True):
    tokens: tuple[Token, ...] = ()


class SourceCache(Section, frozen=True):
    """First values: what the API changed afterwards wins. A TTL given here means `useDefaultTTL: false`."""

    enabled: bool = False
    ttl_queries_ms: Duration | None = field(default=None, name="ttl_queries")
    ttl_resources_ms: Duration | None = field(default=None, name="ttl_resources")


class Timeouts(Section, frozen=True):
    connect_ms: Duration = field(default=Duration(5 * SECOND), name="connect")
    first_byte_ms: Duration = field(default=Duration(60 * SECOND), name="first_byte")
    between_bytes_ms: Duration = field(default=Duration(60 * SECOND), name="between_bytes")
    total_ms: Duration = field(default=Duration(5 * MINUTE), name="total")  # of a call that may be kept; 0: none


class LongTimeouts(Timeouts, frozen=True):
    """Of Grafana, who waits for its data sources itself, and has long polls."""

    first_byte_ms: Duration = field(default=Duration(5 * MINUTE), name="first_byte")
    between_bytes_ms: Duration = field(default=Duration(5 * MINUTE), name="between_bytes")


class Tls(Section, frozen=True):
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure_skip_verify: bool = False


class BasicAuth(Section, frozen=True):
    username: str
    password: Secret = Secret("")


class Identity(Section, frozen=True):
    """Lower-case header names: `drop` are no part of a caller's identity, `keep` are, though they are noise elsewhere."""

    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


class Delta(Section, frozen=True):
    """Range queries answered from what is known of their points. `enabled` null: by the source's type."""

    enabled: bool | None = None
    freshness_ms: Duration = field(default=Duration(10 * MINUTE), name="freshness")  # younger points may still change
    settled_ttl_ms: Duration = field(default=Duration(24 * 60 * MINUTE), name="settled_ttl")
    align: bool = False  # moves ranges to whole steps, and so the times in the answers


class Source(Section, frozen=True):
    """A data source. `uid` is unique in the file."""

    uid: str
    url: str
    type: str = "prometheus"
    id: int | None = None
    org_id: int = 1
    name: str = ""
    owns_root: bool = False  # also answers at the listener's root: what --upstream sets
    cache: SourceCache = SourceCache()
    timeouts: Timeouts = Timeouts()
    tls: Tls = Tls()
    basic_auth: BasicAuth | None = None
    headers: dict[str, Secret] = field(default_factory=dict)
    max_concurrent: int = 64
    queue_timeout_ms: Duration = field(default=Duration(30 * SECOND), name="queue_timeout")  # as long as Grafana
    identity: Identity = Identity()
    delta: Delta = Delta()
    honour_no_cache: bool = True  # a request's Cache-Control: no-cache or no-store bypasses
    policy: str = "ttl"  # ttl | http: also bounded by what the answer's own headers allow
    cacheable_posts: tuple[str, ...] = ()  # infinity: path patterns of POSTs that only read
    stale_while_revalidate_ms: Duration = field(default=Duration(0), name="stale_while_revalidate")
    stale_if_error_ms: Duration = field(default=Duration(0), name="stale_if_error")


class AuthProxy(Section, frozen=True):
    """Headers by which a proxy before us tells Grafana who a user is. Of any other address they are dropped."""

    headers: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()  # networks too: 10.0.0.0/8


class Grafana(Section, frozen=True):
    """The position in front of Grafana. It is on where `url` is given, and owns the root path."""

    url: str = ""
    path: str = ""  # the sub-path that users come by; empty: the url's
    token: Secret = Secret("")  # reads data sources whose callers may not
    cache: SourceCache = SourceCache()  # of every data source, until the Caching API says otherwise
    permission_ttl_ms: Duration = field(default=Duration(10 * SECOND), name="permission_ttl")
    past_ttl_ms: Duration = field(default=Duration(0), name="past_ttl")  # of absolute ranges in the past; 0: as others
    max_data_points_step: int = 0  # panels whose widths differ by less share answers; 0: none do
    auth_proxy: AuthProxy = AuthProxy()
    identity: Identity = Identity()
    cacheable_posts: dict[str, tuple[str, ...]] = field(default_factory=dict)  # plugin id to patterns of resource paths
    delta: Delta = Delta()  # of range queries through Grafana's data source proxy
    timeouts: LongTimeouts = LongTimeouts()
    tls: Tls = Tls()
    max_concurrent: int = 1000
    queue_timeout_ms: Duration = field(default=Duration(30 * SECOND), name="queue_timeout")


class Telemetry(Section, frozen=True):
    log_format: str = "logfmt"  # logfmt | json | console
    log_level: str = "info"  # debug | info | warning | error


class Config(Section, frozen=True):
    server: Server = Server()
    caching: Caching = Caching()
    auth: Auth = Auth()
    grafana: Grafana = Grafana()
    datasources: tuple[Source, ...] = ()
    telemetry: Telemetry = Telemetry()
