"""Deliveries: the history of a tenant, one delivery with all its attempts, and what is done with it by hand."""

import shlex
from typing import Any

from aiohttp import web

from services.api.dashboard.bodies import shown_body
from services.api.dashboard.live import Live, Look
from services.api.dashboard.timeline import timeline
from services.api.dashboard.views.webhooks import SHOWN
from services.api.dashboard.visit import View, Visit
from services.api.services import Services
from shared.contracts.delivery import LIVE, DeliveryDetail, Status
from shared.contracts.history import TenantHistory
from shared.errors import Refused

_ONE = "/deliveries/{delivery_id}"


class DeliveryViews:
    """Everything is asked of the services that the API asks, with the same key."""

    def __init__(self, does: Services, live: Live) -> None:
        self._does = does
        self._live = live

    def views(self) -> list[View]:
        return [
            View("GET", "/deliveries", self.all),
            View("GET", _ONE, self.one),
            View("GET", _ONE + "/live", self.follow),
            View("POST", _ONE + "/retry", self.retry, "write"),
            View("POST", _ONE + "/cancel", self.cancel, "write"),
        ]

    async def all(self, visit: Visit) -> web.Response:
        """The operator has to pick a tenant first."""
        if visit.key.tenant_id is None:
            return visit.page("deliveries.html", page=None, wanted=TenantHistory(), statuses=list(Status))
        wanted = visit.asked(TenantHistory, limit=SHOWN)
        page = await self._does.deliveries.of_tenant(visit.key, wanted)
        return visit.page("deliveries.html", page=page, wanted=wanted, statuses=list(Status))

    async def one(self, visit: Visit) -> web.Response:
        seen = await self._with_webhook(visit)
        delivery, webhook = seen["delivery"], seen["webhook"]
        curl = _curl(delivery, webhook.url) if webhook else None
        return visit.page("delivery.html", body=delivery.body and shown_body(delivery.body.encode()), curl=curl, **seen)

    async def follow(self, visit: Visit) -> web.StreamResponse:
        """Its attempts as they are made, until it has ended."""

        async def look() -> Look:
            seen = await self._with_webhook(visit)
            return Look(seen["delivery"], seen, over=seen["delivery"].status not in LIVE)

        return await self._live.follow(visit, "delivery_live.html", look)

    async def _with_webhook(self, visit: Visit) -> dict[str, Any]:
        delivery = await self._does.deliveries.get(visit.key, visit.path["delivery_id"])
        try:
            webhook = await self._does.webhooks.get(visit.key, delivery.webhook_id)
        except Refused:
            webhook = None  # deleted by now
        return {"delivery": delivery, "webhook": webhook, "timeline": timeline(delivery)}

    async def retry(self, visit: Visit) -> web.Response:
        delivery = await self._does.deliveries.retry(visit.key, visit.path["delivery_id"])
        return visit.to(f"/deliveries/{delivery.id}", "It is attempted now: this page shows how it goes.")

    async def cancel(self, visit: Visit) -> web.Response:
        delivery = await self._does.deliveries.cancel(visit.key, visit.path["delivery_id"])
        return visit.to(f"/deliveries/{delivery.id}", "Cancelled: there is no further attempt.")


def _curl(delivery: DeliveryDetail, url: str) -> str | None:
    """The same request by hand; whoever sends it signs it, with the secret in $SECRET."""
    if delivery.body is None:
        return None
    return "\n".join(
        (
            f"BODY={shlex.quote(delivery.body)}",
            'SIGNATURE=$(printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d" " -f1)',
            f"curl -X POST {shlex.quote(url)} \\",
            "  -H 'Content-Type: application/json' \\",
            f"  -H 'X-Allure-Event: {delivery.event}' -H 'X-Allure-Delivery: {delivery.id}' \\",
            '  -H "X-Allure-Signature: $SIGNATURE" --data-binary "$BODY"',
        )
    )
