"""Webhooks in memory, per tenant: loaded when first asked for, and again when the tenant's version says they changed.

A version is one small read for all tenants of a batch. A change stream would cost nothing to ask, but every process
that follows one has the database filter all that is written for it, deliveries above all.
"""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass

from cachetools import LRUCache

from shared.matching import Subscriptions
from shared.store.webhooks import Webhooks

MAX_AGE_SECONDS = 60
"""For changes that nobody counted: made by hand, or by a process that died before it did."""


@dataclass(slots=True)
class _Entry:
    subscriptions: Subscriptions
    version: int
    loaded: float
    checked: float


class WebhookView:
    """`fresh_seconds`: how long an answer may be repeated without asking; `tenants`: how many tenants are held."""

    def __init__(self, webhooks: Webhooks, *, fresh_seconds: float, tenants: int = 1_000) -> None:
        self._webhooks = webhooks
        self._fresh_seconds = fresh_seconds
        self._entries: LRUCache[str, _Entry] = LRUCache(tenants)
        self._asking = asyncio.Lock()

    async def tenants(self, tenant_ids: Collection[str]) -> dict[str, Subscriptions]:
        """The webhooks of each, as they were `fresh_seconds` ago or later. Raises DependencyUnavailable."""
        held = self._held(tenant_ids)
        if len(held) < len(tenant_ids):
            async with self._asking:
                held = self._held(tenant_ids)
                held |= await self._ask([tenant_id for tenant_id in tenant_ids if tenant_id not in held])
        return held

    def _held(self, tenant_ids: Collection[str]) -> dict[str, Subscriptions]:
        since = time.monotonic() - self._fresh_seconds
        found = ((tenant_id, self._entries.get(tenant_id)) for tenant_id in tenant_ids)
        return {tenant_id: entry.subscriptions for tenant_id, entry in found if entry and entry.checked > since}

    async def _ask(self, tenant_ids: Collection[str]) -> dict[str, Subscriptions]:
        """The version is read before the webhooks: a change in between is loaded twice, never missed."""
        asked = time.monotonic()
        versions = await self._webhooks.versions(tenant_ids) if tenant_ids else {}
        answer = {}
        for tenant_id, version in versions.items():
            entry = self._entries.get(tenant_id)
            if entry and entry.version == version and asked - entry.loaded < MAX_AGE_SECONDS:
                entry.checked = asked
            else:
                loaded = Subscriptions(await self._webhooks.of_tenant(tenant_id))
                entry = self._entries[tenant_id] = _Entry(loaded, version, loaded=asked, checked=asked)
            answer[tenant_id] = entry.subscriptions
        return answer
