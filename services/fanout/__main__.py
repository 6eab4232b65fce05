"""Wires the fan-out."""

from datetime import timedelta

from services.fanout.downstream import Downstream
from services.fanout.fairness import Fairness
from services.fanout.holding import Holding
from services.fanout.inbox import Inbox
from services.fanout.lines import Lines
from services.fanout.service import FanoutService
from shared import wiring
from shared.broker.connection import Topology
from shared.broker.consumer import Consumer
from shared.broker.topology import FANOUT
from shared.handover import HandOver
from shared.lifecycle import Service, run
from shared.promoter import Promoter
from shared.settings import BrokerSettings, FanoutSettings, RetrySettings, load
from shared.store.health import WebhookHealths
from shared.store.view import WebhookView

NAME = "fanout"


def build() -> Service:
    settings, broker = load(FanoutSettings), load(BrokerSettings)
    mongo, publisher, tracer = wiring.mongo(), wiring.publisher(NAME), wiring.tracer(NAME)
    deliveries = wiring.deliveries(mongo)
    downstream = Downstream(
        publisher=publisher,
        hand_over=HandOver(mongo=mongo, deliveries=deliveries, publisher=publisher),
        fairness=Fairness(burst=settings.fanout_tenant_burst),
        depth_limit=broker.queue_depth_limit,
        bulk_limit=broker.bulk_depth_limit,
    )
    view = WebhookView(wiring.webhooks(mongo))
    consumer = Consumer(url=wiring.amqp_url(), name=NAME, queue=FANOUT, prefetch=settings.fanout_batch_events)
    expire_after = timedelta(hours=load(RetrySettings).expire_hours)
    lines = Lines(healths=WebhookHealths(mongo), clock=mongo.seconds, expire_after=expire_after)
    promoter = Promoter(wiring.promotion(mongo, publisher))
    service = FanoutService(
        mongo=mongo,
        inbox=Inbox(consumer=consumer, downstream=downstream, most=settings.fanout_batch_events),
        view=view,
        events=wiring.events(mongo),
        deliveries=deliveries,
        holding=Holding(folding=wiring.folding(mongo), orders=wiring.orders(mongo), promoter=promoter),
        lines=lines,
        downstream=downstream,
        publisher=publisher,
        tracer=tracer,
    )
    return Service(
        name=NAME,
        host=settings.fanout_host,
        port=settings.fanout_port,
        parts=[tracer, mongo, Topology(url=wiring.amqp_url(), name=NAME), publisher, promoter, lines, service],
        checks={"mongodb": mongo.check, "rabbitmq": publisher.check, FANOUT: consumer.check},
    )


if __name__ == "__main__":
    run(NAME, build)
