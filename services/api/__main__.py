"""Wires the API."""

from services.api.app import application
from services.api.service import WebhookService
from shared import wiring
from shared.lifecycle import Service, run
from shared.settings import ApiSettings, load

NAME = "api"


def build() -> Service:
    settings = load(ApiSettings)
    mongo = wiring.mongo()
    service = WebhookService(
        webhooks=wiring.webhooks(mongo),
        deliveries=wiring.deliveries(mongo),
        egress=wiring.egress(),
        most_per_tenant=settings.webhooks_per_tenant,
        clock=mongo.now,
    )
    return Service(
        name=NAME,
        host=settings.api_host,
        port=settings.api_port,
        parts=[mongo],
        checks={"mongodb": mongo.check},
        app=application(service, wiring.keys(mongo)),
    )


if __name__ == "__main__":
    run(NAME, build)
