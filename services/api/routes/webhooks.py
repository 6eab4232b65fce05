"""Webhooks over HTTP."""

from aiohttp import web

from services.api import paging
from services.api.samples import Samples
from services.api.webhooks import WebhookService
from shared.contracts.delivery import Status
from shared.contracts.webhook import (
    Explain,
    Rotation,
    SampleWanted,
    Webhook,
    WebhookAnswer,
    WebhookCreate,
    WebhookPatch,
)
from shared.errors import Refused
from shared.web import authenticate, json, read_body, validate

PREFIXES = ("/api/v1/webhooks", "/api/customer/webhooks")
MAX_BODY_BYTES = 64 * 1024


class WebhookRoutes:
    """One method per route."""

    def __init__(self, service: WebhookService, samples: Samples) -> None:
        self._service = service
        self._samples = samples

    def table(self) -> list[web.RouteDef]:
        return [route for prefix in PREFIXES for route in self._under(prefix)]

    def _under(self, prefix: str) -> list[web.RouteDef]:
        return [
            web.post(prefix, self.create),
            web.get(prefix, self.page),
            web.get(prefix + "/{id}", self.get),
            web.patch(prefix + "/{id}", self.change),
            web.delete(prefix + "/{id}", self.delete),
            web.post(prefix + "/{id}/rotate-secret", self.rotate),
            web.post(prefix + "/{id}/rotate-secret/complete", self.complete_rotation),
            web.post(prefix + "/{id}/test", self.test),
            web.post(prefix + "/{id}/explain", self.explain),
            web.get(prefix + "/{id}/deliveries", self.deliveries),
        ]

    async def create(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "write")
        wanted = validate(WebhookCreate, await read_body(request, MAX_BODY_BYTES))
        webhook, made = await self._service.create(key, wanted)
        return _answer(webhook, made, status=201)

    async def page(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "read")
        limit = paging.limit(request)
        webhooks = await self._service.page(key, request.query.get("tenant_id"), paging.position(request), limit + 1)
        answers = [_shown(webhook) for webhook in webhooks[:limit]]
        following = paging.cursor_of(webhooks[limit - 1].id) if len(webhooks) > limit else None
        return json({"webhooks": answers, "next_cursor": following})

    async def get(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "read")
        return _answer(await self._service.get(key, request.match_info["id"]))

    async def change(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "write")
        patch = validate(WebhookPatch, await read_body(request, MAX_BODY_BYTES))
        return _answer(await self._service.change(key, request.match_info["id"], patch, _expected_version(request)))

    async def delete(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "write")
        await self._service.delete(key, request.match_info["id"])
        return web.Response(status=204)

    async def rotate(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "write")
        rotation = validate(Rotation, await _optional_body(request))
        webhook, made = await self._service.rotate(key, request.match_info["id"], rotation)
        return _answer(webhook, made)

    async def complete_rotation(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "write")
        return _answer(await self._service.complete_rotation(key, request.match_info["id"]))

    async def test(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "write")
        wanted = validate(SampleWanted, await _optional_body(request))
        webhook = await self._service.get(key, request.match_info["id"])
        event_id, delivery_id = await self._samples.send(webhook, wanted.event_type)
        return json({"event_id": event_id, "delivery_id": delivery_id}, 202)

    async def explain(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "read")
        event = validate(Explain, await read_body(request, MAX_BODY_BYTES))
        return json((await self._service.explain(key, request.match_info["id"], event)).model_dump())

    async def deliveries(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "read")
        limit = paging.limit(request)
        records = await self._service.deliveries(
            key,
            request.match_info["id"],
            before=paging.moment_and_id(request),
            limit=limit + 1,
            status=_status(request.query.get("status")),
        )
        answers = [record.model_dump() for record in records[:limit]]
        last = answers[-1] if len(records) > limit else None
        following = paging.cursor_of(f"{last['created_at']} {last['id']}") if last else None
        return json({"deliveries": answers, "next_cursor": following})


async def _optional_body(request: web.Request) -> bytes:
    return await read_body(request, MAX_BODY_BYTES) if request.can_read_body else b"{}"


def _shown(webhook: Webhook) -> dict[str, object]:
    return WebhookAnswer.of(webhook).model_dump(exclude={"secret"})


def _answer(webhook: Webhook, secret: str | None = None, *, status: int = 200) -> web.Response:
    """A secret only in the answer that made it."""
    response = json(_shown(webhook) | ({"secret": secret} if secret else {}), status)
    response.headers["ETag"] = f'"{webhook.version}"'
    return response


def _expected_version(request: web.Request) -> int | None:
    """`If-Match: "3"` as GET's ETag gave it; absent or `*` is any."""
    text = request.headers.get("If-Match", "*").strip()
    if text == "*":
        return None
    number = text.removeprefix("W/").strip('"')
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise Refused(
            400, "INVALID_REQUEST", 'If-Match: the ETag of a webhook is needed, such as "3"', field="If-Match"
        )
    return int(number)


def _status(text: str | None) -> str | None:
    if text is not None and text not in list(Status):
        raise Refused(400, "INVALID_REQUEST", f"status: one of {', '.join(Status)} is needed", field="status")
    return text
