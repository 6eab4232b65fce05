"""What customers may do with webhooks; HTTP is in `routes`."""

import base64
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from services.api.changes import changes, conflict, event_types_of, expected, filter_of, why_not_changed
from services.api.listing import next_cursor
from shared.contracts.delivery import Status, WaitingFor
from shared.contracts.history import COUNTED_AT_MOST, Narrowing
from shared.contracts.listing import Position, TenantListing
from shared.contracts.webhook import Explanation, Missed, Webhook, WebhookAnswer, WebhookPage
from shared.contracts.webhook_requests import Explain, Rotation, WebhookCreate, WebhookPatch
from shared.egress import Egress
from shared.errors import Refused
from shared.ids import new_webhook_id
from shared.matching import why_not
from shared.store.deliveries import Deliveries
from shared.store.health import WebhookHealths
from shared.store.history import History
from shared.store.keys import ApiKey
from shared.store.slots import Slots
from shared.store.webhooks import Webhooks
from shared.times import iso


class WebhookService:
    """A tenant sees and touches only its own; the operator's key, which has no tenant, all."""

    def __init__(
        self,
        *,
        webhooks: Webhooks,
        deliveries: Deliveries,
        slots: Slots,
        healths: WebhookHealths,
        history: History,
        egress: Egress,
        most_per_tenant: int,
        expire_after: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._slots = slots
        self._healths = healths
        self._history = history
        self._egress = egress
        self._most_per_tenant = most_per_tenant
        self._expire_after = expire_after
        self._clock = clock

    async def create(self, key: ApiKey, wanted: WebhookCreate) -> tuple[Webhook, str | None]:
        """The webhook, and its secret if we made it: this is the only time that anyone sees it."""
        tenant_id = key.tenant(wanted.tenant_id)
        self.check_url(wanted.url)
        if await self._webhooks.count(tenant_id) >= self._most_per_tenant:
            raise Refused(409, "INVALID_REQUEST", f"this tenant has {self._most_per_tenant} webhooks, the most it may")
        made = None if wanted.secret else new_secret()
        now = self._clock()
        webhook = Webhook(
            id=new_webhook_id(),
            tenant_id=tenant_id,
            url=wanted.url,
            event_types=event_types_of(wanted) or (),
            secrets=(wanted.secret or made or "",),
            is_active=True,
            paused=False,
            disabled_reason=None,
            description=wanted.description,
            filter=filter_of(wanted),
            headers=wanted.headers or {},
            max_attempts=wanted.max_attempts,
            rate_limit=wanted.rate_limit,
            coalesce_seconds=wanted.coalesce_seconds,
            ordered=wanted.ordered,
            version=1,
            created_at=now,
            updated_at=now,
        )
        await self._webhooks.insert(webhook, key.id)
        return webhook, made

    async def get(self, key: ApiKey, webhook_id: str) -> Webhook:
        return _found(await self._webhooks.get(webhook_id, key.tenant_id), webhook_id)

    async def page(self, key: ApiKey, wanted: TenantListing, containing: str = "") -> WebhookPage:
        """`containing`: only those with this in their URL, description or id, among those of one tenant."""
        tenant_id = key.tenant(wanted.tenant_id) if containing else key.tenant_or_all(wanted.tenant_id)
        found = await self._webhooks.page(
            tenant_id, behind=wanted.behind, limit=wanted.limit + 1, containing=containing
        )
        following = next_cursor([Position(webhook.created_at, webhook.id) for webhook in found], wanted.limit)
        healths = await self._healths.of(webhook.id for webhook in found[: wanted.limit])
        shown = [WebhookAnswer.of(webhook, healths[webhook.id]) for webhook in found[: wanted.limit]]
        return WebhookPage(webhooks=shown, next_cursor=following)

    async def change(
        self, key: ApiKey, webhook_id: str, patch: WebhookPatch, version: int | None
    ) -> tuple[Webhook, Missed | None]:
        """Only at this version, if one is given. What is resumed has its waiting deliveries looked at now; what is
        enabled again may have missed some.
        """
        if patch.url is not None:
            self.check_url(patch.url)
        before = await self.get(key, webhook_id)
        webhook = await self._webhooks.change(
            webhook_id, key.tenant_id, changes(patch, self._clock()), by=key.id, expected=expected(patch, version)
        )
        if webhook is None:
            raise why_not_changed(await self.get(key, webhook_id), patch)
        if patch.paused is False:
            await self._deliveries.bring_forward(webhook_id, self._clock(), WaitingFor.RESUME)
        if "rate_limit" in patch.model_fields_set:
            await self._slots.forget(webhook_id)
            await self._deliveries.bring_forward(webhook_id, self._clock(), WaitingFor.RATE_LIMIT)
        if "coalesce_seconds" in patch.model_fields_set:  # what waits was held back for the time of before
            await self._deliveries.bring_forward(webhook_id, self._clock(), WaitingFor.NEWER)
        enabled = webhook.is_active and not before.is_active
        return webhook, await self._missed(before) if enabled else None

    async def _missed(self, before: Webhook) -> Missed | None:
        """Deliveries were under way when it was disabled, made up to so long before as they may live."""
        now = self._clock()
        window = Narrowing(since=(before.disabled_at or before.updated_at) - self._expire_after, until=now)
        of = {"webhook_id": before.id}
        first = await self._history.oldest(of, window, [Status.DEAD], None, 1)
        if not first:
            return None
        count = await self._history.count(of, window, [Status.DEAD], COUNTED_AT_MOST)
        return Missed(deliveries=count, since=iso(first[0].created_at), until=iso(now))

    async def rotate(self, key: ApiKey, webhook_id: str, rotation: Rotation) -> tuple[Webhook, str | None]:
        """Both secrets sign from now on; the answer holds the new one if we made it.

        A rotation under way is not forgotten: its new secret, which receivers may know by now, becomes the old one.
        """
        webhook = _opened(await self.get(key, webhook_id))
        made = None if rotation.secret else new_secret()
        ends_at = self._clock() + timedelta(hours=rotation.overlap_hours)
        secrets = (*webhook.secrets[-1:], rotation.secret or made or "")
        changed = await self._webhooks.set_secrets(
            webhook, secrets, ends_at, by=key.id, action="webhook.secret_rotated"
        )
        if changed is None:
            raise conflict(await self.get(key, webhook_id))
        return changed, made

    async def complete_rotation(self, key: ApiKey, webhook_id: str) -> Webhook:
        """From now on the new secret alone signs. Without a rotation under way nothing changes."""
        webhook = _opened(await self.get(key, webhook_id))
        if webhook.rotation_ends_at is None:
            return webhook
        changed = await self._webhooks.set_secrets(
            webhook, webhook.secrets[-1:], None, by=key.id, action="webhook.rotation_completed"
        )
        if changed is None:
            raise conflict(await self.get(key, webhook_id))
        return changed

    async def explain(self, key: ApiKey, webhook_id: str, event: Explain) -> Explanation:
        return explained(await self.get(key, webhook_id), event.event, event.data)

    async def delete(self, key: ApiKey, webhook_id: str) -> None:
        """Its deliveries under way are cancelled at their turn."""
        if not await self._webhooks.delete(webhook_id, key.tenant_id, key.id):
            _found(None, webhook_id)
        await self._healths.forget(webhook_id)

    async def answer(self, webhook: Webhook, secret: str | None = None, missed: Missed | None = None) -> WebhookAnswer:
        """As it is shown, with its health; a secret only in the answer that made it."""
        answer = WebhookAnswer.of(webhook, (await self._healths.of([webhook.id]))[webhook.id])
        if missed:
            answer.missed = missed
        if secret:
            answer.secret = secret
        return answer

    def check_url(self, url: str) -> None:
        """What can be refused without asking DNS; the rest is refused when connecting."""
        if refusal := self._egress.refusal(url):
            raise Refused(400, "INVALID_REQUEST", f"url: {refusal}", field="url")


def explained(webhook: Webhook, event_type: str, data: Any) -> Explanation:
    reasons = why_not(webhook, event_type, data)
    return Explanation(matches=not reasons, reasons=reasons, paused=webhook.paused)


def new_secret() -> str:
    """256 bits, in the form that Standard Webhooks libraries know."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _found(webhook: Webhook | None, webhook_id: str) -> Webhook:
    if webhook is None:
        raise Refused(404, "WEBHOOK_NOT_FOUND", f"there is no webhook {webhook_id!r:.60}")
    return webhook


def _opened(webhook: Webhook) -> Webhook:
    """Its secrets are about to be written again: those that this process cannot read would be lost."""
    if not webhook.secrets:
        words = "its secret does not open here: is its key in DISPATCHER_SECRET_KEYS of every api?"
        raise Refused(503, "SERVICE_UNAVAILABLE", words, headers={"Retry-After": "5"})
    return webhook
