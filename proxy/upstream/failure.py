"""What can go wrong with a source, as the error that its caller gets. The only place that knows aiohttp's exceptions."""

import asyncio

import aiohttp

from ..errors import UpstreamError, UpstreamTimeout

_TABLE: tuple[tuple[type[BaseException], str, str], ...] = (
    (aiohttp.ClientConnectorDNSError, "dns", "its name cannot be resolved"),
    (aiohttp.ClientSSLError, "tls", "TLS failed: see its certificate, and the source's `tls` settings"),
    (aiohttp.ConnectionTimeoutError, "timeout-connect", "it did not accept the connection in time"),
    (aiohttp.ClientConnectorError, "connect", "it refuses the connection"),
    (aiohttp.ServerDisconnectedError, "closed", "it closed the connection without an answer"),
    (aiohttp.ClientPayloadError, "closed", "its answer broke off"),
    (aiohttp.ClientResponseError, "malformed", "its answer is not HTTP as this proxy accepts it"),
    (aiohttp.ClientOSError, "closed", "the connection broke"),
    (aiohttp.ClientError, "other", "it could not be asked"),
    (OSError, "closed", "the connection broke"),
)
"""Most specific first: error, its kind in the metrics, its words."""


def failure(uid: str, error: BaseException) -> UpstreamError:
    """The error for whoever asked. Names the source; never its address, which may be secret."""
    for known, kind, words in _TABLE:
        if isinstance(error, known):
            if kind.startswith("timeout"):
                return timed_out(uid, kind.removeprefix("timeout-"), words)
            return UpstreamError(_message(uid, words), kind=kind, extra={"dataSourceUID": uid})
    return UpstreamError(_message(uid, "it could not be asked"), kind="other", extra={"dataSourceUID": uid})


def timed_out(uid: str, phase: str, words: str) -> UpstreamTimeout:
    """`phase` is a key of the source's `timeouts`, with dashes."""
    return UpstreamTimeout(_message(uid, words), kind=f"timeout-{phase}", extra={"dataSourceUID": uid})


def died_before_answering(error: BaseException) -> bool:
    """Whether the connection proved dead before a byte of an answer: an idle one that the source was just closing."""
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and not isinstance(
        error, aiohttp.ClientConnectorError | asyncio.TimeoutError
    )


def _message(uid: str, words: str) -> str:
    return f"Data source {uid} cannot be reached: {words}."
