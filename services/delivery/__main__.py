"""Wires the delivery worker."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from services.delivery.backoff import RetryPolicy
from services.delivery.gate import Gate
from services.delivery.lane import Lane, Patience
from services.delivery.recorder import Recorder
from services.delivery.selection import Selection
from services.delivery.sender import Sender
from services.delivery.service import DeliveryService
from shared import wiring
from shared.broker.connection import Topology
from shared.broker.consumer import Consumer
from shared.broker.topology import AGAIN, DELIVERIES
from shared.contracts.webhook import Webhook
from shared.lifecycle import Service, run
from shared.retry import keep_trying
from shared.settings import DeliverySettings, RetrySettings, load
from shared.store.markers import Markers
from shared.store.view import WebhookView
from shared.store.webhooks import Webhooks

NAME = "delivery"
AGAIN_SHARE = 0.25


def build() -> Service:
    settings, retry = load(DeliverySettings), load(RetrySettings)
    mongo, publisher = wiring.mongo(), wiring.publisher(NAME)
    webhooks, deliveries = wiring.webhooks(mongo), wiring.deliveries(mongo)
    view = WebhookView(webhooks)
    sender = Sender(egress=wiring.egress(), time_limit_seconds=settings.attempt_timeout_seconds)
    recorder = Recorder(mongo=mongo, deliveries=deliveries, webhooks=webhooks, publisher=publisher)
    service = DeliveryService(
        find_webhook=_finder(view, webhooks),
        sender=sender,
        policy=_policy(retry),
        expire_after=timedelta(hours=retry.expire_hours),
        clock=mongo.now,
    )
    lease = timedelta(seconds=settings.lease_seconds)
    lane = partial(
        Lane,
        patience=Patience(detach=timedelta(seconds=settings.detach_seconds), lease=lease),
        gate=Gate(total=settings.in_flight, per_endpoint=settings.in_flight_per_endpoint),
        selection=Selection(mongo=mongo, deliveries=deliveries, markers=Markers(mongo), view=view, lease=lease),
        service=service,
        recorder=recorder,
        publisher=publisher,
    )
    fresh, again = _consumer(settings, DELIVERIES, 1), _consumer(settings, AGAIN, AGAIN_SHARE)
    lanes = [
        lane(consumer=fresh, places=settings.in_flight),
        lane(consumer=again, places=max(1, int(settings.in_flight * AGAIN_SHARE))),
    ]
    return Service(
        name=NAME,
        host=settings.delivery_host,
        port=settings.delivery_port,
        parts=[mongo, Topology(url=wiring.amqp_url(), name=NAME), sender, publisher, recorder, *lanes],
        checks={
            "mongodb": mongo.check,
            "rabbitmq": publisher.check,
            **{consumer.queue: consumer.check for consumer in (fresh, again)},
        },
    )


def _consumer(settings: DeliverySettings, queue: str, share: float) -> Consumer:
    prefetch = max(2, int(settings.prefetch_messages * share))
    return Consumer(url=wiring.amqp_url(), name=NAME, queue=queue, prefetch=prefetch)


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
