"""Hands over the next delivery of ordered webhooks, once the one before has ended.

Anybody may do this at any time, and several at once: only the first living delivery of a webhook is ever claimed, in
one write, and only while it waits for its order.
"""

import asyncio
import secrets
from collections.abc import Collection, Sequence

from shared import metrics
from shared.contracts.delivery import Dead, Status, Step, WaitingFor
from shared.contracts.message import QueuedDelivery
from shared.handover import HandOver
from shared.ids import event_key
from shared.store.deliveries import Deliveries
from shared.store.events import COMES_WITHIN, EVENT_MISSING, Events
from shared.store.mongo import Document, Mongo
from shared.store.orders import Orders


class Promotion:
    def __init__(
        self, *, mongo: Mongo, orders: Orders, deliveries: Deliveries, events: Events, hand_over: HandOver
    ) -> None:
        self._mongo = mongo
        self._orders = orders
        self._deliveries = deliveries
        self._events = events
        self._hand_over = hand_over

    async def promote(self, webhook_ids: Collection[str]) -> set[str]:
        """Answers which of these webhooks have living deliveries in order."""
        heads = await self._orders.heads(webhook_ids)
        waiting = [head for head in heads if head.get("waiting_for") == WaitingFor.ORDER]
        if waiting:
            await self._release(waiting)
        return {head["webhook_id"] for head in heads}

    async def _release(self, heads: Sequence[Document]) -> None:
        """One whose event is not marked is left to the fan-out that is about to mark it."""
        events = await self._events.get({_event_of(head) for head in heads})
        await self._give_up([head for head in heads if _event_of(head) not in events])
        ready = [head["_id"] for head in heads if _event_of(head) in events]
        if not ready:
            return
        now = self._mongo.now()
        claimed = await self._deliveries.claim_next(ready, secrets.token_hex(8), now)
        queued = [QueuedDelivery.claimed(document, events[_event_of(document)]) for document in claimed]
        # A message each: of those that share one the slowest endpoint would hold up the others' next deliveries.
        await asyncio.gather(*(self._hand_over.again([delivery], now) for delivery in queued))
        metrics.RELEASED["order"].inc(len(queued))

    async def _give_up(self, heads: Sequence[Document]) -> None:
        """Those whose event will not come any more."""
        old = [head for head in heads if self._mongo.now() - head["created_at"] > COMES_WITHIN]
        if old:
            await self._deliveries.record([_without_event(head) for head in old])
            metrics.ended(Status.DEAD, EVENT_MISSING, len(old))


def _event_of(document: Document) -> str:
    return event_key(document["tenant_id"], document["event_id"])


def _without_event(head: Document) -> Step:
    return Step(head["_id"], head["tenant_id"], head["created_at"], head["turn"], Dead(EVENT_MISSING))
