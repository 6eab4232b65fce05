"""Accepts events: validate → check the tenant → publish → 202 once the broker has confirmed."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.ingest import metrics
from shared import unambiguous
from shared.broker.headers import PUBLISHED_AT
from shared.broker.publisher import Publisher
from shared.broker.topology import EVENTS
from shared.contracts.event import AcceptedEvent, is_array, parse, split
from shared.contracts.trace import Trace
from shared.errors import InvalidMessage, Refused
from shared.ids import event_id_of_request
from shared.retry import try_a_few_times
from shared.routes import refused
from shared.store.idempotency import IdempotencyKeys
from shared.store.keys import ApiKey
from shared.store.mongo import Mongo
from shared.tracing.tracer import Tracer

MESSAGE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Given:
    """A request to accept events."""

    key: ApiKey
    body: bytes
    idempotency_key: str | None
    trace: Trace | None


class Ingest:
    """Nothing is accepted that the broker has not confirmed."""

    def __init__(self, *, mongo: Mongo, publisher: Publisher, idempotency: IdempotencyKeys, tracer: Tracer) -> None:
        self._mongo = mongo
        self._publisher = publisher
        self._idempotency = idempotency
        self._tracer = tracer

    async def accept_one(self, given: Given) -> AcceptedEvent:
        """Raises Refused; DependencyUnavailable when it was not accepted."""
        event = self._judge(given, given.body, 0)
        if isinstance(event, Refused):
            raise event
        await self._remember(given)
        await self._publish([event], given.trace)
        return event

    async def accept_many(self, given: Given) -> list[AcceptedEvent | Refused]:
        """A verdict for each element, in order. Raises Refused when the body is no batch at all."""
        try:
            parts = split(given.body)
        except InvalidMessage as error:
            raise refused(error) from None
        verdicts = [self._judge(given, part, index) for index, part in enumerate(parts)]
        await self._remember(given)
        metrics.refused(verdict for verdict in verdicts if isinstance(verdict, Refused))
        accepted = [verdict for verdict in verdicts if isinstance(verdict, AcceptedEvent)]
        for group in _groups(accepted):
            await self._publish(group, given.trace)
        return verdicts

    def _judge(self, given: Given, raw: bytes, index: int) -> AcceptedEvent | Refused:
        identity = event_id_of_request(given.key.id, given.idempotency_key, index) if given.idempotency_key else None
        try:
            event = parse(raw, now=self._mongo.now(), fallback_id=identity, trace=given.trace)
            given.key.tenant(event.tenant_id)
            unambiguous.check(raw)  # last, since it costs most
        except InvalidMessage as error:
            return refused(error)
        except Refused as error:
            return error
        return event

    async def _remember(self, given: Given) -> None:
        """Before publishing: a crash in between lets the same request come again, and no other under its key."""
        if given.idempotency_key:
            body_hash = hashlib.sha256(given.body).hexdigest()
            key = given.idempotency_key
            await try_a_few_times(lambda: self._idempotency.claim(given.key.id, key, body_hash))

    async def _publish(self, events: Sequence[AcceptedEvent], given: Trace | None) -> None:
        texts = [event.to_json() for event in events]
        body = texts[0] if len(texts) == 1 else b"[" + b",".join(texts) + b"]"
        with self._tracer.publish(given, len(events)) as span:
            trace = span.trace or given
            headers = {PUBLISHED_AT: int(self._mongo.seconds() * 1000), **(trace.headers() if trace else {})}
            # Repeating is harmless: the events carry their ids.
            await try_a_few_times(lambda: self._publisher.publish(EVENTS, events[0].type, body, headers=headers))
        metrics.ACCEPTED.inc(len(events))


def count_of(body: bytes) -> int | None:
    """Events of an array, None for a single one. Raises Refused."""
    try:
        return len(split(body)) if is_array(body) else None
    except InvalidMessage as error:
        raise refused(error) from None


def _groups(events: Sequence[AcceptedEvent]) -> Iterator[list[AcceptedEvent]]:
    """Runs of events that make messages of about half a mebibyte."""
    sizes = itertools.accumulate(len(event.data) + 300 for event in events)
    for _, group in itertools.groupby(zip(sizes, events, strict=True), lambda pair: pair[0] // MESSAGE_BYTES):
        yield [event for _, event in group]
