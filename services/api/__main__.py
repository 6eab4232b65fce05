"""Wires the API."""

from services.api.app import application
from services.api.deliveries import DeliveryService
from services.api.events import EventService
from services.api.keys import KeyService
from services.api.routes import catalogue
from services.api.routes.deliveries import DeliveryRoutes
from services.api.routes.events import EventRoutes
from services.api.routes.keys import KeyRoutes
from services.api.routes.webhooks import WebhookRoutes
from services.api.samples import Samples
from services.api.webhooks import WebhookService
from shared import wiring
from shared.lifecycle import Service, run
from shared.settings import ApiSettings, load
from shared.store.mongo import Mongo

NAME = "api"


def build() -> Service:
    settings = load(ApiSettings)
    mongo = wiring.mongo()
    keys = wiring.keys(mongo)
    return Service(
        name=NAME,
        host=settings.api_host,
        port=settings.api_port,
        parts=[mongo],
        checks={"mongodb": mongo.check},
        app=application(
            keys,
            WebhookRoutes(_webhooks(mongo, settings), _samples(mongo)).table(),
            DeliveryRoutes(_deliveries(mongo)).table(),
            EventRoutes(_events(mongo)).table(),
            KeyRoutes(KeyService(keys=keys, clock=mongo.now)).table(),
            catalogue.table(),
        ),
    )


def _webhooks(mongo: Mongo, settings: ApiSettings) -> WebhookService:
    return WebhookService(
        webhooks=wiring.webhooks(mongo),
        deliveries=wiring.deliveries(mongo),
        egress=wiring.egress(),
        most_per_tenant=settings.webhooks_per_tenant,
        clock=mongo.now,
    )


def _samples(mongo: Mongo) -> Samples:
    return Samples(events=wiring.events(mongo), deliveries=wiring.deliveries(mongo), clock=mongo.now)


def _deliveries(mongo: Mongo) -> DeliveryService:
    return DeliveryService(
        deliveries=wiring.deliveries(mongo),
        events=wiring.events(mongo),
        webhooks=wiring.webhooks(mongo),
        clock=mongo.now,
    )


def _events(mongo: Mongo) -> EventService:
    return EventService(
        events=wiring.events(mongo), deliveries=wiring.deliveries(mongo), webhooks=wiring.webhooks(mongo)
    )


if __name__ == "__main__":
    run(NAME, build)
