"""A collector of traces on loopback: takes OTLP over HTTP and keeps every span."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent
from opentelemetry.proto.trace.v1.trace_pb2 import Status

FAILED = Status.STATUS_CODE_ERROR


@dataclass(frozen=True)
class Span:
    """`parent` and `links` as (trace, span) in hex; a root has no parent."""

    service: str
    name: str
    kind: str
    place: tuple[str, str]
    parent: tuple[str, str] | None
    links: list[tuple[str, str]]
    state: str
    failed: bool
    attributes: dict[str, str | int]

    @classmethod
    def of(cls, service: str, sent: Sent) -> "Span":
        trace = sent.trace_id.hex()
        return cls(
            service=service,
            name=sent.name,
            kind=Sent.SpanKind.Name(sent.kind).removeprefix("SPAN_KIND_").lower(),
            place=(trace, sent.span_id.hex()),
            parent=(trace, sent.parent_span_id.hex()) if sent.parent_span_id else None,
            links=[(link.trace_id.hex(), link.span_id.hex()) for link in sent.links],
            state=sent.trace_state,
            failed=sent.status.code == FAILED,
            attributes=dict(map(_attribute, sent.attributes)),
        )


@dataclass
class Collector:
    """`status` is what it answers."""

    url: str = ""
    status: int = 200
    spans: list[Span] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def named(self, name: str, **attributes: str | int) -> list[Span]:
        """In the order in which they arrived; attributes are those of our own."""
        wanted = {f"dispatcher.{key}": value for key, value in attributes.items()}
        return [span for span in self.spans if span.name == name and wanted.items() <= span.attributes.items()]

    def count(self, number: int, name: str, **attributes: str | int) -> Callable[[], bool]:
        """Whether so many have arrived."""
        return lambda: len(self.named(name, **attributes)) == number

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        if self.status == 200:
            self._keep(ExportTraceServiceRequest.FromString(body))
        return web.Response(status=self.status)

    def _keep(self, sent: ExportTraceServiceRequest) -> None:
        for resource in sent.resource_spans:
            service = dict(map(_attribute, resource.resource.attributes))["service.name"]
            for scope in resource.scope_spans:
                self.spans += [Span.of(str(service), span) for span in scope.spans]


def _attribute(pair: KeyValue) -> tuple[str, str | int]:
    return pair.key, pair.value.int_value if pair.value.HasField("int_value") else pair.value.string_value


@asynccontextmanager
async def traced(status: int = 200, **variables: str) -> AsyncIterator[Collector]:
    """A collector to which services that are started meanwhile send their spans at once; names without the prefix."""
    async with collector(status) as made:
        with pytest.MonkeyPatch.context() as environment:
            given = {"EXPORTER_OTLP_ENDPOINT": made.url, "BSP_SCHEDULE_DELAY": "50", **variables}
            for name, value in given.items():
                environment.setenv(f"OTEL_{name}", value)
            yield made


@asynccontextmanager
async def collector(status: int = 200) -> AsyncIterator[Collector]:
    made = Collector(status=status)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/traces", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()
