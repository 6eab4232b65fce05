"""Publishing, consuming and declaring on a real RabbitMQ."""

import asyncio
import gc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aio_pika
import pytest

from deploy.local.servers import Server, Supplier
from shared.broker.browser import GROUP, Browser
from shared.broker.connection import Topology
from shared.broker.consumer import Consumer, Message, ack, ack_up_to
from shared.broker.parking import park
from shared.broker.publisher import Publisher
from shared.broker.topology import DELIVERIES, EVENTS, FANOUT, PARKED, QUEUES
from shared.errors import DependencyUnavailable, InvalidMessage, StartupError
from tests.cluster import free_port, until
from tests.servers import private_servers_in

# RabbitMQ 3.10 writes a new quorum queue's name to disk half a second late; killed before, it has no leader ever after.
QUEUE_ON_DISK_SECONDS = 1.0


@pytest.fixture(scope="module")
def broker(server_supplier: Supplier, servers_folder: Path) -> Iterator[Server]:
    """Nobody else's: queues are deleted and the server is killed here."""
    with private_servers_in(servers_folder, server_supplier) as servers:
        yield servers.rabbitmq()


async def forget_failed_connections() -> None:
    """aio-pika's connections that never opened schedule their closing when collected, which needs a running loop."""
    gc.collect()
    await asyncio.sleep(0)


def publisher(url: str, timeout_seconds: float = 10) -> Publisher:
    return Publisher(url=url, name="test", timeout_seconds=timeout_seconds)


async def test_a_confirmed_message_is_in_its_queue_persistent_and_whole(broker: Server) -> None:
    sending = publisher(broker.url)
    await sending.publish("", DELIVERIES, b"\x00body\xff", headers={"traceparent": "00-x"})
    assert await sending.depth(DELIVERIES) == 1
    connection = await aio_pika.connect(broker.url)
    async with connection:
        queue = await (await connection.channel()).get_queue(DELIVERIES)
        message = await queue.get(timeout=5)
        await message.ack()
    assert message.body == b"\x00body\xff"
    assert message.headers["traceparent"] == "00-x"
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    await sending.stop(0)


async def test_a_message_no_queue_would_get_is_refused_and_the_publisher_goes_on(broker: Server) -> None:
    sending = publisher(broker.url)
    with pytest.raises(DependencyUnavailable):
        await sending.publish("", "no-such-queue", b"x")
    await sending.publish("", DELIVERIES, b"x")
    await purge(broker, DELIVERIES)
    await sending.stop(0)


async def purge(broker: Server, queue: str) -> None:
    connection = await aio_pika.connect(broker.url)
    async with connection:
        await (await (await connection.channel()).get_queue(queue)).purge()


async def test_a_broker_that_is_away_is_a_dependency_that_is_unavailable() -> None:
    url = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    sending = publisher(url)
    with pytest.raises(DependencyUnavailable, match="RabbitMQ"):
        await sending.publish("", DELIVERIES, b"x")
    await Topology(url=url, name="test").start()  # no reason to stop a service
    await forget_failed_connections()


async def test_a_paused_broker_costs_no_more_than_the_timeout(broker: Server) -> None:
    sending = publisher(broker.url, timeout_seconds=0.5)
    await sending.check()
    broker.pause()
    try:
        async with asyncio.timeout(10):
            with pytest.raises(DependencyUnavailable):
                await sending.publish("", DELIVERIES, b"x")
    finally:
        broker.resume()
    await sending.stop(0)
    await purge(broker, DELIVERIES)


async def test_a_queue_with_other_arguments_stops_the_start_with_one_line_that_names_it(broker: Server) -> None:
    topology = Topology(url=broker.url, name="test")
    await topology.start()
    connection = await aio_pika.connect(broker.url)
    async with connection:
        channel = await connection.channel()
        await channel.queue_delete(FANOUT)
        await channel.declare_queue(FANOUT, durable=True)
        with pytest.raises(StartupError) as refused:
            await topology.start()
        await channel.queue_delete(FANOUT)
    words = str(refused.value)
    assert "\n" not in words
    assert "queue 'fanout' exists with other arguments" in words
    assert "inequivalent arg" in words
    assert "delete it" in words
    await topology.start()


async def test_a_parked_message_is_whole_and_says_why_and_whence(broker: Server) -> None:
    sending = publisher(broker.url)
    taken: asyncio.Queue[Message] = asyncio.Queue()
    consumer = Consumer(url=broker.url, name="test", queue=DELIVERIES, prefetch=5)
    await consumer.start(taken.put_nowait)
    await sending.publish("", DELIVERIES, b"\xff not json", headers={"traceparent": "00-x"})
    message = await asyncio.wait_for(taken.get(), 10)
    await park(sending, DELIVERIES, message, InvalidMessage("cannot be read", field="data.score"))
    await ack(message)
    await consumer.stop()
    connection = await aio_pika.connect(broker.url)
    async with connection:
        queue = await (await connection.channel()).get_queue(PARKED)
        parked = await queue.get(timeout=5)
        await parked.ack()
    assert parked.body == b"\xff not json"
    assert parked.headers["x-parked-reason"] == "data.score: cannot be read"
    assert parked.headers["x-parked-from"] == DELIVERIES
    assert datetime.now(UTC) - datetime.fromisoformat(parked.headers["x-parked-at"]) < timedelta(minutes=1)
    assert parked.headers["traceparent"] == "00-x"
    await sending.stop(0)


