"""`POST /api/v1/events` in this process, on a real broker and database."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aio_pika
import pytest_asyncio
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from deploy.local.servers import Server
from services.ingest.http import application
from services.ingest.service import Ingest
from shared.broker.headers import PUBLISHED_AT
from shared.broker.publisher import Publisher
from shared.broker.topology import EVENTS, FANOUT
from shared.limiter import Limiter
from shared.store.idempotency import IdempotencyKeys
from shared.store.keys import Keys
from shared.store.mongo import Mongo
from shared.tracing.tracer import Tracer
from tests.cluster import ADMIN_KEY, SESSION, TENANT, free_port
from tests.integration.test_broker import forget_failed_connections
from tests.integration.test_store import opened
from tests.queues import taken

EVENT = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}
PATH = "/api/v1/events"


@dataclass
class Site:
    client: TestClient[Any, Any]
    channel: Any
    keys: Keys
    amqp_url: str

    async def post(self, body: object = EVENT, key: str = ADMIN_KEY, **headers: str) -> ClientResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"X-API-Key": key, "Content-Type": "application/json", **names}
        return await self.client.post(PATH, data=io.BytesIO(raw), headers=sent)

    async def published(self) -> list[bytes]:
        """What is on the queue of events, taken off it."""
        return [message.body for message in await taken(self.amqp_url, FANOUT)]


def client_of(mongo: Mongo, publisher: Publisher) -> tuple[TestClient[Any, Any], Keys]:
    keys = Keys(mongo, admin_key=ADMIN_KEY)
    idempotency = IdempotencyKeys(mongo, lifetime=timedelta(hours=1))
    ingest = Ingest(mongo=mongo, publisher=publisher, idempotency=idempotency, tracer=Tracer())
    return TestClient(TestServer(application(ingest, keys, Limiter(per_minute=0), Tracer()))), keys


@pytest_asyncio.fixture(loop_scope="session")
async def site(rabbitmq: Server, mongodb: Server) -> AsyncIterator[Site]:
    publisher = Publisher(url=rabbitmq.url, name="test", timeout_seconds=5)
    connection = await aio_pika.connect(rabbitmq.url)
    async with opened(mongodb.url) as mongo, connection:
        await publisher.check()
        client, keys = client_of(mongo, publisher)
        channel = await connection.channel()
        await (await channel.get_queue(FANOUT)).purge()
        async with client:
            yield Site(client, channel, keys, rabbitmq.url)
        await (await channel.get_queue(FANOUT)).purge()
    await publisher.stop(0)


async def test_an_event_says_when_it_was_published(site: Site) -> None:
    began = time.time()
    assert (await site.post()).status == 202
    [message] = await taken(site.amqp_url, FANOUT)
    assert began - 1 < message.headers[PUBLISHED_AT] / 1000 < time.time() + 1  # the database's clock


async def test_202_means_that_the_event_is_in_the_queue_with_its_bytes(site: Site) -> None:
    data = b'{"session_id":"s", "package_id":"p","user_id":"u","n":18446744073709551616,"x":1.10}'
    body = b'{"event":"session.created","tenant_id":"%b","data":%b}' % (TENANT.encode(), data)
    response = await site.post(body)
    assert response.status == 202
    event_id = (await response.json())["event_id"]
    (published,) = await site.published()
    assert data in published
    assert json.loads(published)["event_id"] == event_id


async def test_what_no_queue_takes_is_not_accepted_before_the_lost_binding_is_made_again(site: Site) -> None:
    queue = await site.channel.get_queue(FANOUT)
    await queue.unbind(EVENTS, "#")
    response = await site.post()
    assert response.status == 202
    assert len(await site.published()) == 1


async def test_a_broker_that_is_away_is_503_with_retry_after(mongodb: Server) -> None:
    away = Publisher(url=f"amqp://guest:guest@127.0.0.1:{free_port()}/", name="test", timeout_seconds=1)
    async with opened(mongodb.url) as mongo:
        client, _ = client_of(mongo, away)
        async with client:
            response = await client.post(PATH, json=EVENT, headers={"X-API-Key": ADMIN_KEY})
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
    await forget_failed_connections()


async def test_an_array_has_a_result_for_each_element_in_order(site: Site) -> None:
    batch = [
        {**EVENT, "event_id": "first"},
        {**EVENT, "event": "session.paused"},
        "nonsense",
        {**EVENT, "data": {**SESSION, "user_id": 7}},
        {**EVENT, "event_id": "last"},
    ]
    response = await site.post(batch)
    assert response.status == 202
    results = (await response.json())["results"]
    assert [result["status"] for result in results] == ["accepted", "refused", "refused", "refused", "accepted"]
    assert [result.get("event_id") for result in results] == ["first", None, None, None, "last"]
    assert results[1]["details"] == {"field": "event"}
    assert results[3]["details"] == {"field": "data.user_id"}
    assert all(result["code"] == "INVALID_REQUEST" for result in results[1:4])
    (published,) = await site.published()
    assert [event["event_id"] for event in json.loads(published)] == ["first", "last"]


async def test_a_batch_of_a_thousand_is_taken_whole_and_in_few_messages(site: Site) -> None:
    response = await site.post([{**EVENT, "event_id": f"e{n}"} for n in range(1000)])
    assert response.status == 202
    assert len((await response.json())["results"]) == 1000
    published = await site.published()
    assert len(published) <= 3
    ids = [event["event_id"] for message in published for event in json.loads(message)]
    assert ids == [f"e{n}" for n in range(1000)]


async def test_batches_that_are_none_are_refused_whole(site: Site) -> None:
    for body in ([], [EVENT] * 1001, b"[" + json.dumps(EVENT).encode()):
        response = await site.post(body)
        assert response.status == 400
        assert (await response.json())["code"] == "INVALID_REQUEST"
    assert await site.published() == []


async def test_the_same_idempotency_key_and_body_is_the_same_event(site: Site) -> None:
    answers = await asyncio.gather(*(site.post(Idempotency_Key="one") for _ in range(4)))
    assert {answer.status for answer in answers} == {202}
    assert len({(await answer.json())["event_id"] for answer in answers}) == 1
    other = await site.post(Idempotency_Key="two")
    assert (await other.json())["event_id"] != (await answers[0].json())["event_id"]


async def test_the_same_idempotency_key_with_another_body_is_409(site: Site) -> None:
    assert (await site.post(Idempotency_Key="one")).status == 202
    response = await site.post({**EVENT, "data": {**SESSION, "more": 1}}, Idempotency_Key="one")
    assert response.status == 409
    assert (await response.json())["code"] == "DUPLICATE_ENTRY"
    assert len(await site.published()) == 1


async def test_an_idempotency_key_belongs_to_the_api_key_that_brought_it(site: Site) -> None:
    _, key = await site.keys.create(TENANT, frozenset({"write"}))
    mine = await site.post(Idempotency_Key="one")
    theirs = await site.post({**EVENT, "event_id": "x"}, key=key, Idempotency_Key="one")
    assert (mine.status, theirs.status) == (202, 202)


async def test_an_idempotency_key_that_cannot_be_one_is_refused(site: Site) -> None:
    for bad in ("has space", "x" * 256):
        assert (await site.post(Idempotency_Key=bad)).status == 400


async def test_a_tenant_s_key_publishes_for_its_tenant_only(site: Site) -> None:
    _, key = await site.keys.create("tenant-b", frozenset({"write"}))
    alone = await site.post(key=key)
    assert alone.status == 403
    assert (await alone.json())["code"] == "TENANT_MISMATCH"
    mixed = await site.post([EVENT, {**EVENT, "tenant_id": "tenant-b"}], key=key)
    assert mixed.status == 202
    results = (await mixed.json())["results"]
    assert [result.get("code") for result in results] == ["TENANT_MISMATCH", None]
    (published,) = await site.published()
    assert json.loads(published)["tenant_id"] == "tenant-b"


async def test_a_key_needs_the_scope_write(site: Site) -> None:
    _, reader = await site.keys.create(TENANT, frozenset({"read"}))
    for key, status, code in (
        (reader, 403, "INSUFFICIENT_SCOPES"),
        ("scorm_unknown", 401, "INVALID_API_KEY"),
        ("", 401, "UNAUTHORIZED"),
    ):
        response = await site.post(key=key)
        assert (response.status, (await response.json())["code"]) == (status, code)
    bearer = await site.client.post(PATH, json=EVENT, headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    assert bearer.status == 202


async def test_too_much_is_413_and_another_content_type_415(site: Site) -> None:
    large = await site.post(b" " * (5 * 1024 * 1024 + 1))
    assert (large.status, (await large.json())["code"]) == (413, "PAYLOAD_TOO_LARGE")
    form = await site.post(Content_Type="application/x-www-form-urlencoded")
    assert form.status == 415
    assert "application/json is needed" in (await form.json())["error"]


async def test_a_refusal_names_the_field_in_the_platform_s_format(site: Site) -> None:
    response = await site.post({**EVENT, "data": {"session_id": "s", "package_id": "p"}})
    body = await response.json()
    assert response.status == 400
    assert list(body) == ["error", "code", "details"]
    assert body["error"].startswith("data.user_id: ")
    assert body["details"] == {"field": "data.user_id"}
    assert response.headers["X-Request-Id"].startswith("req_")
