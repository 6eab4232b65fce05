"""Events → deliveries: parse → skip what is done → match → insert → publish, or let it wait → mark → ack.

Whatever is repeated after a crash finds its earlier traces: deliveries by their ids, the event by its mark.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from services.fanout import metrics
from services.fanout.downstream import Downstream
from services.fanout.holding import Held, Holding
from services.fanout.inbox import Inbox
from services.fanout.lines import Lines, Standing
from services.fanout.parsing import parse_message
from shared.broker.consumer import Message, ack_up_to, give_back
from shared.broker.parking import park
from shared.broker.publisher import Publisher
from shared.broker.topology import FANOUT
from shared.contracts.event import AcceptedEvent
from shared.contracts.message import QueuedDelivery, batches
from shared.ids import event_key
from shared.lifecycle import background, cancel
from shared.matching import Subscriptions
from shared.metrics import FAULTS
from shared.retry import keep_trying
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.mongo import Mongo
from shared.store.view import WebhookView
from shared.tracing.tracer import BatchSpan, Tracer

log = structlog.get_logger()

CHUNK_DELIVERIES = 2_000
CHUNK_BYTES = 8 * 1024 * 1024
_BLAMED_PAUSE_SECONDS = 3


@dataclass(slots=True)
class HandedOver:
    """A batch of which all that goes to workers at once is in their queue. Nobody waits for the rest but its ack."""

    messages: Sequence[Message]
    events: int = 0
    fresh: Sequence[AcceptedEvent] = ()
    held: Held = field(default_factory=Held)
    standing: Standing = field(default_factory=Standing)


class FanoutService:
    """One batch at a time: what arrives meanwhile is the next. While one is finished, the next is handed over."""

    def __init__(
        self,
        *,
        mongo: Mongo,
        inbox: Inbox,
        view: WebhookView,
        events: Events,
        deliveries: Deliveries,
        holding: Holding,
        lines: Lines,
        downstream: Downstream,
        publisher: Publisher,
        tracer: Tracer,
    ) -> None:
        self._mongo = mongo
        self._inbox = inbox
        self._view = view
        self._events = events
        self._deliveries = deliveries
        self._holding = holding
        self._lines = lines
        self._downstream = downstream
        self._publisher = publisher
        self._tracer = tracer
        self._running: asyncio.Task[None] | None = None
        self._finishing: asyncio.Task[None] | None = None
        self._not_yet_marked: set[str] = set()
        self._busy = asyncio.Lock()

    async def start(self) -> None:
        self._running = background(self._run())
        await self._inbox.start()

    async def stop(self, deadline: float) -> None:
        """The batches under way are finished if they can be by the deadline; else they come again.

        Until then messages go on arriving, for one that only stopped taking would have the next fan-out begin behind
        those that it still holds. All of them go back together, in their order.
        """
        try:
            async with asyncio.timeout_at(deadline - 2), self._busy:
                await cancel(self._running)
                await self._finished()
        except TimeoutError:
            await cancel(self._running, self._finishing)
        await self._inbox.stop()

    async def _run(self) -> None:
        while True:
            batch = await self._inbox.next_batch()
            async with self._busy:
                await self._handle(batch)

    async def _handle(self, batch: Sequence[Message]) -> None:
        """A batch that fails through a bug of ours is done again one message at a time, so that one is to blame."""
        try:
            handed_over = await self._hand_over(batch)
        except Exception:
            log.exception("fanout.batch_failed", messages=len(batch))
            await self._finished()  # an ack of ours is one for all before
            await self._blame(batch)
        else:
            await self._finished()
            self._not_yet_marked = {_key(event) for event in handed_over.fresh}
            self._finishing = background(self._finish_or_blame(handed_over))

    async def _finished(self) -> None:
        if self._finishing:
            await asyncio.wait([self._finishing])

    async def _finish_or_blame(self, handed_over: HandedOver) -> None:
        try:
            await self._finish(handed_over)
        except Exception:
            log.exception("fanout.batch_failed", messages=len(handed_over.messages))
            await self._blame(handed_over.messages)

    async def _blame(self, batch: Sequence[Message]) -> None:
        self._not_yet_marked = set()
        for message in batch:
            try:
                await self._finish(await self._hand_over([message]))
            except Exception:
                FAULTS["bug"].inc()
                log.exception("fanout.message_failed")
                await asyncio.sleep(_BLAMED_PAUSE_SECONDS)  # a few tries over a minute, then the broker parks it
                await give_back(message)

    async def _hand_over(self, batch: Sequence[Message]) -> HandedOver:
        """All that goes to workers at once is in their queue when this returns, and what has an order is in it."""
        with self._tracer.batch(len(batch)) as span:
            return await self._handed_over(batch, span)

    async def _handed_over(self, batch: Sequence[Message], span: BatchSpan) -> HandedOver:
        events = await self._read(batch)
        unmarked, tenants = await asyncio.gather(self._unmarked(events), self._tenants(events))
        fresh = span.members(unmarked)
        result = HandedOver(batch, len(events), fresh)
        matched = _match(fresh, tenants, self._mongo.seconds(), result.held)
        for deliveries in batches(matched, most=CHUNK_DELIVERIES, most_bytes=CHUNK_BYTES):
            await self._stand(result.standing)
            at_once, result.standing = self._lines.part(deliveries)
            await self._insert(at_once)
        if result.held:
            await self._holding.insert(result.held)
        return result

    async def _finish(self, handed_over: HandedOver) -> None:
        """From then to acked: only now may the broker forget the events."""
        await self._stand(handed_over.standing)
        if handed_over.fresh:
            await keep_trying(lambda: self._events.mark(handed_over.fresh))
        self._holding.marked(handed_over.held)
        await ack_up_to(handed_over.messages)
        metrics.FANNED_OUT.inc(len(handed_over.fresh))
        metrics.BATCH.observe(handed_over.events)

    async def _insert(self, deliveries: Sequence[QueuedDelivery]) -> None:
        if not deliveries:
            return
        now = self._mongo.now()
        known = await keep_trying(lambda: self._deliveries.insert(deliveries, now))
        await self._downstream.first((_checked(d) if d.id in known else d for d in deliveries), now)
        metrics.CREATED.inc(len(deliveries) - len(known))

    async def _stand(self, standing: Standing) -> None:
        """Those that were there before may be pending, with nobody who knows."""
        if not standing:
            return
        now = self._mongo.now()
        known = await keep_trying(lambda: self._deliveries.insert(standing.deliveries, now, standing.slots))
        if known:
            await self._downstream.first((_checked(d) for d in standing.deliveries if d.id in known), now)
        metrics.CREATED.inc(len(standing.deliveries) - len(known))
        metrics.IN_LINE.inc(len(standing.deliveries) - len(known))

    async def _read(self, batch: Sequence[Message]) -> list[AcceptedEvent]:
        """The events of a batch, each identity once; what is unusable is parked with the reason."""
        events: dict[str, AcceptedEvent] = {}
        for message in batch:
            found, unusable = parse_message(message, self._mongo.now())
            for event in found:
                events.setdefault(_key(event), event)
            for error, part in unusable:
                await keep_trying(lambda: park(self._publisher, FANOUT, part, error))  # noqa: B023 - awaited here
        return list(events.values())

    async def _unmarked(self, events: Sequence[AcceptedEvent]) -> list[AcceptedEvent]:
        """Without those of the batch that is being finished: it is acked before this one, or both come again."""
        by_key = {key: event for event in events if (key := _key(event)) not in self._not_yet_marked}
        done = await keep_trying(lambda: self._events.marked(list(by_key))) if by_key else set()
        metrics.REPEATED.inc(len(events) - len(by_key) + len(done))
        return [event for key, event in by_key.items() if key not in done]

    async def _tenants(self, events: Iterable[AcceptedEvent]) -> dict[str, Subscriptions]:
        tenant_ids = {event.tenant_id for event in events}
        return await keep_trying(lambda: self._view.current(tenant_ids))


def _key(event: AcceptedEvent) -> str:
    return event_key(event.tenant_id, event.event_id)


def _match(
    events: Iterable[AcceptedEvent], tenants: dict[str, Subscriptions], created_at: float, held: Held
) -> Iterator[QueuedDelivery]:
    """What is handed over at once; the rest is added to `held`."""
    for event in events:
        for webhook in tenants[event.tenant_id].match(event.type, event.data):
            delivery = QueuedDelivery.first(event, webhook.id, created_at)
            if not held.keeps(delivery, event, webhook):
                yield delivery


def _checked(delivery: QueuedDelivery) -> QueuedDelivery:
    """Of one that was there before nobody here knows how far it came: its document tells the worker."""
    return msgspec.structs.replace(delivery, check=True)
