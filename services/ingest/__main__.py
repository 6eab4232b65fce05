"""Wires ingest."""

from datetime import timedelta

from services.ingest.http import application
from services.ingest.service import Ingest
from shared import wiring
from shared.broker.connection import Topology
from shared.lifecycle import Service, run
from shared.limiter import Limiter
from shared.settings import IngestSettings, load
from shared.store.idempotency import IdempotencyKeys

NAME = "ingest"


def build() -> Service:
    settings = load(IngestSettings)
    mongo, publisher, tracer = wiring.mongo(), wiring.publisher(NAME), wiring.tracer(NAME)
    idempotency = IdempotencyKeys(mongo, lifetime=timedelta(hours=settings.idempotency_hours))
    ingest = Ingest(mongo=mongo, publisher=publisher, idempotency=idempotency, tracer=tracer)
    limiter = Limiter(per_minute=settings.ingest_events_per_minute, what="events")
    return Service(
        name=NAME,
        host=settings.ingest_host,
        port=settings.ingest_port,
        parts=[tracer, mongo, Topology(url=wiring.amqp_url(), name=NAME), publisher],
        checks={"mongodb": mongo.check, "rabbitmq": publisher.check},
        app=application(ingest, wiring.keys(mongo), limiter, tracer),
    )


if __name__ == "__main__":
    run(NAME, build)
