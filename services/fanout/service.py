"""Events → deliveries: parse → skip what is done → match → insert → publish, or let it wait → mark → ack.

Whatever is repeated after a crash finds its earlier traces: deliveries by their ids, the event by its mark.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import msgspec
import structlog

from services.fanout import metrics
from services.fanout.downstream import Downstream
from services.fanout.holding import Held, Holding
from services.fanout.inbox import Inbox
from services.fanout.publication import published_at
from shared.broker.consumer import Message, ack_up_to, give_back
from shared.broker.parking import park
from shared.broker.publisher import Publisher
from shared.broker.topology import FANOUT
from shared.contracts.event import AcceptedEvent, is_array, parse, split
from shared.contracts.message import QueuedDelivery, batches
from shared.contracts.trace import Trace, trace_of
from shared.errors import InvalidMessage
from shared.ids import delivery_id, event_key
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
MAX_AMQP_BYTES = 5 * 1024 * 1024


class FanoutService:
    """Handles one batch at a time: what arrives meanwhile is the next."""

    def __init__(
        self,
        *,
        mongo: Mongo,
        inbox: Inbox,
        view: WebhookView,
        events: Events,
        deliveries: Deliveries,
        holding: Holding,
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
        self._downstream = downstream
        self._publisher = publisher
        self._tracer = tracer
        self._running: asyncio.Task[None] | None = None
        self._busy = asyncio.Lock()

    async def start(self) -> None:
        self._running = background(self._run())
        await self._inbox.start()

    async def stop(self, deadline: float) -> None:
        """The batch under way is finished if it can be by the deadline; else it comes again.

        Until then messages go on arriving, for one that only stopped taking would have the next fan-out begin behind
        those that it still holds. All of them go back together, in their order.
        """
        try:
            async with asyncio.timeout_at(deadline - 2), self._busy:
                await cancel(self._running)
        except TimeoutError:
            await cancel(self._running)
        await self._inbox.stop()

    async def _run(self) -> None:
        while True:
            batch = await self._inbox.next_batch()
            async with self._busy:
                await self._handle(batch)

    async def _handle(self, batch: Sequence[Message]) -> None:
        """A batch that fails through a bug of ours is done again one message at a time, so that one is to blame."""
        try:
            await self.fan_out(batch)
        except Exception:
            log.exception("fanout.batch_failed", messages=len(batch))
            await self._blame(batch)

    async def _blame(self, batch: Sequence[Message]) -> None:
        for message in batch:
            try:
                await self.fan_out([message])
            except Exception:
                FAULTS["bug"].inc()
                log.exception("fanout.message_failed")
                await asyncio.sleep(_BLAMED_PAUSE_SECONDS)  # a few tries over a minute, then the broker parks it
                await give_back(message)

    async def fan_out(self, batch: Sequence[Message]) -> None:
        """From taken to acked."""
        with self._tracer.batch(len(batch)) as span:
            await self._fan_out(batch, span)

    async def _fan_out(self, batch: Sequence[Message], span: BatchSpan) -> None:
        events = await self._read(batch)
        fresh = span.members(await self._unmarked(events))
        tenants = await self._tenants(fresh)
        held = Held()
        matched = _match(fresh, tenants, self._mongo.seconds(), held)
        for deliveries in batches(matched, most=CHUNK_DELIVERIES, most_bytes=CHUNK_BYTES):
            now = self._mongo.now()
            known = await keep_trying(lambda: self._deliveries.insert(deliveries, now))  # noqa: B023 - awaited here
            await self._downstream.first((_checked(d) if d.id in known else d for d in deliveries), now)
            metrics.CREATED.inc(len(deliveries) - len(known))
        if held:
            await self._holding.insert(held)
        if fresh:
            await keep_trying(lambda: self._events.mark(fresh))
        self._holding.marked(held)
        await ack_up_to(batch)
        metrics.FANNED_OUT.inc(len(fresh))
        metrics.BATCH.observe(len(events))

    async def _read(self, batch: Sequence[Message]) -> list[AcceptedEvent]:
        """The events of a batch, each identity once; what is unusable is parked with the reason."""
        events: dict[str, AcceptedEvent] = {}
        for message in batch:
            found, unusable = _parse(message, self._mongo.now())
            for event in found:
                events.setdefault(event_key(event.tenant_id, event.event_id), event)
            for error, part in unusable:
                await keep_trying(lambda: park(self._publisher, FANOUT, part, error))  # noqa: B023 - awaited here
        return list(events.values())

    async def _unmarked(self, events: Sequence[AcceptedEvent]) -> list[AcceptedEvent]:
        if not events:
            return []
        by_key = {event_key(event.tenant_id, event.event_id): event for event in events}
        done = await keep_trying(lambda: self._events.marked(list(by_key)))
        metrics.REPEATED.inc(len(done))
        return [event for key, event in by_key.items() if key not in done]

    async def _tenants(self, events: Iterable[AcceptedEvent]) -> dict[str, Subscriptions]:
        tenant_ids = {event.tenant_id for event in events}
        return await keep_trying(lambda: self._view.current(tenant_ids))


def _parse(message: Message, now: datetime) -> tuple[list[AcceptedEvent], list[tuple[InvalidMessage, Message]]]:
    """Events of a message, and its parts that are none; an array's good elements do not suffer from its bad ones."""
    trace, published = trace_of(message.headers), published_at(message, now.timestamp())
    try:
        if len(message.body) > MAX_AMQP_BYTES:
            raise InvalidMessage(f"{len(message.body)} bytes, more than the {MAX_AMQP_BYTES} a message may have")
        if not is_array(message.body):
            identity = _usable_id(message.message_id)
            return [parse(message.body, now=now, fallback_id=identity, trace=trace, published_at=published)], []
        parts = split(message.body)
    except InvalidMessage as error:
        return [], [(error, message)]
    return _parse_parts(message, parts, now, trace, published)


def _parse_parts(
    message: Message, parts: Sequence[bytes], now: datetime, trace: Trace | None, published: float
) -> tuple[list[AcceptedEvent], list[tuple[InvalidMessage, Message]]]:
    events, unusable = [], []
    for index, part in enumerate(parts):
        identity = _usable_id(f"{message.message_id}.{index}" if message.message_id else None)
        try:
            events.append(parse(part, now=now, fallback_id=identity, trace=trace, published_at=published))
        except InvalidMessage as error:
            alone = Message(part, message.headers, identity, message.routing_key, False, 0, message.channel)
            unusable.append((InvalidMessage(f"element {index}: {error}"), alone))
    return events, unusable


def _usable_id(message_id: str | None) -> str | None:
    """A message id of any form becomes an event id of ours when it could not be one itself."""
    if not message_id:
        return None
    if len(message_id) <= 255 and all("\x21" <= c <= "\x7e" for c in message_id):
        return message_id
    return delivery_id("message", message_id, "").replace("delivery_", "event_")


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
    return msgspec.structs.replace(delivery, check=True)
