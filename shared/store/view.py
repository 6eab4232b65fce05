"""Webhooks in memory, per tenant: loaded when first asked for, and again when the tenant's version says they changed.

A version is one small read for all tenants of a batch. A change stream would cost nothing to ask, but every process
that follows one has the database filter all that is written for it, deliveries above all.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from cachetools import LRUCache

from shared.matching import Subscriptions
from shared.store.webhooks import Webhooks

MAX_AGE_SECONDS = 60
"""For changes that nobody counted: made by hand, or by a process that died before it did."""
RECENT_SECONDS = 0.5
"""Of the second in which a change of a webhook has to be in force."""


@dataclass(slots=True)
class _Entry:
    subscriptions: Subscriptions
    version: int
    loaded: float
    checked: float


class WebhookView:
    """`tenants`: how many tenants are held."""

    def __init__(self, webhooks: Webhooks, *, tenants: int = 1_000) -> None:
        self._webhooks = webhooks
        self._entries: LRUCache[str, _Entry] = LRUCache(tenants)
        self._asking = asyncio.Lock()

    async def recent(self, tenant_id: str) -> Subscriptions:
        """A tenant's webhooks as they were at most half a second ago. Raises DependencyUnavailable."""
        if held := self._recent(tenant_id):
            return held
        async with self._asking:  # of many who wait for the same, one asks
            return self._recent(tenant_id) or (await self.current([tenant_id]))[tenant_id]

    async def current(self, tenant_ids: Iterable[str]) -> dict[str, Subscriptions]:
        """The webhooks of each as they are now. Raises DependencyUnavailable."""
        asked = time.monotonic()
        # The version is read before the webhooks: a change in between is loaded twice, never missed.
        versions = await self._webhooks.versions(tenant_ids)
        return {tenant_id: await self._load(tenant_id, version, asked) for tenant_id, version in versions.items()}

    def _recent(self, tenant_id: str) -> Subscriptions | None:
        entry = self._entries.get(tenant_id)
        return entry.subscriptions if entry and time.monotonic() - entry.checked < RECENT_SECONDS else None

    async def _load(self, tenant_id: str, version: int, asked: float) -> Subscriptions:
        entry = self._entries.get(tenant_id)
        if entry and entry.version == version and asked - entry.loaded < MAX_AGE_SECONDS:
            entry.checked = asked
        else:
            loaded = Subscriptions(await self._webhooks.of_tenant(tenant_id))
            entry = self._entries[tenant_id] = _Entry(loaded, version, loaded=asked, checked=asked)
        return entry.subscriptions
