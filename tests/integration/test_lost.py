"""What counts as lost by the broker: a marker that was sent a lease later has come through every queue it may be in."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from deploy.local.servers import Server
from services.scheduler.service import _QUEUES, Scheduler
from shared.broker.topology import BULK, DELIVERIES
from shared.contracts.event import AcceptedEvent
from shared.contracts.message import QueuedDelivery
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.markers import Markers
from tests.integration.test_store import DAY, opened

LEASE = timedelta(seconds=45)


class HandOver:
    """Notes what is handed over again."""

    def __init__(self) -> None:
        self.again_ids: list[str] = []

    async def again(self, deliveries: Iterable[QueuedDelivery], _handed_at: datetime) -> None:
        self.again_ids += [delivery.id for delivery in deliveries]


@pytest.mark.parametrize("late", [DELIVERIES, BULK])
async def test_a_fresh_delivery_is_lost_only_behind_markers_of_both_queues_that_it_may_be_in(
    mongodb: Server, late: str
) -> None:
    async with opened(mongodb.url) as mongo:
        markers, deliveries, events = Markers(mongo), Deliveries(mongo, retention=DAY), Events(mongo, retention=DAY)
        hand_over: Any = HandOver()
        nobody: Any = None
        scheduler = Scheduler(
            mongo=mongo,
            deliveries=deliveries,
            events=events,
            markers=markers,
            hand_over=hand_over,
            publisher=nobody,
            poll=DAY,
            marker_every=DAY,
            lease=LEASE,
            batch=10,
            depth_limit=10,
        )
        now = mongo.now()
        event = AcceptedEvent("t", "e1", "session.created", "2025-01-15T10:30:00.000Z", b"{}")
        queued = QueuedDelivery.first(event, "webhook_1", now.timestamp())
        await events.mark([event])
        await deliveries.insert([queued], now - timedelta(minutes=5))
        for queue in (DELIVERIES, BULK):
            await markers.turn_to_send(queue, DAY)
            if queue != late:
                await markers.arrived(queue, now.timestamp())
        await scheduler.release_lost(*_QUEUES[0])
        assert hand_over.again_ids == [], "one queue's marker has not come"
        await markers.arrived(late, (now - timedelta(minutes=5)).timestamp())
        await scheduler.release_lost(*_QUEUES[0])
        assert hand_over.again_ids == [], "it was sent before a lease had passed"
        await markers.arrived(late, now.timestamp())
        await scheduler.release_lost(*_QUEUES[0])
        assert hand_over.again_ids == [queued.id]
