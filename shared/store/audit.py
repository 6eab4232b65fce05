"""Who changed which key, secret or webhook. An entry and what it tells of are one transaction."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from shared.contracts.listing import Position
from shared.ids import random_hex
from shared.store.mongo import Document, Mongo
from shared.store.paging import newest, window

VERSION = 1
SYSTEM = "system"
"""Who it was when it was no API key: the dispatcher itself, by its rules."""


KEPT = timedelta(days=400)  # a whole year can always be looked back on


class Audit:
    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def note(
        self, session: Any, *, tenant_id: str | None, by: str, action: str, target: str, fields: Iterable[str] = ()
    ) -> None:
        """Names of fields only: no value, old or new, and so no secret."""
        now = self._mongo.now()
        document = {
            "_id": "audit_" + random_hex(),
            "v": VERSION,
            "tenant_id": tenant_id,
            "created_at": now,
            "by": by,
            "action": action,
            "target": target,
            "fields": sorted(fields),
            "expires_at": now + KEPT,
        }
        await self._mongo.db.audit.insert_one(document, session=session)

    async def page(self, tenant_id: str, behind: Position | None, limit: int) -> list[Document]:
        query = {"tenant_id": tenant_id, **window(behind)}
        return await newest(self._mongo, "audit", query, index="tenant", limit=limit)
