"""Through which queue a fresh delivery goes, and when fan-out waits."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.fanout.downstream import Downstream
from services.fanout.fairness import Fairness
from shared.broker.topology import BULK, DELIVERIES
from shared.contracts.message import QueuedDelivery

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BURST = 10


class Broker:
    """Its queues' depths, who looked at them, and what was handed over, by queue."""

    def __init__(self) -> None:
        self.depths = {DELIVERIES: 0, BULK: 0}
        self.looks: list[str] = []
        self.handed: dict[str, list[str]] = {DELIVERIES: [], BULK: []}

    async def depth(self, queue: str) -> int:
        self.looks.append(queue)
        return self.depths[queue]

    async def first(self, deliveries: Iterable[QueuedDelivery], _handed_at: datetime, queue: str = DELIVERIES) -> None:
        self.handed[queue] += [delivery.tenant_id for delivery in deliveries]

    def take(self) -> tuple[list[str], list[str]]:
        """What was handed over since the last look: fresh, bulk."""
        handed, self.handed = self.handed, {DELIVERIES: [], BULK: []}
        return handed[DELIVERIES], handed[BULK]


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def downstream(broker: Broker) -> Downstream:
    anything: Any = broker
    fairness = Fairness(burst=BURST)
    return Downstream(publisher=anything, hand_over=anything, fairness=fairness, depth_limit=1_000, bulk_limit=5_000)


def deliveries(*tenants: str) -> list[QueuedDelivery]:
    common = {"id": "d", "webhook_id": "w", "event_id": "e", "event": "session.created", "created_at": 0.0}
    return [QueuedDelivery(tenant_id=tenant, body=msgspec.Raw(b"{}"), **common) for tenant in tenants]


FLOOD = ["a"] * 3 * BURST


async def test_while_the_workers_keep_up_everything_is_fresh(broker: Broker, downstream: Downstream) -> None:
    broker.depths[DELIVERIES] = 32
    await downstream.room()
    await downstream.first(deliveries(*FLOOD, "b"), NOW)
    assert broker.take() == ([*FLOOD, "b"], [])
    assert broker.looks == [DELIVERIES], "one look per batch, as long as it is small"


async def test_when_they_do_not_a_flood_goes_apart_and_its_neighbour_does_not(
    broker: Broker, downstream: Downstream
) -> None:
    broker.depths[DELIVERIES] = 33
    await downstream.room()
    await downstream.first(deliveries("b", *FLOOD, "b"), NOW)
    assert broker.take() == (["b", "b"], FLOOD)


async def test_a_large_batch_is_noticed_while_it_is_handed_over(broker: Broker, downstream: Downstream) -> None:
    await downstream.room()
    await downstream.first(deliveries(*FLOOD), NOW)
    broker.depths[DELIVERIES] = 40  # by what it brought itself
    await downstream.first(deliveries(*FLOOD), NOW)
    broker.depths[DELIVERIES] = 0
    await downstream.first(deliveries(*FLOOD), NOW)
    assert broker.take() == (FLOOD + FLOOD, FLOOD)


@pytest.mark.parametrize(
    ("fresh", "bulk", "waits"),
    [
        (32, 9_999, False),  # the workers keep up: nothing goes there
        (33, 5_000, False),
        (33, 5_001, True),
        (1_000, 0, False),
        (1_001, 0, True),
    ],
)
async def test_fan_out_waits_while_a_queue_is_full_that_it_needs(
    broker: Broker, downstream: Downstream, fresh: int, bulk: int, waits: bool
) -> None:
    broker.depths = {DELIVERIES: fresh, BULK: bulk}
    waiting = asyncio.create_task(downstream.room())
    for _ in range(10):
        await asyncio.sleep(0)
    assert waiting.done() != waits
    broker.depths = {DELIVERIES: 0, BULK: bulk}
    async with asyncio.timeout(10):
        await waiting


async def test_a_low_limit_makes_a_queue_long_earlier(broker: Broker) -> None:
    anything: Any = broker
    fairness = Fairness(burst=BURST)
    low = Downstream(publisher=anything, hand_over=anything, fairness=fairness, depth_limit=3, bulk_limit=3)
    broker.depths[DELIVERIES] = 1
    await low.room()
    await low.first(deliveries(*FLOOD), NOW)
    assert broker.take() == ([], FLOOD)
