"""Events over HTTP."""

from aiohttp import web

from services.api.events import EventService
from shared.web import authenticate, json


class EventRoutes:
    """One method per route."""

    def __init__(self, service: EventService) -> None:
        self._service = service

    def table(self) -> list[web.RouteDef]:
        return [web.get("/api/v1/events/{id}", self.get)]

    async def get(self, request: web.Request) -> web.Response:
        key = await authenticate(request, "read")
        return json(await self._service.get(key, request.match_info["id"], request.query.get("tenant_id")))
