"""Spans on their way to a collector, over real HTTP: what arrives, under which name, and what a bad collector costs."""

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from shared.contracts.event import AcceptedEvent
from shared.errors import StartupError
from shared.tracing.exporting import Collector
from shared.tracing.recording import RecordingTracer
from tests.cluster import until
from tests.collector import collector

LATER, SOON = "600000", "10"


@pytest.fixture(autouse=True)
def _only_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", LATER)


@pytest.mark.parametrize("given", [{}, {"OTEL_SERVICE_NAME": "own"}, {"OTEL_RESOURCE_ATTRIBUTES": "service.name=own"}])
async def test_what_ended_before_the_stop_is_sent_under_the_services_name(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with collector() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=hush")
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        await sent(Collector("ingest", links=1_000))
    [span] = received.spans
    assert (span.service, span.name) == ("own" if given else "dispatcher-ingest", "one")
    assert received.headers[0]["x-token"] == "hush"


async def test_a_large_batch_is_linked_with_all_its_events(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [
        AcceptedEvent("acme", f"event_{n}", "session.created", "2025-01-15T10:30:00.000Z", b"{}") for n in range(500)
    ]
    async with collector() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        tracer = RecordingTracer(Collector("fanout", links=1_000))
        await tracer.start()
        with tracer.batch(1) as batch:
            batch.members(events)
        await tracer.stop(asyncio.get_running_loop().time() + 20)
    [whole] = received.named("process fanout")
    assert set(whole.links) == {span.place for span in received.named("fan-out")}
    assert len(whole.links) == 500


async def test_a_sampler_of_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collector() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
        await sent(Collector("ingest", links=1_000))
    assert not received.requests


async def test_a_collector_that_hangs_is_not_waited_for_beyond_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await answer.wait()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", SOON)
        made = Collector("ingest", links=1_000)
        await one_span(made)
        await asked.wait()
        with capture_logs() as lines:
            await made.stop(0)
        assert not answer.is_set()
        answer.set()
        await until(lambda: not any("Otel" in thread.name for thread in threading.enumerate()), 20)
    assert [line["event"] for line in lines] == ["traces.left_behind"]


async def test_a_collector_that_is_away_is_told_of_without_its_address(
    monkeypatch: pytest.MonkeyPatch, library: logging.Logger
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1/hush")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", SOON)
    made = Collector("ingest", links=1_000)
    with capture_logs() as lines:
        await one_span(made)
        await until(lambda: lines, 20)
        await made.stop(0)
    line = lines[0]
    assert (line["event"], line["log_level"]) == ("traces.trouble", "warning")
    assert "ConnectionError" in line["reason"]
    assert "hush" not in line["reason"]
    assert not library.handlers


@pytest.fixture
def library() -> Iterator[logging.Logger]:
    found = logging.getLogger("opentelemetry")
    before = found.level
    yield found
    found.setLevel(before)


async def test_what_the_sdk_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "3000")
    with pytest.raises(StartupError, match=r"^OTEL_ variables: [^\n]*max_export_batch_size[^\n]*$"):
        Collector("ingest", links=1_000)


async def one_span(made: Collector) -> None:
    await made.start()
    made.tracer.start_span("one").end()


async def sent(made: Collector) -> None:
    await one_span(made)
    await made.stop(asyncio.get_running_loop().time() + 20)
