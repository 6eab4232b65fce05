"""Spans along an event's way. This tracer is the one of a process that is not traced: none of its spans does anything.

They are the same three objects each time, so that a delivery that nobody traces pays for a few calls.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from shared.contracts.delivery import Attempt
from shared.contracts.event import AcceptedEvent
from shared.contracts.message import QueuedDelivery
from shared.contracts.trace import Trace

_NOTHING: Mapping[str, str] = {}  # no proxy, which costs more to unpack than all the rest


class Span:
    """`trace` is what is told to whoever comes next. None: what came goes on as it is."""

    trace: Trace | None = None
    log_fields: Mapping[str, str] = _NOTHING

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """It ends here, however it is left."""


class BatchSpan(Span):
    """What is done for many events at once."""

    def members(self, events: list[AcceptedEvent]) -> list[AcceptedEvent]:
        """The same, each with its place in its own trace, where it has a span that ends with this one."""
        return events


class AttemptSpan(Span):
    def finished(self, attempt: Attempt) -> None:
        """What became of it."""


_SPAN, _BATCH, _ATTEMPT = Span(), BatchSpan(), AttemptSpan()


class Tracer:
    """A part of its service, stopped last: what the others did until then is sent as well."""

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self, deadline: float) -> None:
        """Nothing to send."""

    def request(self, given: Trace | None) -> Span:
        """A request to publish events."""
        return _SPAN

    def publish(self, given: Trace | None, events: int) -> Span:
        """One message with so many events."""
        return _SPAN

    def batch(self, messages: int) -> BatchSpan:
        """The fan-out of so many messages."""
        return _BATCH

    def attempt(self, queued: QueuedDelivery, number: int, url: str) -> AttemptSpan:
        """One HTTP request of a delivery."""
        return _ATTEMPT
