"""The one place that knows redis-py: how Redis, Valkey or a cluster is reached, and what its faults are called.

redis-py's defaults are for batch jobs: ten retries with backoff, five seconds a try, an exception when the pool is
empty. Here a command is tried once, briefly, and who wants many at once bounds them.
"""

from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from .config.schema import Caching

Client: TypeAlias = Any
"""redis-py's annotations promise both sync and async results; what `connect` returns is async alone."""

FAULTS = (exceptions.RedisError, exceptions.RedisClusterException, OSError, TimeoutError, ValueError)
"""Everything that a call may raise: none of garbage, "out of memory" and "read only" is a ConnectionError."""

_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (exceptions.AuthenticationError, "auth"),
    (exceptions.NoPermissionError, "denied"),
    (exceptions.OutOfMemoryError, "oom"),
    (exceptions.ReadOnlyError, "readonly"),
    (exceptions.BusyLoadingError, "loading"),
    (exceptions.TimeoutError, "timeout"),
    (TimeoutError, "timeout"),
    (exceptions.InvalidResponse, "protocol"),
    (ValueError, "protocol"),
    (exceptions.ClusterError, "cluster"),
    (exceptions.ResponseError, "refused"),
    (exceptions.ConnectionError, "connect"),
    (exceptions.RedisClusterException, "cluster"),
    (OSError, "connect"),
)

ANSWERED = frozenset(("oom", "readonly", "refused", "denied"))
"""Redis answered, if only to refuse: the command was not carried out, and others may be."""


def kind_of(fault: BaseException) -> str:
    """A fault's name, from a closed list. Its own text is not for logs: it may hold the URL, and so the password."""
    return next((kind for known, kind in _KINDS if isinstance(fault, known)), "other")


def said(fault: BaseException) -> str:
    """What may be logged of a fault: its class, and which command a user lacks. That text is the server's and holds no
    value, name or password.
    """
    name = type(fault).__name__
    return f"{name}: {fault}" if isinstance(fault, exceptions.NoPermissionError) else name


def connect(caching: Caching, *, connect_seconds: float, read_seconds: float) -> Client:
    """A client that opens connections when it needs them, and never retries."""
    options: dict[str, Any] = {
        "socket_connect_timeout": connect_seconds,
        "socket_timeout": read_seconds,
        "retry": Retry(NoBackoff(), 0),
        # A connection costs no round trip but its own and those of a password and a database: on a slow line, those
        # that announce a version and a library would take the whole time that a look-up has.
        "protocol": 2,
        "driver_info": None,
    }
    if not caching.redis.cluster:
        return Redis.from_url(str(caching.redis.url), **options)
    hosts = (address.strip().rpartition(":") for address in caching.redis.cluster.split(","))
    nodes = [ClusterNode(host, int(port)) for host, _, port in hosts]
    url = urlsplit(caching.redis.url)  # the nodes are named apart; credentials and TLS are in the URL
    return RedisCluster(
        startup_nodes=nodes,
        ssl=url.scheme == "rediss",
        username=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else None,
        **options,
    )


async def now_ms(client: Client, name: str) -> int:
    """Redis' own clock: in a cluster that of the node which has the key `name`. Raises like every command."""
    where: dict[str, Any] = {}
    if isinstance(client, RedisCluster):
        await client.initialize()
        where["target_nodes"] = client.get_node_from_key(name)
    reply = await client.execute_command("TIME", **where)
    seconds, microseconds = next(iter(reply.values())) if isinstance(reply, dict) else reply
    return int(seconds) * 1000 + int(microseconds) // 1000
