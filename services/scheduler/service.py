"""Two questions, asked again and again: what is due? and what did the broker lose?

Nothing here is kept in memory, so any number of schedulers may ask; a claim is one write, and one of them wins it.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import structlog

from services.scheduler.metrics import RELEASE_LAG_SECONDS
from shared import metrics
from shared.broker.publisher import Publisher
from shared.broker.topology import AGAIN, BULK, DELIVERIES
from shared.contracts.delivery import Dead, Status, Step, Wait, WaitingFor
from shared.contracts.message import Marker, QueuedDelivery, encode
from shared.errors import StoreUnavailable
from shared.handover import HandOver
from shared.ids import event_key
from shared.lifecycle import background, cancel
from shared.retry import keep_trying
from shared.store.deliveries import Deliveries
from shared.store.events import COMES_WITHIN, EVENT_MISSING, Events
from shared.store.markers import Markers
from shared.store.mongo import Document, Mongo

log = structlog.get_logger()
Result = TypeVar("Result")

_QUEUES: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    ((DELIVERIES, BULK), {"$eq": 1}),
    ((AGAIN,), {"$gt": 1}),
)
"""Turn 1 was handed over through either of the first two queues, every later one through the last."""

_WORKERS_WRITE_SECONDS = 6  # longer than the longest pause between two tries of a write
_SHORTEST_PAUSE = timedelta(milliseconds=250)  # what becomes due meanwhile is one claim, and few messages
_EVENT_LOOK_FIRST = timedelta(seconds=1)
_EVENT_LOOK = timedelta(seconds=30)


class Scheduler:
    """`poll`: longest time between two looks at what is due. `lease`: how long a worker may hold a delivery."""

    def __init__(
        self,
        *,
        mongo: Mongo,
        deliveries: Deliveries,
        events: Events,
        markers: Markers,
        hand_over: HandOver,
        publisher: Publisher,
        poll: timedelta,
        marker_every: timedelta,
        lease: timedelta,
        batch: int,
        depth_limit: int,
    ) -> None:
        self._mongo = mongo
        self._deliveries = deliveries
        self._events = events
        self._markers = markers
        self._hand_over = hand_over
        self._publisher = publisher
        self._poll = poll
        self._marker_every = marker_every
        self._lease = lease
        self._batch = batch
        self._depth_limit = depth_limit
        self._tasks: list[asyncio.Task[None]] = []
        self._store_was_away = False
        self._in_hand = asyncio.Lock()

    async def start(self) -> None:
        self._tasks = [background(self._release_for_ever()), background(self._search_for_ever())]

    async def stop(self, deadline: float) -> None:
        """What is claimed is published if it can be by the deadline; else the next scheduler finds it as lost."""
        try:
            async with asyncio.timeout_at(deadline - 2), self._in_hand:
                await cancel(*self._tasks)
        except TimeoutError:
            await cancel(*self._tasks)

    async def _release_for_ever(self) -> None:
        await self._mongo.ready()
        while True:
            pause = await keep_trying(lambda: self._carefully(self.release_due))
            await asyncio.sleep(pause.total_seconds())

    async def _search_for_ever(self) -> None:
        await self._mongo.ready()
        while True:
            await keep_trying(lambda: self._carefully(self.send_markers))
            for queues, turns in _QUEUES:
                look = partial(self.release_lost, queues, turns)
                await keep_trying(lambda: self._carefully(look))  # noqa: B023 - awaited in this turn
            await asyncio.sleep(min(self._marker_every.total_seconds() / 4, 15))

    async def _carefully(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Behind an outage of the store, what looks overdue is often only not yet written by its worker."""
        if self._store_was_away:
            await self._let_workers_write()
        try:
            return await work()
        except StoreUnavailable:
            self._store_was_away = True
            raise

    async def _let_workers_write(self) -> None:
        await self._mongo.check()
        await asyncio.sleep(_WORKERS_WRITE_SECONDS)
        self._store_was_away = False

    async def release_due(self) -> timedelta:
        """Hand over what is due; answers how long nothing more will be."""
        if await self._publisher_is_full():
            return self._poll
        now = self._mongo.now()
        waiting = await self._deliveries.due(self._batch, now + self._poll)
        due = [delivery_id for delivery_id, due_at in waiting if due_at <= now]
        if due:
            RELEASE_LAG_SECONDS.observe((now - waiting[0][1]).total_seconds())
            async with self._in_hand:
                await self._release(await self._deliveries.claim_due(due, secrets.token_hex(8), now), "due")
        if len(due) == self._batch:
            return timedelta(0)
        ahead = [due_at - now for _, due_at in waiting if due_at > now]
        return min([self._poll, *(max(time, _SHORTEST_PAUSE) for time in ahead)])

    async def send_markers(self) -> None:
        for queue in (queue for queues, _ in _QUEUES for queue in queues):
            if await self._markers.turn_to_send(queue, self._marker_every):
                marker = Marker(marker=secrets.token_hex(8), sent_at=self._mongo.seconds())
                await self._publisher.publish("", queue, encode(marker))

    async def release_lost(self, queues: Sequence[str], turns: Document) -> None:
        """What was handed over a lease before the last marker that arrived, and is still pending, was lost.

        No document says through which of several `queues` it went: a marker must have arrived in each of them.
        """
        arrived = await self._markers.last_arrived(*queues)
        if arrived is None:
            return
        before = arrived - self._lease
        while lost := await self._deliveries.lost(turns, before, self._batch):
            log.warning("delivery.lost_found", queues=queues, found=len(lost))
            now = self._mongo.now()
            async with self._in_hand:
                claimed = await self._deliveries.claim_lost(lost, before, secrets.token_hex(8), now)
                await self._release(claimed, "lost")

    async def _publisher_is_full(self) -> bool:
        return await self._publisher.depth(AGAIN) > self._depth_limit

    async def _release(self, claimed: Sequence[Document], why: str) -> None:
        """Publish what was claimed. Dying before that costs a lease: then it is lost, and found."""
        if not claimed:
            return
        events = await self._events.get({event_key(doc["tenant_id"], doc["event_id"]) for doc in claimed})
        queued, orphans = [], []
        for document in claimed:
            event = events.get(event_key(document["tenant_id"], document["event_id"]))
            if event is None:
                orphans.append(self._without_event(document))
                continue
            queued.append(QueuedDelivery.claimed(document, event))
        await self._hand_over.again(queued, self._mongo.now())
        if orphans:
            await self._deliveries.record(orphans)
            given_up = sum(isinstance(step.decision, Dead) for step in orphans)
            metrics.ended(Status.DEAD, EVENT_MISSING, given_up)
        metrics.RELEASED[why].inc(len(queued))

    def _without_event(self, document: Document) -> Step:
        """Its fan-out has not finished: the event comes, and its mark with it. After days it will not come any more."""
        now = self._mongo.now()
        age = now - document["created_at"]
        look = min(max(age, _EVENT_LOOK_FIRST), _EVENT_LOOK)
        decision = Dead(EVENT_MISSING) if age > COMES_WITHIN else Wait(now + look, WaitingFor.FAULT)
        return Step(document["_id"], document["tenant_id"], document["created_at"], document["turn"], decision)
