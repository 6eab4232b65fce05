"""Deliveries over HTTP: histories, single ones, and what is done with them by hand."""

from services.api.deliveries import DeliveryService
from services.api.routes.webhooks import PREFIXES
from shared.contracts.delivery import DeliveryDetail
from shared.contracts.history import CancelAnswer, CancelWanted, DeliveryPage, TenantHistory, WebhookHistory
from shared.routes import Ask, Nothing, Reply, Route

PREFIX = "/api/v1/deliveries"


class DeliveryRoutes:
    """One method per route."""

    def __init__(self, service: DeliveryService) -> None:
        self._service = service

    def table(self) -> list[Route]:
        under = [route for before, prefix in PREFIXES.items() for route in self._under(before, prefix)]
        return [*under, *self._tenant_s()]

    def _under(self, before: str, prefix: str) -> list[Route]:
        return [
            Route(
                name=before + "list_webhook_deliveries",
                method="GET",
                path=prefix + "/{webhook_id}/deliveries",
                scope="read",
                summary="History of a webhook, newest first",
                do=self.of_webhook,
                query=WebhookHistory,
                answer=DeliveryPage,
                refusals=(404,),
                missing="WEBHOOK_NOT_FOUND",
            ),
            Route(
                name=before + "cancel_deliveries",
                method="POST",
                path=prefix + "/{webhook_id}/deliveries/cancel",
                scope="write",
                summary="Cancel many: no further attempt of what has not ended",
                do=self.cancel_many,
                body=CancelWanted,
                answer=CancelAnswer,
                refusals=(404,),
                missing="WEBHOOK_NOT_FOUND",
            ),
        ]

    def _tenant_s(self) -> list[Route]:
        return [
            Route(
                name="list_deliveries",
                method="GET",
                path=PREFIX,
                scope="read",
                summary="History of a tenant, newest first",
                do=self.of_tenant,
                query=TenantHistory,
                answer=DeliveryPage,
            ),
            Route(
                name="get_delivery",
                method="GET",
                path=PREFIX + "/{delivery_id}",
                scope="read",
                summary="One delivery: every attempt, the body as posted, the answers",
                do=self.get,
                answer=DeliveryDetail,
                refusals=(404,),
            ),
            Route(
                name="retry_delivery",
                method="POST",
                path=PREFIX + "/{delivery_id}/retry",
                scope="write",
                summary="Attempt now; what ended, also well, is sent again in a new round",
                do=self.retry,
                answer=DeliveryDetail,
                status=202,
                refusals=(404, 409),
            ),
            Route(
                name="cancel_delivery",
                method="POST",
                path=PREFIX + "/{delivery_id}/cancel",
                scope="write",
                summary="No further attempt",
                description="A request under way may still arrive, and counts if it succeeds.",
                do=self.cancel,
                answer=DeliveryDetail,
                refusals=(404, 409),
            ),
        ]

    async def of_webhook(self, ask: Ask[WebhookHistory, None]) -> Reply:
        return Reply(await self._service.of_webhook(ask.key, ask.path["webhook_id"], ask.query))

    async def of_tenant(self, ask: Ask[TenantHistory, None]) -> Reply:
        return Reply(await self._service.of_tenant(ask.key, ask.query))

    async def cancel_many(self, ask: Ask[Nothing, CancelWanted]) -> Reply:
        return Reply(await self._service.cancel_many(ask.key, ask.path["webhook_id"], ask.body))

    async def get(self, ask: Ask[Nothing, None]) -> Reply:
        return Reply(await self._service.get(ask.key, ask.path["delivery_id"]))

    async def retry(self, ask: Ask[Nothing, None]) -> Reply:
        return Reply(await self._service.retry(ask.key, ask.path["delivery_id"]), 202)

    async def cancel(self, ask: Ask[Nothing, None]) -> Reply:
        return Reply(await self._service.cancel(ask.key, ask.path["delivery_id"]))
