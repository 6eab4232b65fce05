"""The tracer of a process that is traced."""

from collections.abc import Sequence
from typing import Protocol

from opentelemetry import trace as otel
from opentelemetry.trace import Link, SpanKind

from shared.broker.topology import EVENTS, FANOUT
from shared.contracts.message import QueuedDelivery
from shared.contracts.trace import Trace
from shared.tracing.attributes import REQUEST, Attributes, messaging, of_attempt
from shared.tracing.spans import RecordedAttempt, RecordedBatch, RecordedRequest, RecordedSpan, context_of
from shared.tracing.tracer import AttemptSpan, BatchSpan, Span, Tracer


class Export(Protocol):
    """Where ended spans go."""

    tracer: otel.Tracer

    async def start(self) -> None: ...

    async def stop(self, deadline: float) -> None: ...


class RecordingTracer(Tracer):
    def __init__(self, export: Export) -> None:
        self._export = export
        self._tracer = export.tracer

    async def start(self) -> None:
        await self._export.start()

    async def stop(self, deadline: float) -> None:
        await self._export.stop(deadline)

    def request(self, given: Trace | None) -> Span:
        return RecordedRequest(self._span("POST /api/v1/events", given, SpanKind.SERVER, REQUEST))

    def publish(self, given: Trace | None, events: int) -> Span:
        attributes = {**messaging("send", EVENTS), "dispatcher.events": events}
        return RecordedSpan(self._span(f"publish {EVENTS}", given, SpanKind.PRODUCER, attributes))

    def batch(self, messages: int) -> BatchSpan:
        attributes = {**messaging("process", FANOUT), "messaging.batch.message_count": messages}
        return RecordedBatch(self._span(f"process {FANOUT}", None, SpanKind.CONSUMER, attributes), self._tracer)

    def attempt(self, queued: QueuedDelivery, number: int, url: str) -> AttemptSpan:
        """What is sent again by hand, maybe days later, begins a trace that is linked to the event's."""
        given = Trace(queued.trace, queued.trace_state) if queued.trace else None
        attributes = of_attempt(queued, number, url)
        if queued.round == 1:
            return RecordedAttempt(self._span("attempt", given, SpanKind.CLIENT, attributes))
        original = otel.get_current_span(context_of(given)).get_span_context()
        return RecordedAttempt(self._span("attempt", None, SpanKind.CLIENT, attributes, [Link(original)]))

    def _span(
        self, name: str, given: Trace | None, kind: SpanKind, attributes: Attributes, links: Sequence[Link] = ()
    ) -> otel.Span:
        return self._tracer.start_span(name, context_of(given), kind, attributes, links)
