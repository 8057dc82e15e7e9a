"""Errors as JSON, in Grafana's envelope: `{"message": …}` and what the case adds."""

import logging

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from ..errors import MillpondError, Unauthorized

_log = logging.getLogger(__name__)

_MESSAGES = {404: "Not found", 405: "Method not allowed", 413: "The request's body is too large"}


def envelope(status: int, message: str, **extra: object) -> web.Response:
    return web.json_response({"message": message, **extra}, status=status)


def answer(error: MillpondError) -> web.Response:
    response = envelope(error.status, error.public_message, **error.extra)
    if isinstance(error, Unauthorized):
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"  # RFC 9110, 11.6.1
    return response


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """For the admin listener's application: no error leaves as text or HTML, none shows what is inside."""
    try:
        return await handler(request)
    except MillpondError as error:
        return answer(error)
    except web.RequestPayloadError:
        return envelope(400, "The request's body cannot be decoded as its Content-Encoding says.")
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = envelope(error.status, _MESSAGES.get(error.status, error.reason))
        if hdrs.ALLOW in error.headers:
            response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
        return response
    except ConnectionError:
        raise  # the client is gone
    except Exception:
        _log.exception("%s %s failed", request.method, request.rel_url.raw_path)
        return envelope(500, "Unexpected error. Refer to the server logs for more details.")
