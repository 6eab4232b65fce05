"""The HTTP face of the API: routes, parameters, answers."""

import base64
import binascii
from datetime import datetime

from aiohttp import web

from services.api.service import WebhookService
from shared.contracts.delivery import Status
from shared.contracts.webhook import WebhookAnswer, WebhookCreate, WebhookPatch
from shared.errors import Refused
from shared.store.keys import Keys
from shared.web import KEYS, authenticate, errors, json, read_body, validate

PREFIXES = ("/api/v1/webhooks", "/api/customer/webhooks")
MAX_BODY_BYTES = 64 * 1024
DEFAULT_LIMIT, MAX_LIMIT = 50, 200


def application(service: WebhookService, keys: Keys) -> web.Application:
    app = web.Application(middlewares=[errors])
    app[KEYS] = keys
    routes = WebhookRoutes(service)
    for prefix in PREFIXES:
        app.add_routes(
            [
                web.post(prefix, routes.create),
                web.get(prefix, routes.page),
                web.get(prefix + "/{id}", routes.get),
                web.patch(prefix + "/{id}", routes.change),
                web.delete(prefix + "/{id}", routes.delete),
                web.get(prefix + "/{id}/deliveries", routes.deliveries),
            ]
        )
    return app


class WebhookRoutes:
    """One method per route."""

    def __init__(self, service: WebhookService) -> None:
        self._service = service

    async def create(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "write")
        wanted = validate(WebhookCreate, await read_body(request, MAX_BODY_BYTES))
        webhook, made = await self._service.create(key, wanted)
        answer = WebhookAnswer.of(webhook).model_dump(exclude={"secret"})
        return json({**answer, "secret": made} if made else answer, 201)

    async def page(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "read")
        limit = _limit(request)
        webhooks = await self._service.page(
            key, request.query.get("tenant_id"), _cursor(request.query.get("cursor")), limit + 1
        )
        answers = [WebhookAnswer.of(webhook).model_dump(exclude={"secret"}) for webhook in webhooks[:limit]]
        following = _encode(webhooks[limit - 1].id) if len(webhooks) > limit else None
        return json({"webhooks": answers, "next_cursor": following})

    async def get(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "read")
        webhook = await self._service.get(key, request.match_info["id"])
        return json(WebhookAnswer.of(webhook).model_dump(exclude={"secret"}))

    async def change(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "write")
        patch = validate(WebhookPatch, await read_body(request, MAX_BODY_BYTES))
        webhook = await self._service.change(key, request.match_info["id"], patch)
        return json(WebhookAnswer.of(webhook).model_dump(exclude={"secret"}))

    async def delete(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "write")
        await self._service.delete(key, request.match_info["id"])
        return web.Response(status=204)

    async def deliveries(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "read")
        limit = _limit(request)
        records = await self._service.deliveries(
            key,
            request.match_info["id"],
            before=_position(_cursor(request.query.get("cursor"))),
            limit=limit + 1,
            status=_status(request.query.get("status")),
        )
        answers = [record.model_dump() for record in records[:limit]]
        last = answers[-1] if len(records) > limit else None
        following = _encode(f"{last['created_at']} {last['id']}") if last else None
        return json({"deliveries": answers, "next_cursor": following})


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_LIMIT):
        raise Refused(400, "INVALID_REQUEST", f"limit: a number from 1 to {MAX_LIMIT} is needed", field="limit")
    return int(text)


def _status(text: str | None) -> str | None:
    if text is not None and text not in list(Status):
        raise Refused(400, "INVALID_REQUEST", f"status: one of {', '.join(Status)} is needed", field="status")
    return text


def _encode(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def _cursor(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        raise _bad_cursor() from None


def _position(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    moment, _, delivery_id = cursor.partition(" ")
    try:
        return datetime.fromisoformat(moment), delivery_id
    except ValueError:
        raise _bad_cursor() from None


def _bad_cursor() -> Refused:
    return Refused(400, "INVALID_REQUEST", "cursor: not one that we gave", field="cursor")
