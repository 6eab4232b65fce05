"""No tenant reaches another's things: every operation of the document, with another's ids in every form."""

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from yarl import URL

from shared.contracts.cell import Cell
from shared.contracts.delivery import Attempt, Outcome, Step, Wait, WaitingFor
from shared.contracts.event import parse
from shared.contracts.failure import ErrorKind
from shared.contracts.listing import Position
from shared.contracts.message import QueuedDelivery
from shared.store.mongo import Mongo
from shared.store.stats import Stats
from tests.cluster import ADMIN_KEY, SESSION
from tests.integration import test_api
from tests.integration.test_api import Site
from tests.integration.trespass import (
    OF_NO_TENANT,
    OPERATOR_ONLY,
    OWN_FORMS,
    Call,
    Json,
    Operation,
    Things,
    is_refusal,
    operations,
    trespasses,
)

site = test_api.site
OUTSIDE_THE_DOCUMENT = {"/openapi.json", "/docs", "/docs/style.css"}
"""The same for everybody."""


async def things_of(site: Site, tenant_id: str) -> Things:
    async def made(path: str, body: Json | None, method: str = "POST") -> Json:
        status, answer = await site.call(method, path, body)
        assert status in (201, 202), answer
        return dict(answer)

    words = [f"{tenant_id}-{what}" for what in ("description", "url", "learner", "answer", "key", "header", "filter")]
    description, url, learner, answer, key_name, header, filtered = words
    key = await made("/api/v1/api-keys", {"tenant_id": tenant_id, "scopes": ["read", "write", "admin"]})
    spare = await made("/api/v1/api-keys", {"tenant_id": tenant_id, "scopes": ["read"], "name": key_name})
    webhook = await made(
        "/api/v1/webhooks",
        {
            "tenant_id": tenant_id,
            "url": f"https://your-app.com/{url}",
            "event_type": "session.created",
            "description": description,
            "headers": {header: "value"},
            "filter": {"not": {"field": "x", "eq": filtered}},
        },
    )
    event = {
        "event": "session.created",
        "tenant_id": tenant_id,
        "event_id": f"event-of-{tenant_id}",
        "data": {**SESSION, "user_id": learner},
    }
    delivery = await _delivered(site, event, webhook["id"], answer)
    replay = await made(f"/api/v1/webhooks/{webhook['id']}/replay", {"since": "2020-01-01T00:00:00Z"})
    erasure = await made(f"/api/v1/tenants/{tenant_id}/data", None, "DELETE")
    ids = {
        "tenant_id": tenant_id,
        "webhook_id": webhook["id"],
        "delivery_id": delivery.id,
        "event_id": event["event_id"],
        "replay_id": replay["id"],
        "erasure_id": erasure["id"],
        "key_id": spare["id"],
    }
    position = Position(site.mongo.now() + timedelta(days=1), webhook["id"])
    return Things(tenant_id, key["key"], ids, position, (*words, *ids.values(), key["id"]))


async def _delivered(site: Site, event: Json, webhook_id: str, answer: str) -> QueuedDelivery:
    """Attempted once, to be attempted again; counted."""
    now = site.mongo.now()
    accepted = parse(json.dumps(event).encode(), now=now)
    delivery = QueuedDelivery.first(accepted, webhook_id, now.timestamp())
    await site.events.mark([accepted])
    await site.deliveries.insert([delivery], now)
    failed = Attempt(delivery.id, 1, 1, 1, now, 5, Outcome.RETRY, 500, ErrorKind.HTTP_STATUS, "no", answer.encode())
    later = Wait(now + timedelta(hours=1), WaitingFor.RETRY)
    await site.deliveries.record([Step(delivery.id, accepted.tenant_id, now, 1, later, failed)])
    stats, cell = Stats(site.mongo, kept=timedelta(days=1)), Cell.of(accepted.tenant_id, now)
    await stats.keep(cell, await stats.count(cell), now)
    return delivery


