"""Wires the fan-out."""

from services.fanout.inbox import Inbox
from services.fanout.service import FanoutService
from shared import wiring
from shared.broker.connection import Topology
from shared.broker.consumer import Consumer
from shared.broker.topology import FANOUT
from shared.handover import HandOver
from shared.lifecycle import Service, run
from shared.settings import BrokerSettings, FanoutSettings, load
from shared.store.view import WebhookView

NAME = "fanout"


def build() -> Service:
    settings = load(FanoutSettings)
    mongo, publisher = wiring.mongo(), wiring.publisher(NAME)
    view = WebhookView(wiring.webhooks(mongo))
    consumer = Consumer(url=wiring.amqp_url(), name=NAME, queue=FANOUT, prefetch=settings.fanout_batch_events)
    inbox = Inbox(
        consumer=consumer,
        publisher=publisher,
        most=settings.fanout_batch_events,
        depth_limit=load(BrokerSettings).queue_depth_limit,
    )
    deliveries = wiring.deliveries(mongo)
    service = FanoutService(
        mongo=mongo,
        inbox=inbox,
        view=view,
        events=wiring.events(mongo),
        deliveries=deliveries,
        hand_over=HandOver(mongo=mongo, deliveries=deliveries, publisher=publisher),
        publisher=publisher,
    )
    return Service(
        name=NAME,
        host=settings.fanout_host,
        port=settings.fanout_port,
        parts=[mongo, Topology(url=wiring.amqp_url(), name=NAME), publisher, service],
        checks={"mongodb": mongo.check, "rabbitmq": publisher.check, FANOUT: consumer.check},
    )


if __name__ == "__main__":
    run(NAME, build)
