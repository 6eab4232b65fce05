"""What customers may do with webhooks and see of their deliveries; HTTP is in `routes`."""

import base64
import ipaddress
import secrets
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from shared.contracts.delivery import DeliveryRecord
from shared.contracts.webhook import (
    ENDED_BY_CUSTOMER,
    Explain,
    Explanation,
    Rotation,
    Webhook,
    WebhookCreate,
    WebhookPatch,
)
from shared.egress import Egress
from shared.errors import Refused
from shared.ids import new_webhook_id
from shared.matching import why_not
from shared.store.deliveries import Deliveries
from shared.store.keys import ApiKey
from shared.store.webhooks import Webhooks


class WebhookService:
    """A tenant sees and touches only its own; the operator's key, which has no tenant, all."""

    def __init__(
        self,
        *,
        webhooks: Webhooks,
        deliveries: Deliveries,
        egress: Egress,
        most_per_tenant: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._egress = egress
        self._most_per_tenant = most_per_tenant
        self._clock = clock

    async def create(self, key: ApiKey, wanted: WebhookCreate) -> tuple[Webhook, str | None]:
        """The webhook, and its secret if we made it: this is the only time that anyone sees it."""
        tenant_id = key.tenant(wanted.tenant_id)
        self._check_url(wanted.url)
        if await self._webhooks.count(tenant_id) >= self._most_per_tenant:
            raise Refused(409, "INVALID_REQUEST", f"this tenant has {self._most_per_tenant} webhooks, the most it may")
        made = None if wanted.secret else new_secret()
        now = self._clock()
        webhook = Webhook(
            id=new_webhook_id(),
            tenant_id=tenant_id,
            url=wanted.url,
            event_types=_event_types(wanted) or (),
            secrets=(wanted.secret or made or "",),
            is_active=True,
            paused=False,
            disabled_reason=None,
            description=wanted.description,
            filter=_filter(wanted),
            headers=wanted.headers or {},
            max_attempts=wanted.max_attempts,
            version=1,
            created_at=now,
            updated_at=now,
        )
        await self._webhooks.insert(webhook)
        return webhook, made

    async def get(self, key: ApiKey, webhook_id: str) -> Webhook:
        return _found(await self._webhooks.get(webhook_id, key.tenant_id), webhook_id)

    async def page(self, key: ApiKey, tenant_id: str | None, after: str | None, limit: int) -> list[Webhook]:
        tenant = key.tenant(tenant_id) if tenant_id or key.tenant_id else None
        return await self._webhooks.page(tenant, after=after, limit=limit)

    async def change(self, key: ApiKey, webhook_id: str, patch: WebhookPatch, version: int | None) -> Webhook:
        """Only at this version, if one is given. What is resumed has its waiting deliveries looked at now."""
        if patch.url is not None:
            self._check_url(patch.url)
        webhook = await self._webhooks.change(
            webhook_id, key.tenant_id, _changes(patch), self._clock(), version=version
        )
        if webhook is None:
            raise _conflict(await self.get(key, webhook_id))
        if patch.paused is False:
            await self._deliveries.bring_forward(webhook_id, self._clock())
        return webhook

    async def rotate(self, key: ApiKey, webhook_id: str, rotation: Rotation) -> tuple[Webhook, str | None]:
        """Both secrets sign from now on; the answer holds the new one if we made it.

        A rotation under way is not forgotten: its new secret, which receivers may know by now, becomes the old one.
        """
        webhook = await self.get(key, webhook_id)
        made = None if rotation.secret else new_secret()
        ends_at = self._clock() + timedelta(hours=rotation.overlap_hours)
        secrets = (*webhook.secrets[-1:], rotation.secret or made or "")
        changed = await self._webhooks.set_secrets(webhook, secrets, ends_at)
        if changed is None:
            raise _conflict(await self.get(key, webhook_id))
        return changed, made

    async def complete_rotation(self, key: ApiKey, webhook_id: str) -> Webhook:
        """From now on the new secret alone signs. Without a rotation under way nothing changes."""
        webhook = await self.get(key, webhook_id)
        if webhook.rotation_ends_at is None:
            return webhook
        changed = await self._webhooks.set_secrets(webhook, webhook.secrets[-1:], None)
        if changed is None:
            raise _conflict(await self.get(key, webhook_id))
        return changed

    async def explain(self, key: ApiKey, webhook_id: str, event: Explain) -> Explanation:
        return explained(await self.get(key, webhook_id), event.event, event.data)

    async def delete(self, key: ApiKey, webhook_id: str) -> None:
        """Its deliveries under way are cancelled at their turn."""
        if not await self._webhooks.delete(webhook_id, key.tenant_id):
            _found(None, webhook_id)

    async def deliveries(
        self, key: ApiKey, webhook_id: str, *, before: tuple[datetime, str] | None, limit: int, status: str | None
    ) -> list[DeliveryRecord]:
        await self.get(key, webhook_id)
        documents = await self._deliveries.page(webhook_id, before=before, limit=limit, status=status)
        return [DeliveryRecord.of(document) for document in documents]

    def _check_url(self, url: str) -> None:
        """What can be refused without asking DNS; the rest is refused when connecting."""
        parts = urlsplit(url)
        if parts.scheme == "http" and not self._egress.allow_http:
            raise _refused_url("plain http is not allowed here; use https")
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if (address := _address(host)) and not self._egress.allows(address, port):
            raise _refused_url(f"{host} is not a public address")
        if (host == "localhost" or host.endswith(".localhost")) and not self._egress.allows("127.0.0.1", port):
            raise _refused_url(f"{host} is not a public address")


def explained(webhook: Webhook, event_type: str, data: Any) -> Explanation:
    reasons = why_not(webhook, event_type, data)
    return Explanation(matches=not reasons, reasons=reasons, paused=webhook.paused)


def new_secret() -> str:
    """256 bits, in the form that Standard Webhooks libraries know."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _address(host: str) -> str | None:
    """The address that a host is, in any of the spellings that resolvers take: 127.1, 0x7f000001, 2130706433, …"""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def _refused_url(words: str) -> Refused:
    return Refused(400, "INVALID_REQUEST", f"url: {words}", field="url")


def _found(webhook: Webhook | None, webhook_id: str) -> Webhook:
    if webhook is None:
        raise Refused(404, "WEBHOOK_NOT_FOUND", f"there is no webhook {webhook_id!r:.60}")
    return webhook


def _conflict(now: Webhook) -> Refused:
    words = f"it was changed meanwhile and has version {now.version}: read it again, then repeat the change"
    return Refused(409, "VERSION_CONFLICT", words, version=now.version)


def _event_types(wanted: WebhookCreate | WebhookPatch) -> tuple[str, ...] | None:
    if wanted.event_type:
        return (wanted.event_type,)
    return tuple(dict.fromkeys(wanted.event_types)) if wanted.event_types else None


def _filter(wanted: WebhookCreate | WebhookPatch) -> dict[str, Any] | None:
    return wanted.filter.model_dump(by_alias=True, exclude_unset=True) if wanted.filter else None


def _changes(patch: WebhookPatch) -> dict[str, Any]:
    changes: dict[str, Any] = {
        name: getattr(patch, name)
        for name in ("url", "description", "headers", "max_attempts", "is_active", "paused")
        if name in patch.model_fields_set
    }
    if "filter" in patch.model_fields_set:
        changes["filter"] = _filter(patch)
    if types := _event_types(patch):
        changes["event_types"] = list(types)
    if "is_active" in changes:
        changes["disabled_reason"] = None if changes["is_active"] else ENDED_BY_CUSTOMER
    return changes
