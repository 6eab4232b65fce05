"""Wires the scheduler."""

from datetime import timedelta

from services.scheduler.erasures import Erasures
from services.scheduler.failing import Failing
from services.scheduler.jobs import TICK, JobRunner
from services.scheduler.orders import OrderWatch
from services.scheduler.recoveries import Recoveries
from services.scheduler.repeating import Repeating
from services.scheduler.replays import Replays
from services.scheduler.service import Scheduler
from services.scheduler.tallies import Tallies
from services.scheduler.watch import Watch
from shared import wiring
from shared.broker.connection import Topology
from shared.disabling import Disabling
from shared.handover import HandOver
from shared.lifecycle import Service, run
from shared.settings import BrokerSettings, DeliverySettings, SchedulerSettings, load
from shared.store.backlog import Backlog
from shared.store.duties import Duties
from shared.store.erasure import Eraser
from shared.store.health import WebhookHealths
from shared.store.history import History
from shared.store.jobs import ERASURE, RECOVERY, REPLAY, Jobs
from shared.store.markers import Markers

NAME = "scheduler"


def build() -> Service:
    settings = load(SchedulerSettings)
    poll = timedelta(seconds=settings.scheduler_poll_seconds)
    mongo, publisher = wiring.mongo(), wiring.publisher(NAME)
    deliveries = wiring.deliveries(mongo)
    scheduler = Scheduler(
        mongo=mongo,
        deliveries=deliveries,
        hand_over=HandOver(mongo=mongo, deliveries=deliveries, publisher=publisher),
        events=wiring.events(mongo),
        markers=Markers(mongo),
        publisher=publisher,
        poll=poll,
        marker_every=timedelta(seconds=settings.marker_seconds),
        lease=timedelta(seconds=load(DeliverySettings).lease_seconds),
        batch=settings.scheduler_batch,
        depth_limit=load(BrokerSettings).queue_depth_limit,
    )
    jobs, healths, duties = Jobs(mongo), WebhookHealths(mongo), Duties(mongo)
    tallies = Tallies(mongo=mongo, uncounted=wiring.uncounted(mongo), stats=wiring.stats(mongo), duties=duties)
    watch = OrderWatch(orders=wiring.orders(mongo), promotion=wiring.promotion(mongo, publisher))
    replays = Replays(mongo=mongo, jobs=jobs, history=History(mongo), by_hand=wiring.by_hand(mongo))
    eraser = Eraser(mongo, uncounted=wiring.uncounted(mongo), stats=wiring.stats(mongo))
    erasures = Erasures(mongo=mongo, jobs=jobs, eraser=eraser)
    recoveries = Recoveries(mongo=mongo, healths=healths, jobs=jobs, deliveries=deliveries, duties=duties)
    disabling = Disabling(webhooks=wiring.webhooks(mongo), publisher=publisher, clock=mongo.now)
    failing = Failing(healths=healths, disabling=disabling, duties=duties)
    waiting = Watch(mongo=mongo, publisher=publisher, deliveries=deliveries, backlog=Backlog(mongo))
    runner = JobRunner(
        mongo=mongo,
        jobs=jobs,
        steps={REPLAY: replays.step, ERASURE: erasures.step, RECOVERY: recoveries.step},
        lease=timedelta(seconds=settings.job_lease_seconds),
    )
    return Service(
        name=NAME,
        host=settings.scheduler_host,
        port=settings.scheduler_port,
        parts=[
            mongo,
            Topology(url=wiring.amqp_url(), name=NAME),
            publisher,
            scheduler,
            Repeating(mongo, watch.run_once, poll),
            Repeating(mongo, runner.run_once, TICK),
            Repeating(mongo, tallies.take_turn, tallies.EVERY),
            Repeating(mongo, recoveries.run_once, recoveries.EVERY),
            Repeating(mongo, failing.take_turn, failing.EVERY),
            Repeating(mongo, waiting.look_at_queues, waiting.EVERY),
            Repeating(mongo, waiting.look_at_backlog, waiting.EVERY),
        ],
        checks={"mongodb": mongo.check, "rabbitmq": publisher.check},
    )


if __name__ == "__main__":
    run(NAME, build)
