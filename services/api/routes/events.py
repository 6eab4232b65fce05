"""Events over HTTP."""

from services.api.events import EventService
from shared.contracts.event_history import EventDetail, EventHistory, EventPage
from shared.contracts.listing import Query, TenantWanted
from shared.routes import Ask, Reply, Route

PREFIX = "/api/v1/events"


class OfTenant(Query):
    tenant_id: TenantWanted | None = None


class EventRoutes:
    """One method per route."""

    def __init__(self, service: EventService) -> None:
        self._service = service

    def table(self) -> list[Route]:
        return [
            Route(
                name="list_events",
                method="GET",
                path=PREFIX,
                scope="read",
                summary="Events of a tenant, newest first",
                do=self.page,
                query=EventHistory,
                answer=EventPage,
            ),
            Route(
                name="get_event",
                method="GET",
                path=PREFIX + "/{event_id}",
                scope="read",
                summary="One event: where it went, and why not to the other webhooks by today's settings",
                do=self.get,
                query=OfTenant,
                answer=EventDetail,
                refusals=(404,),
            ),
        ]

    async def page(self, ask: Ask[EventHistory, None]) -> Reply:
        return Reply(await self._service.page(ask.key, ask.query))

    async def get(self, ask: Ask[OfTenant, None]) -> Reply:
        return Reply(await self._service.get(ask.key, ask.path["event_id"], ask.query.tenant_id))
