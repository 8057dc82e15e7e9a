"""What can go wrong with a source, as the error that its caller gets. The only place that knows aiohttp's exceptions."""

import asyncio

import aiohttp

from ..errors import UpstreamError, UpstreamTimeout

_NOT_HTTP = "its answer is not HTTP as this proxy accepts it"
_TABLE: tuple[tuple[type[BaseException], str, str], ...] = (
    (aiohttp.ClientConnectorDNSError, "dns", "its name cannot be resolved"),
    (aiohttp.ClientSSLError, "tls", "TLS failed: see its certificate, and the source's `tls` settings"),
    (aiohttp.ClientConnectorError, "connect", "it refuses the connection"),
    (aiohttp.ServerDisconnectedError, "closed", "it closed the connection without an answer"),
    (aiohttp.ClientPayloadError, "closed", "its answer broke off"),
    (aiohttp.ClientResponseError, "malformed", _NOT_HTTP),
    (aiohttp.ClientOSError, "closed", "the connection broke"),
    (aiohttp.ClientError, "other", "it could not be asked"),
    (OSError, "closed", "the connection broke"),
)
"""Most specific first: error, its kind in the metrics, its words."""

_TIMEOUTS = {
    "connect": "it did not accept the connection in time",
    "first_byte": "it did not begin to answer in time",
    "between_bytes": "its answer stalled",
    "total": "its whole answer took too long",
}


def failure(uid: str, error: BaseException) -> UpstreamError:
    """The error for whoever asked. Names the source; never its address, which may be secret."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return timed_out(uid, "connect")
    for known, kind, words in _TABLE:
        if isinstance(error, known):
            return UpstreamError(_message(uid, words), kind=kind, extra={"dataSourceUID": uid})
    return UpstreamError(_message(uid, "it could not be asked"), kind="other", extra={"dataSourceUID": uid})


def malformed(uid: str) -> UpstreamError:
    """It answered, and not as this proxy takes HTTP."""
    return UpstreamError(_message(uid, _NOT_HTTP), kind="malformed", extra={"dataSourceUID": uid})


def not_as_coded(uid: str) -> UpstreamError:
    words = "its body breaks off, or is not in the coding that it names"
    return UpstreamError(_message(uid, words), kind="coding", extra={"dataSourceUID": uid})


def timed_out(uid: str, phase: str) -> UpstreamTimeout:
    """`phase` is a key of the source's `timeouts`."""
    message = f"{_message(uid, _TIMEOUTS[phase])} Raise its timeouts.{phase} if it needs longer."
    kind = f"timeout-{phase.replace('_', '-')}"
    return UpstreamTimeout(message, kind=kind, extra={"dataSourceUID": uid})


def died_before_answering(error: BaseException) -> bool:
    """Whether the connection proved dead before a byte of an answer: an idle one that the source was just closing."""
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and not isinstance(
        error, aiohttp.ClientConnectorError | asyncio.TimeoutError
    )


def _message(uid: str, words: str) -> str:
    return f"Data source {uid} failed: {words}."
