"""Hands deliveries to the broker: a few messages, confirmed.

A publish that failed may have arrived all the same. It is repeated under a new turn, so that of all its copies only
the last is attempted, unless one was before.
"""

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from shared.broker.publisher import Publisher
from shared.broker.topology import AGAIN, DELIVERIES
from shared.contracts.message import DeliveryMessage, QueuedDelivery, batches, encode
from shared.errors import DependencyUnavailable
from shared.retry import keep_trying
from shared.store.deliveries import Deliveries
from shared.store.mongo import Mongo


class HandOver:
    """Returns when a majority of the broker has everything, however long it is away."""

    def __init__(self, *, mongo: Mongo, deliveries: Deliveries, publisher: Publisher) -> None:
        self._mongo = mongo
        self._deliveries = deliveries
        self._publisher = publisher

    async def first(self, deliveries: Iterable[QueuedDelivery], handed_at: datetime, queue: str = DELIVERIES) -> None:
        """Deliveries at turn 1."""
        await asyncio.gather(*(self._publish(queue, group, handed_at) for group in batches(deliveries)))

    async def again(self, deliveries: Sequence[QueuedDelivery], handed_at: datetime) -> None:
        """Deliveries whose turn was claimed at `handed_at`; one that waited before its first is as good as fresh."""
        fresh = (delivery for delivery in deliveries if delivery.turn == 1)
        later = batches(delivery for delivery in deliveries if delivery.turn > 1)
        await asyncio.gather(self.first(fresh, handed_at), *(self._publish(AGAIN, group, handed_at) for group in later))

    async def _publish(self, queue: str, group: Sequence[QueuedDelivery], handed_at: datetime) -> None:
        try:
            await self._once(queue, group, handed_at)
        except DependencyUnavailable:
            await keep_trying(lambda: self._once_more(group))

    async def _once(self, queue: str, group: Sequence[QueuedDelivery], handed_at: datetime) -> None:
        message = DeliveryMessage(handed_at=handed_at.timestamp(), deliveries=list(group))
        await self._publisher.publish("", queue, encode(message))

    async def _once_more(self, group: Sequence[QueuedDelivery]) -> None:
        now = self._mongo.now()
        ids = [delivery.id for delivery in group]
        turns = {doc["_id"]: doc["turn"] for doc in await self._deliveries.claim_again(ids, secrets.token_hex(8), now)}
        claimed = [
            msgspec.structs.replace(delivery, turn=turns[delivery.id]) for delivery in group if delivery.id in turns
        ]
        if claimed:
            await self._once(AGAIN, claimed, now)
