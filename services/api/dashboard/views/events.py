"""Events: those of a tenant, and one of them: its payload, where it went, and why not elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from aiohttp import web

from services.api.dashboard.addresses import DOTS, event_address
from services.api.dashboard.bodies import shown_body
from services.api.dashboard.narrowing import fields, narrowing
from services.api.dashboard.session import PATH
from services.api.dashboard.views.webhooks import SHOWN
from services.api.dashboard.visit import View, Visit, redirect
from services.api.services import Services
from shared.contracts.event_history import EventHistory
from shared.contracts.event_types import EVENT_TYPES
from shared.contracts.listing import Query, TenantWanted

_MOST_WEBHOOKS = 100


class OneEvent(Query):
    """`GET /dashboard/events/{event_id}`, and of those ids that no path can hold."""

    event_id: str = ""
    tenant_id: TenantWanted | None = None


class EventViews:
    """Everything is asked of the services that the API asks, with the same key."""

    def __init__(self, does: Services, clock: Callable[[], datetime]) -> None:
        self._does = does
        self._clock = clock

    def views(self) -> list[View]:
        return [View("GET", "/events", self.all), View("GET", "/events/{event_id}", self.one)]

    async def all(self, visit: Visit) -> web.Response:
        """A search by id leads to the event."""
        if named := visit.request.query.get("event_id", "").strip():
            return await self._named(visit, named)
        if visit.key.tenant_id is None:
            return _none_picked(visit)
        wanted = narrowing(visit, EventHistory, self._clock(), limit=SHOWN)
        page = await self._does.events.page(visit.key, wanted)
        narrowed = fields(wanted, "cursor", "tenant_id")
        return visit.page("events.html", page=page, narrowed=narrowed, types=list(EVENT_TYPES))

    async def one(self, visit: Visit) -> web.Response:
        return await self._show(visit, visit.path["event_id"])

    async def _named(self, visit: Visit, event_id: str) -> web.Response:
        if event_id in DOTS:
            return await self._show(visit, event_id)
        return redirect(event_address(event_id, visit.request.query.get("tenant_id")).removeprefix(PATH))

    async def _show(self, visit: Visit, event_id: str) -> web.Response:
        """An address that names a tenant is the operator's, whichever tenant was picked."""
        tenant_id = narrowing(visit, OneEvent, self._clock()).tenant_id
        if not (tenant_id or visit.key.tenant_id):
            return _none_picked(visit)
        key = replace(visit.key, tenant_id=None) if visit.operator and tenant_id else visit.key
        found = await self._does.events.find(key, event_id, tenant_id)
        went = [one for one in found.webhooks if one.delivery]
        others = [one for one in found.webhooks if not one.delivery]
        return visit.page(
            "event.html",
            event=found.summary,
            body=shown_body(found.data),
            size=len(found.data),
            went=went[:_MOST_WEBHOOKS],
            more_went=max(0, len(went) - _MOST_WEBHOOKS),
            others=others[:_MOST_WEBHOOKS],
            more_others=max(0, len(others) - _MOST_WEBHOOKS),
            urls=found.urls,
        )


def _none_picked(visit: Visit) -> web.Response:
    return visit.page("events.html", page=None, narrowed={}, types=[])
