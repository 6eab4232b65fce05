"""Wires the API."""

from services.api.app import application
from services.api.dashboard.app import dashboard
from services.api.services import routes, services
from shared import wiring
from shared.lifecycle import Service, run
from shared.limiter import Limiter
from shared.settings import ApiSettings, load

NAME = "api"


def build() -> Service:
    settings = load(ApiSettings)
    mongo = wiring.mongo()
    keys = wiring.keys(mongo)
    lookout = wiring.lookout(NAME)
    does = services(
        mongo, keys, egress=wiring.egress(), lookout=lookout, webhooks_per_tenant=settings.webhooks_per_tenant
    )
    limiter = Limiter(per_minute=settings.api_requests_per_minute)
    app = application(keys, limiter, routes(does))
    app.add_subapp("/dashboard", dashboard(does, keys, limiter, wiring.secret_box(), clock=mongo.now))
    return Service(
        name=NAME,
        host=settings.api_host,
        port=settings.api_port,
        parts=[mongo, lookout],
        checks={"mongodb": mongo.check},
        app=app,
    )


if __name__ == "__main__":
    run(NAME, build)