async def ask(site: Site, call: Call, key: str) -> tuple[int, Any, str]:
    """Status, answer, and all of it as text. The path goes out as it is written."""
    url = URL(str(site.client.make_url("/"))[:-1] + call.path, encoded=True).with_query(call.query)
    headers = {"X-API-Key": key}
    async with site.client.session.request(call.method, url, json=call.body, headers=headers) as response:
        raw = await response.text()
        return response.status, json.loads(raw) if raw else None, f"{dict(response.headers)}{raw}"


async def documents_about(mongo: Mongo, things: Things) -> dict[str, Json]:
    """All that mention any of it, wherever."""
    found = {}
    for name in await mongo.db.list_collection_names():
        async for document in mongo.db[name].find({}):
            if any(word in repr(document) for word in things.words):
                found[f"{name}/{document['_id']}"] = document
    return found


def leaked(call: Call, text: str, things: Things) -> list[str]:
    return [word for word in things.words if word in text and word not in call.text]


@pytest_asyncio.fixture(loop_scope="session")
async def walk(site: Site) -> list[Operation]:
    async with site.client.get("/openapi.json") as response:
        return operations(await response.json())


async def test_nothing_is_served_outside_of_the_document_that_is_walked(site: Site, walk: list[Operation]) -> None:
    served = {(route.method, getattr(route.resource, "canonical", "")) for route in site.client.app.router.routes()}
    walked = {(operation.method, operation.path) for operation in walk}
    more = {path for method, path in served - walked if method != "HEAD"}
    pages = {path for path in more if path.startswith("/dashboard")}  # walked by test_dashboard
    assert more - pages <= OUTSIDE_THE_DOCUMENT


async def test_another_tenant_s_things_are_reached_by_no_operation_and_no_form_of_an_id(
    site: Site,
    walk: list[Operation],
) -> None:
    a, b = await things_of(site, "tenant-a"), await things_of(site, "tenant-b")
    before = await documents_about(site.mongo, a)
    assert {name.split("/")[0] for name in before} >= {"webhooks", "deliveries", "events", "jobs", "api_keys", "audit"}
    tried: Counter[str] = Counter()
    for operation in walk:
        if operation.name in OF_NO_TENANT:
            continue
        for call in trespasses(operation, a, b):
            status, answer, text = await ask(site, call, b.key)
            tried[operation.name] += 1
            assert is_refusal(operation, call, status, answer), (operation.name, call, status, answer)
            assert not leaked(call, text, a), (operation.name, call, answer)
    assert await documents_about(site.mongo, a) == before
    assert set(tried) == {operation.name for operation in walk} - OF_NO_TENANT
    print(f"{len(tried)} operations, {tried.total()} requests")


async def test_lists_show_the_own_and_nothing_of_others(site: Site, walk: list[Operation]) -> None:
    a, b = await things_of(site, "tenant-a"), await things_of(site, "tenant-b")
    for operation in walk:
        if operation.method != "GET" or operation.name in OF_NO_TENANT | OPERATOR_ONLY:
            continue
        queries: list[Json] = [{}]
        if "cursor" in operation.query_names:
            queries += [{"limit": 200}, {"cursor": a.position.cursor()}]
        for query in queries:
            call = operation.call(b, query=query)
            status, answer, text = await ask(site, call, b.key)
            assert status == 200, (call, answer)
            assert not leaked(call, text, a), (call, answer)
            if operation.name == "get_stats":
                assert [hour["created"] for hour in answer["stats"]] == [1]
            else:
                assert any(word in text for word in b.words), (call, answer)


@pytest.mark.parametrize("form", OWN_FORMS)
async def test_the_same_requests_reach_the_own(site: Site, walk: list[Operation], form: str) -> None:
    for number, operation in enumerate(walk):
        a = await things_of(site, f"tenant-{number}")
        key = ADMIN_KEY if operation.name in OPERATOR_ONLY else a.key
        for name in ("tenant_id", "webhook_id"):
            if name in operation.query_names:
                status, answer, _ = await ask(site, operation.call(a, form, query={name: a.ids[name]}), key)
                assert status == 200, (operation.name, answer)
        status, answer, _ = await ask(site, operation.call(a, form), key)
        assert status == operation.good, (operation.name, answer)
