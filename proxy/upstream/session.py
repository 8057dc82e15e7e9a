"""aiohttp's client with all of its browser's habits off, and what it knows of its connections."""

import ssl
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp

from ..config.schema import Source, Tls
from ..errors import ConfigError
from .resolver import CheckedResolver

_MAX_LINE_BYTES = 64 * 1024
"""Of a status line or header field: the sources' own limits are higher than aiohttp's 8 KiB."""
_MAX_FIELDS = 512
_KEEPALIVE_SECONDS = 30.0


@dataclass(slots=True)
class Reuse:
    """Whether a request went out on a connection that had carried one before."""

    happened: bool = False


def open_session(source: Source, *, force_close: bool) -> aiohttp.ClientSession:
    """With `force_close` no connection carries a second request. Raises ConfigError for TLS files that cannot be used."""
    connector = aiohttp.TCPConnector(
        limit=0,  # the slots are ours, with a queue that ends: one hung source must not stop the others
        force_close=force_close,
        keepalive_timeout=None if force_close else _KEEPALIVE_SECONDS,
        resolver=CheckedResolver(),
        ssl=_ssl_context(source.uid, source.tls),
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        # `connect` holds for name, TCP and TLS together, `sock_connect` for none but the second.
        timeout=aiohttp.ClientTimeout(total=None, connect=source.timeouts.connect_ms / 1000),
        max_line_size=_MAX_LINE_BYTES,
        max_field_size=_MAX_LINE_BYTES,
        max_headers=_MAX_FIELDS,
        read_bufsize=64 * 1024,
        trace_configs=[_tracing()],
    )
    # aiohttp would send PUT and DELETE twice on a connection that died; what is sent again is decided here.
    session._retry_connection = False
    return session


def _tracing() -> aiohttp.TraceConfig:
    """Tells a request's `Reuse` when it gets a connection that has carried one before."""

    async def reused(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        if isinstance(context.trace_request_ctx, Reuse):
            context.trace_request_ctx.happened = True

    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(reused)
    return config


def _ssl_context(uid: str, tls: Tls) -> ssl.SSLContext | bool:
    """True stands for aiohttp's own, which verifies by the system's authorities and is made once for all sources."""
    if tls == Tls():
        return True
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(((f"datasources.{uid}.tls", f"these files cannot be used: {error}"),)) from error
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
