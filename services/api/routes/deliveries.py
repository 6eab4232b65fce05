"""Single deliveries over HTTP."""

from aiohttp import web

from services.api.deliveries import DeliveryService
from shared.web import authenticate, json

PREFIX = "/api/v1/deliveries"


class DeliveryRoutes:
    """One method per route."""

    def __init__(self, service: DeliveryService) -> None:
        self._service = service

    def table(self) -> list[web.RouteDef]:
        return [
            web.get(PREFIX + "/{id}", self.get),
            web.post(PREFIX + "/{id}/retry", self.retry),
            web.post(PREFIX + "/{id}/cancel", self.cancel),
        ]

    async def get(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "read")
        return json((await self._service.get(key, request.match_info["id"])).model_dump())

    async def retry(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "write")
        return json((await self._service.retry(key, request.match_info["id"])).model_dump(), 202)

    async def cancel(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "write")
        return json((await self._service.cancel(key, request.match_info["id"])).model_dump())
