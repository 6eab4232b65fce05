"""API keys over HTTP: for a tenant's admin and the operator."""

from aiohttp import web

from services.api import paging
from services.api.keys import KeyService
from shared.contracts.key import KeyAnswer, KeyCreate
from shared.web import authenticate, json, read_body, validate

PREFIX = "/api/v1/api-keys"
MAX_BODY_BYTES = 16 * 1024


class KeyRoutes:
    """One method per route."""

    def __init__(self, service: KeyService) -> None:
        self._service = service

    def table(self) -> list[web.RouteDef]:
        return [
            web.post(PREFIX, self.create),
            web.get(PREFIX, self.page),
            web.delete(PREFIX + "/{id}", self.revoke),
        ]

    async def create(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "admin")
        wanted = validate(KeyCreate, await read_body(request, MAX_BODY_BYTES))
        made, secret = await self._service.create(key, wanted)
        return json({**_shown(made), "key": secret}, 201)

    async def page(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "admin")
        limit = paging.limit(request)
        found = await self._service.page(key, request.query.get("tenant_id"), paging.position(request), limit + 1)
        following = paging.cursor_of(found[limit - 1].id) if len(found) > limit else None
        return json({"api_keys": [_shown(one) for one in found[:limit]], "next_cursor": following})

    async def revoke(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "admin")
        await self._service.revoke(key, request.match_info["id"])
        return web.Response(status=204)


def _shown(answer: KeyAnswer) -> dict[str, object]:
    return answer.model_dump(exclude={"key"})
