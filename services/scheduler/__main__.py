"""Wires the scheduler."""

from datetime import timedelta

from services.scheduler.service import Scheduler
from shared import wiring
from shared.broker.connection import Topology
from shared.handover import HandOver
from shared.lifecycle import Service, run
from shared.settings import BrokerSettings, DeliverySettings, SchedulerSettings, load
from shared.store.markers import Markers

NAME = "scheduler"


def build() -> Service:
    settings = load(SchedulerSettings)
    mongo, publisher = wiring.mongo(), wiring.publisher(NAME)
    deliveries = wiring.deliveries(mongo)
    scheduler = Scheduler(
        mongo=mongo,
        deliveries=deliveries,
        hand_over=HandOver(mongo=mongo, deliveries=deliveries, publisher=publisher),
        events=wiring.events(mongo),
        markers=Markers(mongo),
        publisher=publisher,
        poll=timedelta(seconds=settings.scheduler_poll_seconds),
        marker_every=timedelta(seconds=settings.marker_seconds),
        lease=timedelta(seconds=load(DeliverySettings).lease_seconds),
        batch=settings.scheduler_batch,
        depth_limit=load(BrokerSettings).queue_depth_limit,
    )
    return Service(
        name=NAME,
        host=settings.scheduler_host,
        port=settings.scheduler_port,
        parts=[mongo, Topology(url=wiring.amqp_url(), name=NAME), publisher, scheduler],
        checks={"mongodb": mongo.check, "rabbitmq": publisher.check},
    )


if __name__ == "__main__":
    run(NAME, build)
