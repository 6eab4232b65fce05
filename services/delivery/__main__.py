"""Wires the delivery worker."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from services.delivery.backoff import RetryPolicy
from services.delivery.breaker import BreakerPolicy
from services.delivery.flight import Flights, Patience
from services.delivery.gate import Gate
from services.delivery.health import Health
from services.delivery.lane import Lane
from services.delivery.pacing import Pacing
from services.delivery.recorder import Recorder
from services.delivery.room import Room
from services.delivery.selection import Selection
from services.delivery.sender import Sender
from services.delivery.service import DeliveryService
from shared import wiring
from shared.broker.connection import Topology
from shared.broker.consumer import Consumer
from shared.broker.topology import AGAIN, BULK, DELIVERIES
from shared.contracts.webhook import Webhook
from shared.disabling import Disabling
from shared.lifecycle import Service, run
from shared.network import Network
from shared.promoter import Promoter
from shared.retry import keep_trying
from shared.settings import DeliverySettings, EgressSettings, RetrySettings, load
from shared.store.health import WebhookHealths
from shared.store.markers import Markers
from shared.store.slots import Slots
from shared.store.view import WebhookView
from shared.store.webhooks import Webhooks

NAME = "delivery"
SMALL_SHARE = 0.25
BULK_HELD = 0.5  # of the messages: with 50 deliveries each, more than a worker has places for


def build() -> Service:
    settings, retry = load(DeliverySettings), load(RetrySettings)
    mongo, publisher, tracer = wiring.mongo(), wiring.publisher(NAME), wiring.tracer(NAME)
    webhooks, deliveries = wiring.webhooks(mongo), wiring.deliveries(mongo)
    view = WebhookView(webhooks)
    sender = Sender(
        egress=wiring.egress(),
        network=Network.of(load(EgressSettings)),
        time_limit_seconds=settings.attempt_timeout_seconds,
    )
    disabling = Disabling(webhooks=webhooks, publisher=publisher, clock=mongo.now)
    promoter = Promoter(wiring.promotion(mongo, publisher))
    recorder = Recorder(mongo=mongo, deliveries=deliveries, disabling=disabling, publisher=publisher, promoter=promoter)
    service = DeliveryService(
        find_webhook=_finder(view, webhooks),
        sender=sender,
        policy=_policy(retry),
        expire_after=timedelta(hours=retry.expire_hours),
        clock=mongo.now,
        tracer=tracer,
    )
    lease = timedelta(seconds=settings.lease_seconds)
    pacing = Pacing(slots=Slots(mongo), clock=mongo.now)
    selection = Selection(
        mongo=mongo, deliveries=deliveries, markers=Markers(mongo), view=view, pacing=pacing, lease=lease
    )
    gate = Gate(
        total=settings.in_flight,
        per_endpoint=settings.in_flight_per_endpoint,
        breaker=BreakerPolicy(settings.breaker_failures, timedelta(seconds=settings.breaker_probe_seconds)),
    )
    health = Health(store=WebhookHealths(mongo), gate=gate, clock=mongo.now)
    flights = partial(
        Flights,
        gate=gate,
        health=health,
        service=service,
        count_fault=deliveries.count_fault,
        clock=mongo.now,
        patience=Patience(detach=timedelta(seconds=settings.detach_seconds), lease=lease),
    )
    lane = partial(Lane, selection=selection, recorder=recorder, publisher=publisher)
    consumers, rooms = _consumers(settings.prefetch_messages), _rooms(settings.in_flight)
    lanes = [lane(consumer=one, flights=flights(), room=room) for one, room in zip(consumers, rooms, strict=True)]
    topology = Topology(url=wiring.amqp_url(), name=NAME)
    return Service(
        name=NAME,
        host=settings.delivery_host,
        port=settings.delivery_port,
        parts=[tracer, mongo, topology, sender, publisher, promoter, recorder, health, *lanes],
        checks={
            "mongodb": mongo.check,
            "rabbitmq": publisher.check,
            **{consumer.queue: consumer.check for consumer in consumers},
        },
    )


def _consumers(prefetch: int) -> list[Consumer]:
    """Of fresh deliveries, of those of tenants above their share, and of those that come again."""
    held = {DELIVERIES: 1, BULK: BULK_HELD, AGAIN: SMALL_SHARE}
    return [
        Consumer(url=wiring.amqp_url(), name=NAME, queue=queue, prefetch=max(2, int(prefetch * share)))
        for queue, share in held.items()
    ]


def _rooms(in_flight: int) -> list[Room]:
    """For the same."""
    small = max(1, int(in_flight * SMALL_SHARE))
    fresh = Room(in_flight)
    return [fresh, Room(small, behind=fresh), Room(small)]


def _finder(view: WebhookView, webhooks: Webhooks) -> Callable[[str, str], Awaitable[Webhook | None]]:
    """The view may say yes; only a read of the primary may say no."""

    async def find(tenant_id: str, webhook_id: str) -> Webhook | None:
        subscriptions = await keep_trying(lambda: view.recent(tenant_id))
        webhook = subscriptions.by_id.get(webhook_id)
        if webhook and webhook.is_active:
            return webhook
        return await keep_trying(lambda: webhooks.get(webhook_id))

    return find


def _policy(settings: RetrySettings) -> RetryPolicy:
    return RetryPolicy(
        base=timedelta(seconds=settings.retry_base_seconds),
        factor=settings.retry_factor,
        cap=timedelta(seconds=settings.retry_cap_seconds),
        max_attempts=settings.retry_max_attempts,
    )


if __name__ == "__main__":
    run(NAME, build)