async def test_prefetch_bounds_what_is_out_and_one_ack_settles_all_before_it(broker: Server) -> None:
    sending = publisher(broker.url)
    for number in range(7):
        await sending.publish("", DELIVERIES, b"%d" % number)
    taken: list[Message] = []
    consumer = Consumer(url=broker.url, name="test", queue=DELIVERIES, prefetch=5)
    await consumer.start(taken.append)
    await until(lambda: len(taken) == 5, 10)
    await ack_up_to(taken)
    await until(lambda: len(taken) == 7, 10)
    await ack_up_to(taken)
    await consumer.pause()
    await consumer.stop()
    assert [message.body for message in taken] == [b"%d" % number for number in range(7)]
    assert await sending.depth(DELIVERIES) == 0
    await sending.stop(0)


async def test_one_fan_out_gets_all_and_the_next_first_what_it_had_not_acked_in_the_same_order(broker: Server) -> None:
    sending = publisher(broker.url)
    taken: list[list[Message]] = [[], []]
    consumers = [Consumer(url=broker.url, name="test", queue=FANOUT, prefetch=5) for _ in taken]
    for consumer, messages in zip(consumers, taken, strict=True):
        await consumer.start(messages.append)
        await until(lambda: is_consuming(consumer), 10)  # noqa: B023 - awaited in this turn
    for number in range(12):
        await sending.publish(EVENTS, "session.created", b"%d" % number)
    await until(lambda: len(taken[0]) == 5, 10)
    await ack_up_to(taken[0][:2])
    await until(lambda: len(taken[0]) == 7, 10)
    assert taken[1] == []
    await consumers[1].check()  # who stands by is ready
    await consumers[0].stop()
    for enough in (5, 10):
        await until(lambda: len(taken[1]) == enough, 10)  # noqa: B023 - awaited in this turn
        await ack_up_to(taken[1])
    assert [message.body for message in taken[1]] == [b"%d" % number for number in range(2, 12)]
    assert [message.redelivered for message in taken[1]] == [True] * 5 + [False] * 5
    await consumers[1].stop()
    assert await sending.depth(FANOUT) == 0
    await sending.stop(0)


async def is_consuming(consumer: Consumer) -> bool:
    try:
        await consumer.check()
    except DependencyUnavailable:
        return False
    return bool(consumer._tag)


async def test_consumer_and_publisher_outlive_the_broker_s_death_and_no_confirmed_message_is_lost(
    broker: Server,
) -> None:
    sending = publisher(broker.url)
    taken: list[Message] = []
    consumer = Consumer(url=broker.url, name="test", queue=DELIVERIES, prefetch=50)
    await sending.check()
    await asyncio.sleep(QUEUE_ON_DISK_SECONDS)
    await consumer.start(taken.append)
    await sending.publish("", DELIVERIES, b"before")
    await until(lambda: [message.body for message in taken] == [b"before"], 10)
    broker.kill()
    with pytest.raises(DependencyUnavailable):
        await sending.publish("", DELIVERIES, b"meanwhile")
    await ack(taken[0])  # its channel is dead: no harm, it comes again
    broker.restart()

    async def published() -> bool:
        try:
            await sending.publish("", DELIVERIES, b"after")
        except DependencyUnavailable:
            return False
        return True

    await until(published, 30)
    await until(lambda: {m.body for m in taken[1:]} >= {b"before", b"after"}, 30, lambda: str(taken))
    await consumer.check()
    assert next(message for message in taken[1:] if message.body == b"before").redelivered
    await ack_up_to(taken[1:])
    await consumer.stop()
    await sending.stop(0)
    await forget_failed_connections()


async def test_a_queue_as_a_former_version_made_it_is_used_as_it_is(broker: Server) -> None:
    connection = await aio_pika.connect(broker.url)
    async with connection:
        channel = await connection.channel()
        await channel.queue_delete(PARKED)
        await channel.declare_queue(PARKED, durable=True, arguments={"x-queue-type": "quorum"})
        topology = Topology(url=broker.url, name="test")
        await topology.start()
        sending = publisher(broker.url)
        bodies = [b"%d" % number for number in range(GROUP + 50)]
        for body in bodies:
            await sending.publish("", PARKED, body)
        for _ in range(3):
            assert await looked_at(broker, PARKED) == bodies
        await sending.stop(0)
        await channel.queue_delete(PARKED)
        await channel.declare_queue(PARKED, durable=True)
        with pytest.raises(StartupError, match="queue 'parked' exists with other arguments"):
            await topology.start()
        await channel.queue_delete(PARKED)
    await topology.start()


async def looked_at(broker: Server, queue: str) -> list[bytes]:
    async with Browser(url=broker.url, name="test", queue=queue) as browser:
        return [message.body async for group in browser.groups() for message in group]


def test_every_queue_is_a_quorum_queue() -> None:
    assert all(queue.arguments["x-queue-type"] == "quorum" for queue in QUEUES)
