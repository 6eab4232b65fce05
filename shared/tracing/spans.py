"""Spans that are recorded. Each ends however it is left; of an error only its kind is told, its words may be secret."""

from types import TracebackType

import msgspec
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.broker.topology import FANOUT
from shared.contracts.delivery import Attempt
from shared.contracts.event import AcceptedEvent
from shared.contracts.trace import Trace, trace_of
from shared.errors import DependencyUnavailable, Refused
from shared.tracing.attributes import messaging, of_event
from shared.tracing.tracer import AttemptSpan, BatchSpan, Span

_W3C = TraceContextTextMapPropagator()


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
                context_of(event.trace),
                SpanKind.CONSUMER,
                {**messaging("process", FANOUT), **of_event(event.tenant_id, event.event_id, event.type)},
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


def context_of(given: Trace | None) -> Context:
    return _W3C.extract(given.headers(), Context()) if given else Context()


def _place_of(span: otel.Span) -> Trace | None:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, otel.set_span_in_context(span, Context()))
    return trace_of(carrier)


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
