"""Webhooks as documents. The view in memory that services match and deliver by is in `view.py`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

import orjson
from pymongo import ReturnDocument

from shared.contracts.listing import Position
from shared.contracts.webhook import Webhook
from shared.errors import DeliveryFault
from shared.store.audit import SYSTEM, Audit
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.paging import newest, window
from shared.store.secrets import SecretBox

VERSION = 1


class Webhooks:
    """Create, read, change and delete. With each change, in one transaction, go an entry in the audit log and a new
    version of the tenant, by which the views notice. `by` is the id of the API key that asked for it.
    """

    def __init__(self, mongo: Mongo, box: SecretBox) -> None:
        self._mongo = mongo
        self._box = box
        self._audit = Audit(mongo)

    async def insert(self, webhook: Webhook, by: str = SYSTEM) -> None:
        async def work(session: Any) -> None:
            await self._mongo.db.webhooks.insert_one(self._document(webhook), session=session)
            await self._changed(session, webhook.tenant_id, webhook.id, by, "webhook.created")

        await self._mongo.atomically(work)

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

    async def of_tenant(self, tenant_id: str) -> list[Webhook]:
        """All of a tenant, newest first."""
        return await self.page(tenant_id, behind=None, limit=0)

    async def page(
        self, tenant_id: str | None, *, behind: Position | None, limit: int, containing: str = ""
    ) -> list[Webhook]:
        """Newest first. Without a tenant, of all of them. With `containing`, those whose URL, description
        or id has this in it: all of the tenant are looked through.
        """
        query: Document = {"tenant_id": tenant_id} if tenant_id else {}
        query |= window(behind)
        if containing:
            part = {"$regex": re.escape(containing), "$options": "i"}
            query["$and"] = [{"$or": [{name: part} for name in ("url", "description", "_id")]}]
        index = "tenant" if tenant_id else "all"
        documents = await newest(self._mongo, "webhooks", query, index=index, limit=limit)
        return [self._webhook(document) for document in documents]

    async def some(self, webhook_ids: Iterable[str]) -> list[Webhook]:
        """Those of them that exist, in no order."""
        async with unavailable_if_gone():
            documents = await self._mongo.db.webhooks.find({"_id": {"$in": list(webhook_ids)}}).to_list(None)
        return [self._webhook(document) for document in documents]

    async def count(self, tenant_id: str) -> int:
        async with unavailable_if_gone():
            return await self._mongo.db.webhooks.count_documents({"tenant_id": tenant_id})

    async def change(
        self,
        webhook_id: str,
        tenant_id: str | None,
        changes: Mapping[str, Any],
        *,
        by: str = SYSTEM,
        action: str = "webhook.changed",
        expected: Mapping[str, Any] = MappingProxyType({}),
    ) -> Webhook | None:
        """Set these fields; None when there is no such webhook, or what is expected of it does not hold."""
        update = {
            "$set": {**self._closed(changes, webhook_id), "updated_at": self._mongo.now()},
            "$inc": {"version": 1},
        }

        async def work(session: Any) -> Document | None:
            document = await self._mongo.db.webhooks.find_one_and_update(
                {**_key(webhook_id, tenant_id), **expected},
                update,
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            if document:
                await self._changed(session, document["tenant_id"], webhook_id, by, action, changes)
            return document

        document = await self._mongo.atomically(work)
        return self._webhook(document) if document else None

    async def set_secrets(
        self, webhook: Webhook, secrets: Sequence[str], ends_at: datetime | None, *, by: str, action: str
    ) -> Webhook | None:
        """Replace the secrets of the webhook as it was read; None when it was changed or deleted meanwhile."""
        changes = {"secrets": secrets, "rotation_ends_at": ends_at}
        read = {"version": webhook.version}
        return await self.change(webhook.id, webhook.tenant_id, changes, by=by, action=action, expected=read)

    async def deactivate(self, webhook_id: str, reason: str) -> None:
        """Set inactive by ourselves; one that is inactive already keeps its reason."""
        changes = {"is_active": False, "disabled_reason": reason, "disabled_at": self._mongo.now()}
        active = {"is_active": True}
        await self.change(webhook_id, None, changes, action="webhook.deactivated", expected=active)

    async def delete(self, webhook_id: str, tenant_id: str | None, by: str = SYSTEM) -> bool:
        async def work(session: Any) -> Document | None:
            document = await self._mongo.db.webhooks.find_one_and_delete(
                _key(webhook_id, tenant_id), projection={"tenant_id": 1}, session=session
            )
            if document:
                await self._changed(session, document["tenant_id"], webhook_id, by, "webhook.deleted")
            return document

        return await self._mongo.atomically(work) is not None

    async def _changed(
        self, session: Any, tenant_id: str, webhook_id: str, by: str, action: str, fields: Iterable[str] = ()
    ) -> None:
        await self._mongo.db.tenants.update_one(
            {"_id": tenant_id}, {"$inc": {"webhooks_version": 1}}, upsert=True, session=session
        )
        await self._audit.note(session, tenant_id=tenant_id, by=by, action=action, target=webhook_id, fields=fields)

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
            "disabled_at": webhook.disabled_at,
            "description": webhook.description,
            "filter": webhook.filter,
            "max_attempts": webhook.max_attempts,
            "rate_limit": webhook.rate_limit,
            "coalesce_seconds": webhook.coalesce_seconds,
            "ordered": webhook.ordered,
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
            disabled_at=document.get("disabled_at"),
            description=document["description"],
            filter=document["filter"],
            max_attempts=document["max_attempts"],
            rate_limit=document.get("rate_limit"),
            coalesce_seconds=document.get("coalesce_seconds"),
            ordered=document.get("ordered", False),
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
