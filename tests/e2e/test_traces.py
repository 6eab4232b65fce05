"""Traces over real processes and a real collector: what a person sees who follows one event."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import aio_pika
import pytest
import pytest_asyncio
from aiohttp import web

from deploy.local.servers import Server
from tests.cluster import SESSION, TENANT, Cluster, Received, Receiver, cluster, receiver, until
from tests.collector import Collector, Span, traced

SETTINGS = {"RETRY_BASE_SECONDS": "0.1", "RETRY_FACTOR": "1"}


@dataclass
class Producer:
    """Somebody else's span."""

    trace: str = field(default_factory=lambda: token_hex(16))
    span: str = field(default_factory=lambda: token_hex(8))

    @property
    def place(self) -> tuple[str, str]:
        return self.trace, self.span

    def headers(self, flags: str = "01") -> dict[str, str]:
        return {"traceparent": f"00-{self.trace}-{self.span}-{flags}", "tracestate": "vendor=opaque"}


@dataclass
class Site:
    services: Cluster
    collector: Collector
    endpoint: Receiver
    webhook: dict[str, Any]

    async def publish(self, headers: dict[str, str], event_id: str) -> None:
        body = event(event_id)
        async with self.services.http.post(self.services.ingest + "/api/v1/events", json=body, headers=headers) as got:
            assert got.status == 202, await got.text()

    async def publish_over_amqp(self, headers: dict[str, Any], *event_ids: str) -> None:
        body = json.dumps([event(event_id) for event_id in event_ids]).encode()
        async with self.services.channel() as channel:
            exchange = await channel.get_exchange("events")
            await exchange.publish(aio_pika.Message(body, headers=headers), routing_key="session.created")

    async def attempts(self, number: int, event_id: str) -> list[Span]:
        await until(self.collector.count(number, "attempt", event_id=event_id), 20, self.services.logs)
        return self.collector.named("attempt", event_id=event_id)

    async def fan_out(self, event_id: str) -> Span:
        await until(self.collector.count(1, "fan-out", event_id=event_id), 20, self.services.logs)
        return self.collector.named("fan-out", event_id=event_id)[0]

    async def span(self, place: tuple[str, str] | None) -> Span:
        await until(lambda: any(span.place == place for span in self.collector.spans), 20, self.services.logs)
        return next(span for span in self.collector.spans if span.place == place)

    def requests(self, event_id: str) -> list[Received]:
        return [one for one in self.endpoint.requests if json.loads(one.body)["data"]["user_id"] == event_id]


def event(event_id: str) -> dict[str, Any]:
    data = {**SESSION, "user_id": event_id}
    return {"event": "session.created", "tenant_id": TENANT, "event_id": event_id, "data": data}


def told(request: Received) -> tuple[str, str]:
    """The place in a trace that an endpoint hears of; what is recorded says so."""
    version, trace, span, flags = request.headers["traceparent"].split("-")
    assert (version, int(flags, 16) & 1) == ("00", 1)
    return trace, span


