"""`POST /api/v1/events`: one event or an array of them."""

import re

from aiohttp import web

from services.ingest.service import Given, Ingest, is_batch
from shared.contracts.event import MAX_BATCH_BYTES, AcceptedEvent
from shared.errors import Refused
from shared.store.keys import Keys
from shared.web import KEYS, authenticate, errors, json, read_body


def application(ingest: Ingest, keys: Keys) -> web.Application:
    async def post_events(request: web.Request) -> web.Response:
        key = await authenticate(request, "write")
        given = Given(
            key=key,
            body=await read_body(request, MAX_BATCH_BYTES),
            idempotency_key=_idempotency_key(request),
            trace=request.headers.get("traceparent"),
        )
        if not is_batch(given.body):
            return json({"event_id": (await ingest.accept_one(given)).event_id}, 202)
        return json({"results": [_result(verdict) for verdict in await ingest.accept_many(given)]}, 202)

    app = web.Application(middlewares=[errors])
    app[KEYS] = keys
    app.add_routes([web.post("/api/v1/events", post_events)])
    return app


def _idempotency_key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise Refused(400, "INVALID_REQUEST", "Idempotency-Key: 1 to 255 printable ASCII characters without spaces")
    return key


def _result(verdict: AcceptedEvent | Refused) -> dict[str, object]:
    if isinstance(verdict, AcceptedEvent):
        return {"status": "accepted", "event_id": verdict.event_id}
    return {"status": "refused", "error": str(verdict), "code": verdict.code, "details": verdict.details}
