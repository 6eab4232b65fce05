"""What our HTTP services share: the platform's error format, request ids, API keys, bounded JSON bodies."""

import re
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

import orjson
import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from shared.contracts.event import invalid
from shared.errors import DependencyUnavailable, Refused
from shared.store.keys import ApiKey, Keys

log = structlog.get_logger()

KEYS: web.AppKey[Keys] = web.AppKey("keys", Keys)
REQUEST_ID = "X-Request-Id"
RETRY_AFTER_SECONDS = 5
_CODES = {404: "INVALID_REQUEST", 405: "INVALID_REQUEST", 413: "PAYLOAD_TOO_LARGE"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Model = TypeVar("Model", bound=BaseModel)


def json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def error(status: int, code: str, message: str, **details: object) -> web.Response:
    """`{"error": "for people", "code": "…", "details": {…}}`."""
    return json({"error": message, "code": code, "details": details}, status)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure in one format, with an id that the log has too."""
    given = request.headers.get(REQUEST_ID, "")
    request_id = given if re.fullmatch(r"[\x21-\x7e]{1,128}", given) else "req_" + secrets.token_hex(12)
    response = await _answer(request, handler, request_id)
    response.headers[REQUEST_ID] = request_id
    return response


async def _answer(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return error(refused.status, refused.code, str(refused), **refused.details)
    except web.HTTPException as refused:
        if refused.status < 400:
            raise
        words = f"{request.method} {request.path}: {refused.reason}"
        return error(refused.status, _CODES.get(refused.status, "INVALID_REQUEST"), words)
    except DependencyUnavailable as unavailable:
        log.warning("request.unavailable", request_id=request_id, path=request.path, reason=str(unavailable))
        response = error(503, "SERVICE_UNAVAILABLE", "not possible right now; nothing was accepted, try again")
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    except Exception:
        log.exception("request.failed", request_id=request_id, path=request.path)
        return error(500, "INTERNAL_ERROR", "something went wrong on our side", request_id=request_id)


async def authenticate(request: web.Request, scope: str) -> ApiKey:
    """The key of a request, which must hold `scope`. Raises Refused."""
    bearer = request.headers.get("Authorization", "")
    given = request.headers.get("X-API-Key") or (bearer[7:].strip() if bearer[:7].lower() == "bearer " else None)
    key = await request.app[KEYS].identify(given)
    key.need(scope)
    return key


async def read_body(request: web.Request, most_bytes: int) -> bytes:
    """A JSON body as bytes. Raises Refused for another content type or one that is too large."""
    if request.content_type != "application/json":
        raise Refused(415, "INVALID_REQUEST", f"Content-Type is {request.content_type}, application/json is needed")
    body = bytearray()
    async for chunk in request.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > most_bytes:
            raise Refused(413, "PAYLOAD_TOO_LARGE", f"the body has more than {most_bytes} bytes", limit=most_bytes)
    return bytes(body)


def validate(model: type[Model], body: bytes) -> Model:
    """Raises Refused naming the field."""
    try:
        return model.model_validate_json(body)
    except ValidationError as failure:
        complaint = invalid(failure)
        raise Refused(400, "INVALID_REQUEST", str(complaint), field=complaint.field) from None
