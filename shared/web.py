"""What our HTTP services share: the platform's error format, request ids, bounded and unambiguous JSON bodies."""

import re
import secrets
from collections.abc import Awaitable, Callable

import orjson
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from shared import metrics
from shared.errors import DependencyUnavailable, Refused

log = structlog.get_logger()

REQUEST_ID = "X-Request-Id"
RETRY_AFTER_SECONDS = 5
_ENCODINGS = ("identity", "gzip", "deflate")
_CODES = {404: "INVALID_REQUEST", 405: "INVALID_REQUEST", 413: "PAYLOAD_TOO_LARGE"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def error(status: int, code: str, message: str, **details: object) -> web.Response:
    """`{"error": "for people", "code": "…", "details": {…}}`."""
    told = {name: _as_text(value) if isinstance(value, str) else value for name, value in details.items()}
    return json({"error": _as_text(message), "code": code, "details": told}, status)


def _as_text(given: str) -> str:
    """Answers quote what was sent, which may hold bytes that are no text."""
    return given.encode("utf-8", "backslashreplace").decode()


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure in one format, with an id that the log has too."""
    given = request.headers.get(REQUEST_ID, "")
    request_id = given if re.fullmatch(r"[\x21-\x7e]{1,128}", given) else _new_request_id()
    response = await _answer(request, handler, request_id)
    response.headers[REQUEST_ID] = request_id
    return response


async def _answer(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        response = error(refused.status, refused.code, str(refused), **refused.details)
        response.headers.update(refused.headers)
        return response
    except web.HTTPException as refused:
        if refused.status < 400:
            raise
        return _not_routed(request, refused)
    except DependencyUnavailable as unavailable:
        log.warning("request.unavailable", request_id=request_id, path=request.path, reason=str(unavailable))
        response = error(503, "SERVICE_UNAVAILABLE", "a dependency is away, nothing was promised: try again")
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    except Exception:
        metrics.FAULTS["bug"].inc()
        log.exception("request.failed", request_id=request_id, path=request.path)
        return _our_fault(request_id)


def _not_routed(request: web.Request, refused: web.HTTPException) -> web.Response:
    words = f"{request.method} {request.path:.200}: {refused.reason}"
    response = error(refused.status, _CODES.get(refused.status, "INVALID_REQUEST"), words)
    if allow := refused.headers.get("Allow"):
        response.headers["Allow"] = allow
    return response


async def read_body(request: web.Request, most_bytes: int) -> bytes:
    """A JSON body as bytes, unpacked. Raises Refused for one of another kind, too large, or not as its headers say."""
    if request.content_type != "application/json":
        raise Refused(415, "INVALID_REQUEST", f"Content-Type is {request.content_type}, application/json is needed")
    if request.headers.get("Content-Encoding", "identity").lower() not in _ENCODINGS:
        raise Refused(415, "INVALID_REQUEST", f"Content-Encoding: only {', '.join(_ENCODINGS)} are understood")
    too_large = Refused(413, "PAYLOAD_TOO_LARGE", f"the body has more than {most_bytes} bytes", limit=most_bytes)
    if (request.content_length or 0) > most_bytes:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.content.iter_chunked(64 * 1024):
            body += chunk
            if len(body) > most_bytes:
                raise too_large
    except (web.RequestPayloadError, HttpProcessingError):
        raise Refused(400, "INVALID_REQUEST", "the body is not encoded as its headers say") from None
    return bytes(body)


def answer_malformed_requests_alike() -> None:
    """For a whole process: what is no HTTP never gets as far as `errors`, the server answers it by itself."""
    # There is no better place to say this; the server's own answer is plain text, and it logs the request's bytes.
    RequestHandler.handle_error = _malformed  # type: ignore[assignment, method-assign]


def _malformed(
    handler: RequestHandler,
    request: web.BaseRequest,
    status: int = 500,
    exc: BaseException | None = None,
    message: str | None = None,
) -> web.StreamResponse:
    if request.writer.output_size > 0:
        raise ConnectionError("part of another answer was sent")
    request_id = _new_request_id()
    if status >= 500:
        log.error("request.failed", request_id=request_id, reason=type(exc).__name__)
        response = _our_fault(request_id)
    else:
        response = error(status, "INVALID_REQUEST", f"this is no valid HTTP request: {type(exc).__name__}")
    response.headers[REQUEST_ID] = request_id
    response.force_close()
    return response


def _new_request_id() -> str:
    return "req_" + secrets.token_hex(12)


def _our_fault(request_id: str) -> web.Response:
    return error(500, "INTERNAL_ERROR", "something went wrong on our side", request_id=request_id)
