"""The first page: how all webhooks do together."""

from aiohttp import web

from services.api.dashboard.visit import View, Visit
from services.api.figures import EVENTS_COUNTED
from services.api.overview import MOST_TENANTS, MOST_WEBHOOKS
from services.api.services import Services


class OverviewViews:
    """Of the tenant, or for the operator of all tenants."""

    def __init__(self, does: Services) -> None:
        self._does = does

    def views(self) -> list[View]:
        return [View("GET", "/overview", self.show)]

    async def show(self, visit: Visit) -> web.Response:
        overview = await self._does.overview.of(visit.key)
        everyone = visit.operator and visit.key.tenant_id is None
        depths = await self._does.queues.depths() if everyone else None
        return visit.page(
            "overview.html",
            overview=overview,
            figures=overview.chart,
            everyone=everyone,
            depths=depths,
            most={"tenants": MOST_TENANTS, "webhooks": MOST_WEBHOOKS, "events": EVENTS_COUNTED},
        )