def fails_first(request: web.Request, received: Received) -> int:
    return 503 if b"fails" in received.body and received.headers["X-Allure-Attempt"] == "1" else 200


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(tmp_path_factory: pytest.TempPathFactory, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("traces")
    async with (
        traced() as collector,
        receiver(fails_first) as endpoint,
        cluster(folder, rabbitmq.url, mongodb.url, **SETTINGS) as services,
    ):
        webhook = await services.create_webhook(endpoint.url + "/path?token=not-in-spans")
        yield Site(services, collector, endpoint, webhook)


async def test_an_event_is_one_trace_from_its_producer_through_ingest_and_fan_out_to_both_attempts(site: Site) -> None:
    producer = Producer()
    await site.publish(producer.headers(), "fails")
    first, second = await site.attempts(2, "fails")
    fan_out = await site.fan_out("fails")
    publish = await site.span(fan_out.parent)
    request = await site.span(publish.parent)
    assert [(span.service, span.name, span.kind) for span in (request, publish, fan_out, first, second)] == [
        ("dispatcher-ingest", "POST /api/v1/events", "server"),
        ("dispatcher-ingest", "publish events", "producer"),
        ("dispatcher-fanout", "fan-out", "consumer"),
        ("dispatcher-delivery", "attempt", "client"),
        ("dispatcher-delivery", "attempt", "client"),
    ]
    assert request.parent == producer.place
    assert first.parent == second.parent == fan_out.place
    assert [span.failed for span in (request, publish, fan_out, first, second)] == [False, False, False, True, False]
    assert {span.state for span in (request, publish, fan_out, first, second)} == {"vendor=opaque"}
    assert (first.attributes["error.type"], first.attributes["http.response.status_code"]) == ("http_status", 503)
    assert (
        second.attributes.items()
        >= {
            "dispatcher.tenant_id": TENANT,
            "dispatcher.webhook_id": site.webhook["id"],
            "dispatcher.event_type": "session.created",
            "dispatcher.attempt": 2,
            "dispatcher.outcome": "succeeded",
            "server.address": "127.0.0.1",
        }.items()
    )


async def test_an_endpoint_is_told_the_attempt_and_no_tracestate(site: Site) -> None:
    await site.publish(Producer().headers(), "fails-and-is-told")
    attempts = await site.attempts(2, "fails-and-is-told")
    requests = site.requests("fails-and-is-told")
    assert [told(one) for one in requests] == [span.place for span in attempts]
    assert not any("tracestate" in one.headers for one in requests)


async def test_a_batch_and_its_members_are_linked_both_ways(site: Site) -> None:
    await site.publish_over_amqp(Producer().headers(), "one-of-two", "two-of-two")
    members = [await site.fan_out(event_id) for event_id in ("one-of-two", "two-of-two")]
    batch = await site.span(members[0].links[0])
    assert (batch.name, batch.parent) == ("process fanout", None)
    assert set(batch.links) >= {member.place for member in members}
    assert {link for member in members for link in member.links} == {batch.place}


async def test_the_header_of_a_message_is_as_good_as_that_of_a_request(site: Site) -> None:
    producer = Producer()
    await site.publish_over_amqp(producer.headers(), "over-amqp")
    fan_out, [attempt] = await site.fan_out("over-amqp"), await site.attempts(1, "over-amqp")
    assert (fan_out.parent, attempt.parent) == (producer.place, fan_out.place)


@pytest.mark.parametrize("given", ["word", "00-" + "0" * 32 + "-b7ad6b7169203331-01", bytearray(b"\xff"), 7], ids=repr)
async def test_a_malformed_traceparent_begins_a_trace_and_does_no_harm(site: Site, given: object) -> None:
    event_id = f"malformed-{given!r}"
    await site.publish_over_amqp({"traceparent": given}, event_id)
    fan_out, [attempt] = await site.fan_out(event_id), await site.attempts(1, event_id)
    assert (fan_out.parent, attempt.parent) == (None, fan_out.place)


async def test_what_its_producer_does_not_sample_leaves_no_span_and_keeps_its_trace(site: Site) -> None:
    producer = Producer()
    await site.publish(producer.headers(flags="00"), "not-sampled")
    await until(lambda: site.requests("not-sampled"), 20, site.services.logs)
    await site.publish({}, "later")
    await site.attempts(1, "later")
    [request] = site.requests("not-sampled")
    version, trace, span, flags = request.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", producer.trace, "00")
    assert span != producer.span
    assert not any(span.place[0] == producer.trace for span in site.collector.spans)


async def test_what_is_sent_again_by_hand_begins_a_trace_that_is_linked_to_the_events(site: Site) -> None:
    producer = Producer()
    await site.publish(producer.headers(), "again")
    [attempt] = await site.attempts(1, "again")
    again = f"{site.services.api}/api/v1/deliveries/{attempt.attributes['dispatcher.delivery_id']}/retry"
    async with site.services.http.post(again) as response:
        assert response.status == 202, await response.text()
    _, replayed = await site.attempts(2, "again")
    assert replayed.parent is None
    assert replayed.place[0] != producer.trace
    assert replayed.links == [(await site.fan_out("again")).place]
    assert told(site.requests("again")[1]) == replayed.place


async def test_the_log_of_an_attempt_names_its_trace(site: Site) -> None:
    producer = Producer()
    await site.publish(producer.headers(), "logged")
    await site.attempts(1, "logged")
    [worker] = site.services.of("delivery")
    await until(lambda: producer.trace in worker.log.read_text(), 10)
    [line] = [json.loads(line) for line in worker.log.read_text().splitlines() if producer.trace in line]
    assert (line["event"], line["trace_id"]) == ("attempt.finished", producer.trace)


async def test_a_refused_event_is_no_error_of_the_server(site: Site) -> None:
    producer = Producer()
    url = site.services.ingest + "/api/v1/events"
    async with site.services.http.post(url, json={"event": "no"}, headers=producer.headers()) as response:
        assert response.status == 400
    await until(lambda: any(span.parent == producer.place for span in site.collector.spans), 20, site.services.logs)
    [request] = [span for span in site.collector.spans if span.parent == producer.place]
    assert (request.attributes["http.response.status_code"], request.failed) == (400, False)


async def test_no_span_holds_the_path_or_the_query_of_an_endpoint(site: Site) -> None:
    await site.publish({}, "secretive")
    await site.attempts(1, "secretive")
    assert site.requests("secretive")[0].path == "/path"
    assert not any(b"not-in-spans" in sent or b"/path" in sent for sent in site.collector.requests)
