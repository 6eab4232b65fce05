"""Sends spans to a collector from a thread of its own: whatever becomes of the collector, no event waits for it."""

import asyncio
import logging
import threading
import time

import structlog
from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from shared import VERSION
from shared.errors import StartupError

log = structlog.get_logger()

_FLUSH_SECONDS = 3.0
_QUIET_SECONDS = 60.0
_UNNAMED = "unknown_service"


class Collector:
    """A collector by the standard's variables, which the SDK reads by itself. `links` is the most of one span."""

    tracer: otel.Tracer

    def __init__(self, service: str, *, links: int) -> None:
        try:
            self._exporter = OTLPSpanExporter()
            limits = SpanLimits(max_links=links)
            self._provider = TracerProvider(resource=_resource(service), span_limits=limits, shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        except ValueError as error:
            raise StartupError(f"OTEL_ variables: {error}") from None
        self.tracer = self._provider.get_tracer("webhook-dispatcher", VERSION)
        self._complaints = _Complaints(level=logging.WARNING)

    async def start(self) -> None:
        self._complaints.begin()

    async def stop(self, deadline: float) -> None:
        """What is not sent by the deadline, or within a few seconds, is lost."""
        left = deadline - asyncio.get_running_loop().time()
        # A daemon, for a collector that hangs must not keep the process.
        flushing = threading.Thread(target=self._provider.shutdown, daemon=True)
        flushing.start()
        await asyncio.to_thread(flushing.join, max(0.1, min(left, _FLUSH_SECONDS)))
        if flushing.is_alive():
            log.warning("traces.left_behind")
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # theirs
        self._complaints.end()


def _resource(service: str) -> Resource:
    """Named by us unless the environment does."""
    made = Resource.create({"service.version": VERSION})
    if str(made.attributes[SERVICE_NAME]).startswith(_UNNAMED):
        return made.merge(Resource({SERVICE_NAME: f"dispatcher-{service}"}))
    return made


class _Complaints(logging.Handler):
    """What the SDK has to say, at most one line a minute: of a collector that is away it complains at every span."""

    _loop: asyncio.AbstractEventLoop | None = None
    _said_at = float("-inf")

    def begin(self) -> None:
        """The first tracer of a process speaks for all."""
        library = logging.getLogger("opentelemetry")
        if not library.handlers:
            self._loop = asyncio.get_running_loop()
            library.addHandler(self)
            library.setLevel(self.level)
            library.propagate = False

    def end(self) -> None:
        if self._loop:
            library = logging.getLogger("opentelemetry")
            library.removeHandler(self)
            library.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now - self._said_at < _QUIET_SECONDS or not self._loop or self._loop.is_closed():
            return
        self._said_at = now
        # It may come from the thread that sends; lines are written by the loop's.
        self._loop.call_soon_threadsafe(lambda: log.warning("traces.trouble", reason=_words(record)))


def _words(record: logging.LogRecord) -> str:
    """Of an error only its kind: its words quote addresses and what was sent."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    told = tuple(type(one).__name__ if isinstance(one, BaseException) else one for one in arguments)
    try:
        return str(record.msg) % told
    except (TypeError, ValueError):
        return str(record.msg)
