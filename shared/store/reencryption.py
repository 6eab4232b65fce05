"""Encrypts again, with the first key, what another one closed: while everything runs."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from shared.errors import DeliveryFault
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.secrets import SecretBox

AT_ONCE = 16
"""Webhooks written side by side: they share commits of the journal, and services hardly notice."""


@dataclass(frozen=True, slots=True)
class Visited:
    """A webhook that was come to. With a problem, not all of it could be opened, and nothing of it was changed."""

    webhook_id: str
    problem: str | None = None


class Reencryption:
    """Webhooks' secrets and headers. What they say does not change, so neither do the webhooks' versions."""

    def __init__(self, mongo: Mongo, box: SecretBox) -> None:
        self._mongo = mongo
        self._box = box
        other = {"$exists": True, "$ne": box.first}
        self._left: Document = {"$or": [{"secrets": {"$elemMatch": {"key": other}}}, {"headers.key": other}]}

    async def left(self) -> int:
        """Webhooks that hold something closed with another key than the first."""
        async with unavailable_if_gone():
            return await self._mongo.db.webhooks.count_documents(self._left)

    async def run(self) -> AsyncIterator[list[Visited]]:
        """Some at a time, in the order of their ids, each once. Ending half-way harms nothing."""
        behind: Document = {}
        while True:
            async with unavailable_if_gone():
                found = self._mongo.db.webhooks.find({**behind, **self._left}).sort("_id").limit(AT_ONCE)
                documents = await found.to_list(None)
                visited = await asyncio.gather(*map(self._visit, documents))
            if not visited:
                return
            yield visited
            behind = {"_id": {"$gt": visited[-1].webhook_id}}

    async def _visit(self, document: Document) -> Visited:
        """Who changes the webhook meanwhile wins. They may have changed half of it: the rest is ours, so look again."""
        owner: str = document["_id"]
        read: Document | None = document
        while read:
            try:
                closed = self._closed(read)
            except DeliveryFault as fault:
                return Visited(owner, str(fault))
            if await self._replaced(read, closed):
                break
            read = await self._mongo.db.webhooks.find_one({"_id": owner, **self._left})
        return Visited(owner)

    def _closed(self, document: Document) -> Document:
        owner, headers = document["_id"], document.get("headers")
        return {
            "secrets": [self._close(stored, owner) for stored in document["secrets"]],
            "headers": self._close(headers, owner) if headers else None,
        }

    def _close(self, stored: Document, owner: str) -> Document:
        return self._box.close(self._box.open(stored, owner), owner)

    async def _replaced(self, read: Document, closed: Document) -> bool:
        """Whether it still held what was read; no two boxes are alike, whatever is in them."""
        same = {"_id": read["_id"], "secrets": read["secrets"], "headers": read.get("headers")}
        result = await self._mongo.db.webhooks.update_one(same, {"$set": closed})
        return bool(result.matched_count)
