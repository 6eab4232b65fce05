"""Webhooks as documents. The view in memory that services match and deliver by is in `view.py`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from pymongo import ReturnDocument

from shared.contracts.webhook import Webhook
from shared.errors import DeliveryFault
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.secrets import SecretBox

VERSION = 1


class Webhooks:
    """Create, read, change and delete. Each adds 1 to the tenant's version when done, by which the view notices."""

    def __init__(self, mongo: Mongo, box: SecretBox) -> None:
        self._mongo = mongo
        self._box = box

    async def insert(self, webhook: Webhook) -> None:
        async with unavailable_if_gone():
            await self._mongo.db.webhooks.insert_one(self._document(webhook))
            await self._count_change(webhook.tenant_id)

    async def get(self, webhook_id: str, tenant_id: str | None = None) -> Webhook | None:
        """From the primary. With a tenant, only that tenant's."""
        async with unavailable_if_gone():
            document = await self._mongo.db.webhooks.find_one(_key(webhook_id, tenant_id))
        return self._webhook(document) if document else None

    async def versions(self, tenant_ids: Iterable[str]) -> dict[str, int]:
        """How often the webhooks of each tenant were changed."""
        wanted = list(tenant_ids)
        async with unavailable_if_gone():
            cursor = self._mongo.db.tenants.find({"_id": {"$in": wanted}}, {"webhooks_version": 1})
            found = {document["_id"]: document["webhooks_version"] for document in await cursor.to_list(None)}
        return {tenant_id: found.get(tenant_id, 0) for tenant_id in wanted}

    async def of_tenant(self, tenant_id: str, *, limit: int = 0) -> list[Webhook]:
        """All of a tenant, oldest first."""
        async with unavailable_if_gone():
            cursor = self._mongo.db.webhooks.find({"tenant_id": tenant_id}).sort("created_at", 1)
            documents = await cursor.to_list(limit or None)
        return [self._webhook(document) for document in documents]

    async def page(self, tenant_id: str | None, *, after: str | None, limit: int) -> list[Webhook]:
        """In order of id, from behind `after`."""
        query: Document = {"tenant_id": tenant_id} if tenant_id else {}
        if after:
            query["_id"] = {"$gt": after}
        async with unavailable_if_gone():
            documents = await self._mongo.db.webhooks.find(query).sort("_id", 1).limit(limit).to_list(None)
        return [self._webhook(document) for document in documents]

    async def count(self, tenant_id: str) -> int:
        async with unavailable_if_gone():
            return await self._mongo.db.webhooks.count_documents({"tenant_id": tenant_id})

    async def change(
        self,
        webhook_id: str,
        tenant_id: str | None,
        changes: Mapping[str, Any],
        now: datetime,
        *,
        version: int | None = None,
    ) -> Webhook | None:
        """Set these fields; None when there is no such webhook, or it no longer has this version."""
        expected = {} if version is None else {"version": version}
        async with unavailable_if_gone():
            document = await self._mongo.db.webhooks.find_one_and_update(
                {**_key(webhook_id, tenant_id), **expected},
                {"$set": {**self._closed(changes, webhook_id), "updated_at": now}, "$inc": {"version": 1}},
                return_document=ReturnDocument.AFTER,
            )
            if document:
                await self._count_change(document["tenant_id"])
        return self._webhook(document) if document else None

    async def set_secrets(self, webhook: Webhook, secrets: Sequence[str], ends_at: datetime | None) -> Webhook | None:
        """Replace the secrets of the webhook as it was read; None when it was changed or deleted meanwhile."""
        changes = {"secrets": secrets, "rotation_ends_at": ends_at}
        return await self.change(webhook.id, webhook.tenant_id, changes, self._mongo.now(), version=webhook.version)

    async def deactivate(self, webhook_id: str, reason: str, now: datetime) -> None:
        """Set inactive by ourselves; one that is inactive already keeps its reason."""
        async with unavailable_if_gone():
            document = await self._mongo.db.webhooks.find_one_and_update(
                {"_id": webhook_id, "is_active": True},
                {
                    "$set": {"is_active": False, "disabled_reason": reason, "updated_at": now},
                    "$inc": {"version": 1},
                },
                projection={"tenant_id": 1},
            )
            if document:
                await self._count_change(document["tenant_id"])

    async def delete(self, webhook_id: str, tenant_id: str | None) -> bool:
        async with unavailable_if_gone():
            document = await self._mongo.db.webhooks.find_one_and_delete(
                _key(webhook_id, tenant_id), projection={"tenant_id": 1}
            )
            if document:
                await self._count_change(document["tenant_id"])
        return document is not None

    async def _count_change(self, tenant_id: str) -> None:
        """Comes after the change: who sees the new version also sees the change."""
        await self._mongo.db.tenants.update_one({"_id": tenant_id}, {"$inc": {"webhooks_version": 1}}, upsert=True)

    def _closed(self, fields: Mapping[str, Any], owner: str) -> Document:
        """Fields as they are stored: what is secret, encrypted for the webhook."""
        stored = dict(fields)
        if "secrets" in stored:
            stored["secrets"] = [self._box.close(secret, owner) for secret in stored["secrets"]]
        if "headers" in stored:
            text = orjson.dumps(stored["headers"]).decode() if stored["headers"] else None
            stored["headers"] = self._box.close(text, owner) if text else None
        return stored

    def _document(self, webhook: Webhook) -> Document:
        return {
            **self._closed({"secrets": webhook.secrets, "headers": webhook.headers}, webhook.id),
            "_id": webhook.id,
            "v": VERSION,
            "tenant_id": webhook.tenant_id,
            "url": webhook.url,
            "event_types": list(webhook.event_types),
            "rotation_ends_at": webhook.rotation_ends_at,
            "is_active": webhook.is_active,
            "paused": webhook.paused,
            "disabled_reason": webhook.disabled_reason,
            "description": webhook.description,
            "filter": webhook.filter,
            "max_attempts": webhook.max_attempts,
            "version": webhook.version,
            "created_at": webhook.created_at,
            "updated_at": webhook.updated_at,
        }

    def _webhook(self, document: Document) -> Webhook:
        secrets, headers = self._open(document)
        return Webhook(
            id=document["_id"],
            tenant_id=document["tenant_id"],
            url=document["url"],
            event_types=tuple(document["event_types"]),
            secrets=secrets,
            headers=headers,
            rotation_ends_at=document.get("rotation_ends_at"),
            is_active=document["is_active"],
            paused=document["paused"],
            disabled_reason=document["disabled_reason"],
            description=document["description"],
            filter=document["filter"],
            max_attempts=document["max_attempts"],
            version=document["version"],
            created_at=document["created_at"],
            updated_at=document["updated_at"],
        )

    def _open(self, document: Document) -> tuple[tuple[str, ...], dict[str, str]]:
        """Secrets and headers; none when one does not open: the deliveries of this webhook fault, nobody else's."""
        owner, closed = document["_id"], document.get("headers")
        try:
            secrets = tuple(self._box.open(stored, owner) for stored in document["secrets"])
            return secrets, orjson.loads(self._box.open(closed, owner)) if closed else {}
        except DeliveryFault:
            return (), {}


def _key(webhook_id: str, tenant_id: str | None) -> Document:
    return {"_id": webhook_id, "tenant_id": tenant_id} if tenant_id else {"_id": webhook_id}
