"""Webhooks over HTTP, under both of the guide's prefixes."""

import re
from collections.abc import Mapping

from services.api.samples import Samples
from services.api.webhooks import WebhookService
from shared.contracts.listing import TenantListing
from shared.contracts.webhook import Explanation, Missed, SampleSent, Webhook, WebhookAnswer, WebhookPage
from shared.contracts.webhook_requests import Explain, Rotation, SampleWanted, WebhookCreate, WebhookPatch
from shared.errors import Refused
from shared.routes import Ask, Header, Nothing, Reply, Route

PREFIXES = {"": "/api/v1/webhooks", "customer_": "/api/customer/webhooks"}
"""By what stands before the name of an operation."""

_MISSING = "WEBHOOK_NOT_FOUND"
_ETAG = r'^(W/)?"[0-9]{1,9}"$'
_IF_MATCH = Header(
    name="If-Match",
    description="The `ETag` that was read: the change is made only to this version.",
    schema={"type": "string", "anyOf": [{"const": "*"}, {"pattern": _ETAG}]},
)
_ONE = {"webhook_id": "$response.body#/id"}


class WebhookRoutes:
    """One method per route."""

    def __init__(self, service: WebhookService, samples: Samples) -> None:
        self._service = service
        self._samples = samples

    def table(self) -> list[Route]:
        return [route for before, prefix in PREFIXES.items() for route in self._under(before, prefix)]

    def _under(self, before: str, prefix: str) -> list[Route]:
        one = prefix + "/{webhook_id}"
        return [
            *self._all(before, prefix),
            *self._single(before, one),
            *self._secret(before, one),
            *self._tried_out(before, one),
        ]

    def _all(self, before: str, prefix: str) -> list[Route]:
        return [
            Route(
                name=before + "create_webhook",
                method="POST",
                path=prefix,
                scope="write",
                summary="Create a webhook",
                description="Without a `secret` we make one, and show it in this answer only.",
                do=self.create,
                body=WebhookCreate,
                answer=WebhookAnswer,
                answer_headers=("ETag",),
                status=201,
                refusals=(409,),
                links={
                    before + name: _ONE
                    for name in (
                        "get_webhook",
                        "change_webhook",
                        "delete_webhook",
                        "rotate_secret",
                        "complete_rotation",
                        "send_sample",
                        "explain",
                        "list_webhook_deliveries",
                        "replay",
                        "list_replays",
                        "cancel_deliveries",
                    )
                },
            ),
            Route(
                name=before + "list_webhooks",
                method="GET",
                path=prefix,
                scope="read",
                summary="List webhooks, newest first",
                description="With the operator's key and no `tenant_id`, those of all tenants.",
                do=self.page,
                query=TenantListing,
                answer=WebhookPage,
            ),
        ]

    def _single(self, before: str, one: str) -> list[Route]:
        return [
            Route(
                name=before + "get_webhook",
                method="GET",
                path=one,
                scope="read",
                summary="Get a webhook",
                do=self.get,
                answer=WebhookAnswer,
                answer_headers=("ETag",),
                refusals=(404,),
                missing=_MISSING,
            ),
            Route(
                name=before + "change_webhook",
                method="PATCH",
                path=one,
                scope="write",
                summary="Change, pause, resume, enable or disable a webhook",
                description="In force for new events within a second. Paused deliveries wait; those of an inactive"
                " webhook end.",
                do=self.change,
                body=WebhookPatch,
                answer=WebhookAnswer,
                answer_headers=("ETag",),
                refusals=(404, 409),
                headers=(_IF_MATCH,),
                missing=_MISSING,
            ),
            Route(
                name=before + "delete_webhook",
                method="DELETE",
                path=one,
                scope="write",
                summary="Delete a webhook",
                description="What is under way is cancelled; its history stays until it expires.",
                do=self.delete,
                status=204,
                refusals=(404,),
                missing=_MISSING,
            ),
        ]

    def _secret(self, before: str, one: str) -> list[Route]:
        return [
            Route(
                name=before + "rotate_secret",
                method="POST",
                path=one + "/rotate-secret",
                scope="write",
                summary="Begin to rotate the secret",
                description="`webhook-signature` carries both until the overlap ends or is completed;"
                " `X-Allure-Signature` stays with the old secret until then.",
                do=self.rotate,
                body=Rotation,
                answer=WebhookAnswer,
                answer_headers=("ETag",),
                refusals=(404, 409),
                missing=_MISSING,
            ),
            Route(
                name=before + "complete_rotation",
                method="POST",
                path=one + "/rotate-secret/complete",
                scope="write",
                summary="Let the new secret alone sign",
                do=self.complete_rotation,
                answer=WebhookAnswer,
                answer_headers=("ETag",),
                refusals=(404, 409),
                missing=_MISSING,
            ),
        ]

    def _tried_out(self, before: str, one: str) -> list[Route]:
        return [
            Route(
                name=before + "send_sample",
                method="POST",
                path=one + "/test",
                scope="write",
                summary="Send a sample event",
                description="Through the real pipeline, to this webhook only.",
                do=self.test,
                body=SampleWanted,
                answer=SampleSent,
                status=202,
                refusals=(404, 409),
                missing=_MISSING,
                links={
                    "get_delivery": {"delivery_id": "$response.body#/delivery_id"},
                    "get_event": {"event_id": "$response.body#/event_id"},
                    "retry_delivery": {"delivery_id": "$response.body#/delivery_id"},
                    "cancel_delivery": {"delivery_id": "$response.body#/delivery_id"},
                },
            ),
            Route(
                name=before + "explain",
                method="POST",
                path=one + "/explain",
                scope="read",
                summary="Would this event match, and if not, why",
                do=self.explain,
                body=Explain,
                answer=Explanation,
                refusals=(404,),
                missing=_MISSING,
            ),
        ]

    async def create(self, ask: Ask[Nothing, WebhookCreate]) -> Reply:
        webhook, made = await self._service.create(ask.key, ask.body)
        return await self._reply(webhook, made, status=201)

    async def page(self, ask: Ask[TenantListing, None]) -> Reply:
        return Reply(await self._service.page(ask.key, ask.query))

    async def get(self, ask: Ask[Nothing, None]) -> Reply:
        return await self._reply(await self._service.get(ask.key, ask.path["webhook_id"]))

    async def change(self, ask: Ask[Nothing, WebhookPatch]) -> Reply:
        webhook, missed = await self._service.change(
            ask.key, ask.path["webhook_id"], ask.body, _expected_version(ask.headers)
        )
        return await self._reply(webhook, missed=missed)

    async def delete(self, ask: Ask[Nothing, None]) -> Reply:
        await self._service.delete(ask.key, ask.path["webhook_id"])
        return Reply(None)

    async def rotate(self, ask: Ask[Nothing, Rotation]) -> Reply:
        return await self._reply(*await self._service.rotate(ask.key, ask.path["webhook_id"], ask.body))

    async def complete_rotation(self, ask: Ask[Nothing, None]) -> Reply:
        return await self._reply(await self._service.complete_rotation(ask.key, ask.path["webhook_id"]))

    async def test(self, ask: Ask[Nothing, SampleWanted]) -> Reply:
        webhook = await self._service.get(ask.key, ask.path["webhook_id"])
        return Reply(await self._samples.send(webhook, ask.body.event_type), 202)

    async def explain(self, ask: Ask[Nothing, Explain]) -> Reply:
        return Reply(await self._service.explain(ask.key, ask.path["webhook_id"], ask.body))

    async def _reply(
        self, webhook: Webhook, secret: str | None = None, *, missed: Missed | None = None, status: int = 200
    ) -> Reply:
        answer = await self._service.answer(webhook, secret, missed)
        return Reply(answer, status, {"ETag": f'"{webhook.version}"'})


def _expected_version(headers: Mapping[str, str]) -> int | None:
    """`If-Match: "3"` as GET's ETag gave it; absent or `*` is any."""
    given = headers.get("If-Match", "*")
    if given == "*":
        return None
    if not re.fullmatch(_ETAG, given):
        raise Refused(
            400, "INVALID_REQUEST", 'If-Match: the ETag of a webhook is needed, such as "3"', field="If-Match"
        )
    return int(given.removeprefix("W/").strip('"'))
