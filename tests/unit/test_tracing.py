"""Where an event stands in a trace, and what is recorded of its way: in this process, with spans kept in memory."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from shared.contracts.event import AcceptedEvent
from shared.contracts.message import QueuedDelivery
from shared.contracts.trace import Trace, trace_of
from shared.errors import DependencyUnavailable, Refused
from shared.times import EPOCH
from shared.tracing.recording import RecordingTracer
from shared.tracing.tracer import Tracer

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = Trace(f"00-{TRACE}-{SPAN}-01", "vendor=x")
EVENT = AcceptedEvent("acme", "event_1", "session.created", "2025-01-15T10:30:00.000Z", b"{}", GIVEN)
QUEUED = QueuedDelivery.first(EVENT, "webhook_1", 0)
URL = "https://user:password@hooks.example.com/path?token=secret#part"


class Kept:
    """Stands for the collector."""

    def __init__(self) -> None:
        self._kept = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.tracer: otel.Tracer = provider.get_tracer("test")

    async def start(self) -> None: ...

    async def stop(self, deadline: float) -> None: ...

    @property
    def ended(self) -> list[ReadableSpan]:
        return list(self._kept.get_finished_spans())


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "word",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01".encode(),
        7,
        None,
    ],
)
def test_a_malformed_traceparent_is_as_good_as_none(parent: object) -> None:
    assert trace_of({"traceparent": parent, "tracestate": "vendor=x"}) is None


@pytest.mark.parametrize("state", ["", "x" * 513, "a\r\nb", "ä", b"vendor=x", 7, None])
def test_a_malformed_tracestate_does_not_cost_the_traceparent(state: object) -> None:
    assert trace_of({"traceparent": GIVEN.parent, "tracestate": state}) == Trace(GIVEN.parent)


def test_headers_are_read_as_they_were_written() -> None:
    for trace in (GIVEN, Trace(GIVEN.parent)):
        assert trace_of(trace.headers()) == trace


def test_a_delivery_carries_its_events_trace_at_its_first_turn_and_at_each_that_is_claimed() -> None:
    document = {**msgspec.structs.asdict(QUEUED), "_id": "d", "created_at": EPOCH, "attempt_count": 1}
    for queued in (QUEUED, QueuedDelivery.claimed(document, EVENT)):
        assert (queued.trace, queued.trace_state) == (GIVEN.parent, GIVEN.state)


def test_an_attempt_that_is_cancelled_ends_its_span(kept: Kept) -> None:
    with pytest.raises(asyncio.CancelledError), RecordingTracer(kept).attempt(QUEUED, 1, URL):
        raise asyncio.CancelledError
    [span] = kept.ended
    assert (span.status.status_code, attributes(span)["error.type"]) == (StatusCode.ERROR, "CancelledError")


def test_a_batch_that_fails_ends_the_spans_of_its_members(kept: Kept) -> None:
    def fan_out() -> None:
        with RecordingTracer(kept).batch(1) as batch:
            batch.members([EVENT])
            raise ValueError("secret")

    with pytest.raises(ValueError, match="secret"):
        fan_out()
    assert [span.name for span in kept.ended] == ["fan-out", "process fanout"]
    assert {span.status.status_code for span in kept.ended} == {StatusCode.ERROR}
    assert not any("secret" in span.to_json() for span in kept.ended)


@pytest.mark.parametrize(
    ("error", "status", "failed"),
    [
        (Refused(403, "TENANT_MISMATCH", "words"), 403, False),
        (DependencyUnavailable("words"), 503, True),
        (ValueError("words"), 500, True),
        (asyncio.CancelledError(), None, True),
    ],
)
def test_a_request_that_fails_has_the_status_that_is_answered(
    kept: Kept, error: BaseException, status: int | None, failed: bool
) -> None:
    with pytest.raises(type(error)), RecordingTracer(kept).request(GIVEN):
        raise error
    [span] = kept.ended
    assert attributes(span).get("http.response.status_code") == status
    assert (span.status.status_code is StatusCode.ERROR) == failed
    assert "words" not in span.to_json()


def test_of_an_address_only_host_and_port_are_recorded(kept: Kept) -> None:
    with RecordingTracer(kept).attempt(QUEUED, 1, URL):
        pass
    [span] = kept.ended
    assert (attributes(span)["server.address"], attributes(span)["server.port"]) == ("hooks.example.com", 443)
    assert not any(part in span.to_json() for part in ("user", "password", "path", "token", "secret", "part"))


@pytest.mark.parametrize(
    "begin",
    [
        lambda tracer: tracer.request(GIVEN),
        lambda tracer: tracer.publish(GIVEN, 1),
        lambda tracer: tracer.batch(1),
        lambda tracer: tracer.attempt(QUEUED, 1, URL),
    ],
)
def test_who_is_not_traced_passes_on_what_came_and_makes_no_object_for_a_span(begin: Callable[[Tracer], Any]) -> None:
    tracer = Tracer()
    with begin(tracer) as span:
        assert span.trace is None
        assert not span.log_fields
    assert begin(tracer) is span
    with tracer.batch(1) as batch:
        events = [EVENT]
        assert batch.members(events) is events


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})
