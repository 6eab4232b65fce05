"""`docs/asyncapi.yaml` is what the code says, is AsyncAPI, and is true of what really travels."""

import copy
import json
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import jsonschema
import pytest
import pytest_asyncio
import yaml
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from deploy.asyncapi import document
from deploy.local.servers import Server
from shared.broker.topology import DEAD_DELIVERIES, DELIVERIES, EVENTS, PARKED
from shared.contracts.event_types import EVENT_TYPES, GUIDE_TYPES
from tests.cluster import SESSION, TENANT, Cluster, cluster, receiver, until
from tests.docs.asyncapi import FILE, text
from tests.docs.pages import PROJECT

FIXTURES = PROJECT / "tests/fixtures"
SPEC = json.loads((FIXTURES / "asyncapi/3.0.0.json").read_text())
DOCUMENT = document()
MESSAGES = DOCUMENT["components"]["messages"]
Json = dict[str, Any]


def valid(schema: Json, value: object) -> bool:
    """By a schema of the document; times are times."""
    whole = {**schema, "components": DOCUMENT["components"]}
    checker = jsonschema.Draft7Validator.FORMAT_CHECKER
    return bool(jsonschema.Draft7Validator(whole, format_checker=checker).is_valid(value))


def test_the_file_is_what_the_code_says() -> None:
    assert (PROJECT / FILE).read_text() == text(), "make docs writes it again"
    assert yaml.safe_load(text()) == DOCUMENT


def test_it_is_asyncapi() -> None:
    jsonschema.Draft7Validator(SPEC).validate(yaml.safe_load((PROJECT / FILE).read_text()))


@pytest.mark.parametrize(
    "where", [("info", "title"), ("channels", "parked", "address"), ("operations", "accept-events", "action")]
)
def test_the_schema_of_asyncapi_refuses_what_is_none(where: tuple[str, ...]) -> None:
    broken = copy.deepcopy(DOCUMENT)
    inner = broken
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = 7
    assert not jsonschema.Draft7Validator(SPEC).is_valid(broken)


def test_every_reference_leads_somewhere() -> None:
    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [found for value in part.values() for found in references(value)]
        return [found for value in part for found in references(value)] if isinstance(part, list) else []

    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_examples_are_what_their_schemas_say(name: str) -> None:
    for example in MESSAGES[name]["examples"]:
        assert valid(MESSAGES[name]["payload"], example["payload"])
        assert valid(MESSAGES[name].get("headers", {}), example.get("headers", {}))


@pytest.mark.parametrize(
    ("name", "file"),
    [("Deliveries", "delivery-message"), ("Marker", "marker"), ("DeadLetter", "dead-letter")],
)
def test_messages_of_former_versions_are_still_described(name: str, file: str) -> None:
    frozen = json.loads((FIXTURES / f"v1/{file}.json").read_text())
    if name == "DeadLetter":  # what is written today says more of an attempt and a delivery
        frozen["delivery"] |= {"folded_into": None, "sequence": None}
        frozen["delivery"]["attempts"] = [{**one, "advice": None} for one in frozen["delivery"]["attempts"]]
    assert valid(MESSAGES[name]["payload"], frozen)


def test_schemas_refuse_what_the_services_would() -> None:
    event = MESSAGES["SessionCreatedEvent"]
    good = event["examples"][0]["payload"]
    for bad in ({**good, "more": 1}, {**good, "data": {}}, {**good, "tenant_id": "a/b"}, {**good, "event": "x"}):
        assert not valid(event["payload"], bad)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(
    rabbitmq: Server, mongodb: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    """All but a worker, which would take what is to be looked at."""
    folder = tmp_path_factory.mktemp("asyncapi")
    settings = {"MARKER_SECONDS": "0.5", "RETRY_MAX_ATTEMPTS": "1"}
    names = ("ingest", "fanout", "scheduler", "api")
    async with cluster(folder, rabbitmq.url, mongodb.url, *names, **settings) as started:
        yield started


async def test_what_really_travels_is_as_described(services: Cluster) -> None:
    async with services.channel() as channel, receiver(lambda *_: 500) as endpoint:
        seen = await channel.declare_queue(exclusive=True)
        await seen.bind(EVENTS, "#")
        await services.create_webhook(endpoint.url, event_types=["*"])
        events = [{"event": name, "tenant_id": TENANT, "data": EVENT_TYPES[name].example} for name in GUIDE_TYPES]
        for body in [*events, events]:
            async with services.http.post(services.ingest + "/api/v1/events", json=body) as response:
                assert response.status == 202
        await check_events(channel, seen.name)
        await check_deliveries(channel)
        await check_parked(services, channel)
        services.add("delivery")
        check("DeadLetter", await taken(channel, DEAD_DELIVERIES))


def check(name: str, message: AbstractIncomingMessage) -> Json:
    """Answers the body."""
    body: Json = json.loads(message.body)
    assert valid(MESSAGES[name]["payload"], body), message.body
    assert valid(MESSAGES[name].get("headers", {}), dict(message.headers)), message.headers
    return body


async def check_events(channel: AbstractChannel, queue: str) -> None:
    """As ingest publishes them: one by one, and an array."""
    for name in GUIDE_TYPES:
        message = await taken(channel, queue)
        assert message.routing_key == name
        check(f"{EVENT_TYPES[name].data.__name__}Event", message)
    assert len(check("EventBatch", await taken(channel, queue))) == len(GUIDE_TYPES)


async def check_deliveries(channel: AbstractChannel) -> None:
    """Deliveries and a marker, in whatever order; those that a worker shall have go back."""
    kinds = set()
    kept = []
    while kinds != {"Deliveries", "Marker"}:
        message = await taken(channel, DELIVERIES)
        kind = "Marker" if b'"marker"' in message.body[:20] else "Deliveries"
        check(kind, message)
        kinds.add(kind)
        kept.append(message)
    for message in kept:
        await message.nack(requeue=True)


async def check_parked(services: Cluster, channel: AbstractChannel) -> None:
    """What fan-out cannot use."""
    exchange = await channel.get_exchange(EVENTS)
    wrong = json.dumps({"event": "session.paused", "tenant_id": TENANT, "data": SESSION}).encode()
    await exchange.publish(aio_pika.Message(wrong, message_id="wrong-1"), "session.paused")
    message = await taken(channel, PARKED)
    check("Parked", message)
    assert message.headers["x-parked-message-id"] == "wrong-1"


async def taken(channel: AbstractChannel, name: str) -> AbstractIncomingMessage:
    """The next message of a queue, once there is one; taken, not acked."""
    queue = await channel.get_queue(name, ensure=False)
    found: list[AbstractIncomingMessage] = []

    async def one() -> bool:
        if message := await queue.get(fail=False):
            found.append(message)
        return bool(found)

    await until(one, 30, lambda: f"nothing in {name}")
    return found[0]
