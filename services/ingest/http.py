"""`POST /api/v1/events`: one event or an array of them."""

import re
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, Field, RootModel

from services.ingest import metrics
from services.ingest.service import Given, Ingest, count_of
from shared.contracts.event import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, AcceptedEvent, Published
from shared.contracts.trace import Trace, trace_of
from shared.errors import DependencyUnavailable, Refused
from shared.limiter import Limiter
from shared.openapi import document
from shared.routes import Ask, Header, Nothing, Reply, Route, serve
from shared.store.keys import Keys
from shared.tracing.tracer import Tracer
from shared.web import Handler, errors, json

One = Annotated[Published, Field(discriminator="event")]
Anything = Annotated[Any, Field(description="what is no event is refused by a verdict of its own")]
Batch = Annotated[
    list[One | Anything],
    Field(min_length=1, max_length=MAX_BATCH_EVENTS, json_schema_extra={"prefixItems": [{"type": "object"}]}),
]


class Publication(RootModel[One | Batch]):
    """One event, or up to 1,000 of them."""


class Verdict(BaseModel):
    """On one event of an array."""

    status: Literal["accepted", "refused"]
    event_id: str | None = None
    error: str | None = None
    code: str | None = None
    details: dict[str, Any] | None = None


class Accepted(BaseModel):
    """On the disks of a majority: `event_id` for one event, `results` in order for an array."""

    event_id: str | None = None
    results: list[Verdict] | None = None


def routes(ingest: Ingest, tracer: Tracer) -> list[Route]:
    async def post_events(ask: Ask[Nothing, bytes]) -> Reply:
        trace = trace_of(ask.headers)
        with tracer.request(trace) as span:
            return await publish(ask, span.trace or trace)

    async def publish(ask: Ask[Nothing, bytes], trace: Trace | None) -> Reply:
        given = Given(
            key=ask.key,
            body=ask.body,
            idempotency_key=_idempotency_key(ask.headers.get("Idempotency-Key")),
            trace=trace,
        )
        many = count_of(given.body)
        if many is None:
            return Reply(Accepted(event_id=(await ingest.accept_one(given)).event_id), 202)
        await ask.count(many - 1)
        return Reply(Accepted(results=[_verdict(verdict) for verdict in await ingest.accept_many(given)]), 202)

    return [
        Route(
            name="publish_events",
            method="POST",
            path="/api/v1/events",
            scope="write",
            summary="Publish an event, or an array of them",
            description="202 means that a majority of the broker's disks has them. A repeat with the same `event_id`,"
            " or the same `Idempotency-Key`, is harmless. Each event of an array counts against the rate limit.",
            do=post_events,
            body=Publication,
            raw_body=MAX_BATCH_BYTES,
            answer=Accepted,
            status=202,
            refusals=(409,),
            headers=(
                Header(
                    name="Idempotency-Key",
                    description="Names this request: sent again with the same body, it is accepted and not repeated.",
                    schema={"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
                ),
            ),
        )
    ]


def application(ingest: Ingest, keys: Keys, limiter: Limiter, tracer: Tracer) -> web.Application:
    served = routes(ingest, tracer)
    described = document("Ingest", "Publish events.", served)

    async def openapi(_: web.Request) -> web.Response:
        return json(described)

    app = web.Application(middlewares=[errors, _counted])
    app.add_routes([*serve(served, keys=keys, limiter=limiter), web.get("/openapi.json", openapi)])
    return app


@web.middleware
async def _counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Requests that are refused as a whole."""
    try:
        return await handler(request)
    except Refused as refusal:
        metrics.refused([refusal])
        raise
    except DependencyUnavailable:
        metrics.unavailable()
        raise


def _idempotency_key(key: str | None) -> str | None:
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise Refused(400, "INVALID_REQUEST", "Idempotency-Key: 1 to 255 printable ASCII characters without spaces")
    return key


def _verdict(verdict: AcceptedEvent | Refused) -> Verdict:
    if isinstance(verdict, AcceptedEvent):
        return Verdict(status="accepted", event_id=verdict.event_id)
    return Verdict(status="refused", error=str(verdict), code=verdict.code, details=verdict.details)
