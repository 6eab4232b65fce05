"""The tracer of a process that is traced: spans with OpenTelemetry's names for what they have.

Of an error only its kind is told, of a URL only host and port: the rest may hold what is secret.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.broker.topology import EVENTS, FANOUT
from shared.contracts.delivery import Attempt
from shared.contracts.event import AcceptedEvent
from shared.contracts.message import QueuedDelivery
from shared.contracts.trace import Trace, trace_of
from shared.errors import DependencyUnavailable, Refused
from shared.tracing.tracer import AttemptSpan, BatchSpan, Span, Tracer

_W3C = TraceContextTextMapPropagator()
_RABBITMQ = {"messaging.system": "rabbitmq"}


class RecordedSpan(Span):
    def __init__(self, span: otel.Span) -> None:
        self._span = span
        self.context = span.get_span_context()
        self.trace = _place_of(span)
        self.log_fields = {"trace_id": otel.format_trace_id(self.context.trace_id)}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind:
            self.fail(kind.__name__)
        self._span.end()

    def fail(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(StatusCode.ERROR, kind)


class RecordedRequest(RecordedSpan):
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """A request that is refused is the caller's error, not one of the server."""
        if status := _status_of(error):
            self._span.set_attribute("http.response.status_code", status)
        if isinstance(error, Refused):
            kind = None
        super().__exit__(kind, error, traceback)


class RecordedBatch(RecordedSpan, BatchSpan):
    def __init__(self, span: otel.Span, tracer: otel.Tracer) -> None:
        super().__init__(span)
        self._tracer = tracer
        self._members: list[RecordedSpan] = []

    def members(self, events: list[AcceptedEvent]) -> list[AcceptedEvent]:
        return [self._member(event) for event in events]

    def _member(self, event: AcceptedEvent) -> AcceptedEvent:
        member = RecordedSpan(
            self._tracer.start_span(
                "fan-out",
                _context_of(event.trace),
                SpanKind.CONSUMER,
                {**_RABBITMQ, **_operation("process", FANOUT), **_event(event.tenant_id, event.event_id, event.type)},
                links=[Link(self.context)],
            )
        )
        self._members.append(member)
        self._span.add_link(member.context)
        return msgspec.structs.replace(event, trace=member.trace)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for member in self._members:
            member.__exit__(kind, error, traceback)
        super().__exit__(kind, error, traceback)


class RecordedAttempt(RecordedSpan, AttemptSpan):
    def finished(self, attempt: Attempt) -> None:
        self._span.set_attribute("dispatcher.outcome", attempt.outcome.value)
        if attempt.status_code is not None:
            self._span.set_attribute("http.response.status_code", attempt.status_code)
        if attempt.error is not None:
            self.fail(attempt.error.value)


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
        attributes = {"http.request.method": "POST", "http.route": "/api/v1/events"}
        return RecordedRequest(self._span("POST /api/v1/events", given, SpanKind.SERVER, attributes))

    def publish(self, given: Trace | None, events: int) -> Span:
        attributes = {**_RABBITMQ, **_operation("send", EVENTS), "dispatcher.events": events}
        return RecordedSpan(self._span(f"publish {EVENTS}", given, SpanKind.PRODUCER, attributes))

    def batch(self, messages: int) -> BatchSpan:
        attributes = {**_RABBITMQ, **_operation("process", FANOUT), "messaging.batch.message_count": messages}
        return RecordedBatch(self._span(f"process {FANOUT}", None, SpanKind.CONSUMER, attributes), self._tracer)

    def attempt(self, queued: QueuedDelivery, number: int, url: str) -> AttemptSpan:
        """What is sent again by hand, maybe days later, begins a trace that is linked to the event's."""
        given = Trace(queued.trace, queued.trace_state) if queued.trace else None
        attributes = {**_delivery(queued), "dispatcher.attempt": number, **_server(url)}
        if queued.round == 1:
            return RecordedAttempt(self._span("attempt", given, SpanKind.CLIENT, attributes))
        original = otel.get_current_span(_context_of(given)).get_span_context()
        return RecordedAttempt(self._span("attempt", None, SpanKind.CLIENT, attributes, [Link(original)]))

    def _span(
        self, name: str, given: Trace | None, kind: SpanKind, attributes: dict[str, Any], links: Sequence[Link] = ()
    ) -> otel.Span:
        return self._tracer.start_span(name, _context_of(given), kind, attributes, links)


def _context_of(given: Trace | None) -> Context:
    return _W3C.extract(given.headers(), Context()) if given else Context()


def _place_of(span: otel.Span) -> Trace | None:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, otel.set_span_in_context(span, Context()))
    return trace_of(carrier)


def _operation(kind: str, destination: str) -> dict[str, str]:
    return {"messaging.operation.type": kind, "messaging.destination.name": destination}


def _event(tenant_id: str, event_id: str, event_type: str) -> dict[str, str]:
    return {
        "dispatcher.tenant_id": tenant_id,
        "dispatcher.event_id": event_id,
        "dispatcher.event_type": event_type,
    }


def _delivery(queued: QueuedDelivery) -> dict[str, str | int]:
    return {
        **_event(queued.tenant_id, queued.event_id, queued.event),
        "dispatcher.webhook_id": queued.webhook_id,
        "dispatcher.delivery_id": queued.id,
        "dispatcher.round": queued.round,
        "http.request.method": "POST",
    }


def _server(url: str) -> dict[str, str | int]:
    parts = urlsplit(url)
    return {
        "server.address": parts.hostname or "",
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
    }


def _status_of(error: BaseException | None) -> int | None:
    """None: there was nobody left to answer."""
    match error:
        case None:
            return 202
        case Refused(status=status):
            return status
        case DependencyUnavailable():
            return 503
        case Exception():
            return 500
    return None
