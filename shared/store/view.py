"""Webhooks in memory, per tenant: loaded when first asked for, dropped when a change stream says that they changed.

The view may say yes; only a read of the primary may say no. While the stream is not open nothing is kept, so what it
did not hear of cannot stay.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import structlog
from cachetools import LRUCache
from motor.motor_asyncio import AsyncIOMotorChangeStream
from pymongo.errors import PyMongoError

from shared.lifecycle import background, cancel
from shared.matching import Subscriptions
from shared.store.mongo import Mongo
from shared.store.webhooks import Webhooks

log = structlog.get_logger()

MAX_AGE_SECONDS = 60
SILENCE_SECONDS = 12
_AWAIT_MS = 4_000


class WebhookView:
    """`tenants` bounds how many tenants' webhooks are held."""

    def __init__(self, mongo: Mongo, webhooks: Webhooks, *, tenants: int = 1_000) -> None:
        self._mongo = mongo
        self._webhooks = webhooks
        self._entries: LRUCache[str, tuple[float, Subscriptions]] = LRUCache(tenants)
        self._changes = 0
        self._heard = 0.0  # when the stream last answered; 0 while it is not open
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = background(self._follow())

    async def stop(self, deadline: float) -> None:
        await cancel(self._task)

    async def tenant(self, tenant_id: str) -> Subscriptions:
        """A tenant's webhooks. Raises DependencyUnavailable."""
        now = time.monotonic()
        if now - self._heard > SILENCE_SECONDS:
            self._entries.clear()
        entry = self._entries.get(tenant_id)
        if entry and now - entry[0] < MAX_AGE_SECONDS:
            return entry[1]
        changes, listening = self._changes, self._heard > 0
        subscriptions = Subscriptions(await self._webhooks.of_tenant(tenant_id))
        # A change that arrived meanwhile may be missing in what was read: used once, not kept.
        if listening and changes == self._changes:
            self._entries[tenant_id] = (now, subscriptions)
        return subscriptions

    async def _follow(self) -> None:
        while True:
            try:
                async with self._mongo.db.webhooks.watch(
                    full_document="updateLookup", max_await_time_ms=_AWAIT_MS
                ) as stream:
                    await self._listen(stream)
            except PyMongoError as error:
                log.warning("webhooks.stream_lost", error=str(error))
            self._heard = 0.0
            self._entries.clear()
            await asyncio.sleep(1)

    async def _listen(self, stream: AsyncIOMotorChangeStream[Mapping[str, Any]]) -> None:
        while True:
            change = await stream.try_next()
            self._heard = time.monotonic()
            if change is not None:
                self._changes += 1
                self._forget(change)

    def _forget(self, change: Mapping[str, Any]) -> None:
        document = change.get("fullDocument")
        if document:
            self._entries.pop(document["tenant_id"], None)
            return
        webhook_id = change.get("documentKey", {}).get("_id")
        for tenant_id, (_, subscriptions) in list(self._entries.items()):
            if webhook_id is None or webhook_id in subscriptions.by_id:
                self._entries.pop(tenant_id, None)
