"""What the API can do, put together: its routes and its pages ask the same services."""

from dataclasses import dataclass
from datetime import timedelta

from services.api.dead_letters import DeadLetterService
from services.api.deliveries import DeliveryService
from services.api.events import EventService
from services.api.figures import FigureService
from services.api.keys import KeyService
from services.api.overview import OverviewService
from services.api.parked import ParkedService
from services.api.queues import QueueService
from services.api.replays import ErasureService, ReplayService
from services.api.routes import catalogue
from services.api.routes.deliveries import DeliveryRoutes
from services.api.routes.events import EventRoutes
from services.api.routes.keys import KeyRoutes
from services.api.routes.replays import ErasureRoutes, ReplayRoutes
from services.api.routes.stats import StatsRoutes
from services.api.routes.webhooks import WebhookRoutes
from services.api.samples import Samples
from services.api.stats import StatsService
from services.api.webhooks import WebhookService
from shared import wiring
from shared.broker.lookout import Lookout
from shared.egress import Egress
from shared.routes import Route
from shared.settings import RetrySettings, load
from shared.store.audit import Audit
from shared.store.backlog import Backlog
from shared.store.dead_letter_acts import DeadLetterActs
from shared.store.dead_letters import DeadLetters
from shared.store.health import WebhookHealths
from shared.store.history import History
from shared.store.jobs import Jobs
from shared.store.keys import Keys
from shared.store.mongo import Mongo
from shared.store.slots import Slots
from shared.store.stats_of_many import StatsOfMany
from shared.store.webhook_ids import WebhookIds


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One for each kind of thing that customers manage or look at."""

    webhooks: WebhookService
    samples: Samples
    deliveries: DeliveryService
    replays: ReplayService
    events: EventService
    keys: KeyService
    erasures: ErasureService
    stats: StatsService
    dead_letters: DeadLetterService
    parked: ParkedService
    queues: QueueService
    figures: FigureService
    overview: OverviewService


def services(mongo: Mongo, keys: Keys, *, egress: Egress, lookout: Lookout, webhooks_per_tenant: int) -> Services:
    webhooks, deliveries, events = wiring.webhooks(mongo), wiring.deliveries(mongo), wiring.events(mongo)
    history, jobs, healths, clock = History(mongo), Jobs(mongo), WebhookHealths(mongo), mongo.now
    letters, by_hand = DeadLetters(mongo, events=events), wiring.by_hand(mongo)
    expire_after = timedelta(hours=load(RetrySettings).expire_hours)
    figures = FigureService(stats=StatsOfMany(mongo), events=events, expire_after=expire_after, clock=clock)
    return Services(
        webhooks=WebhookService(
            webhooks=webhooks,
            deliveries=deliveries,
            slots=Slots(mongo),
            healths=healths,
            history=history,
            egress=egress,
            most_per_tenant=webhooks_per_tenant,
            expire_after=expire_after,
            clock=clock,
        ),
        samples=Samples(events=events, deliveries=deliveries, clock=clock),
        deliveries=DeliveryService(
            deliveries=deliveries,
            by_hand=by_hand,
            orders=wiring.orders(mongo),
            history=history,
            events=events,
            webhooks=webhooks,
            clock=clock,
        ),
        replays=ReplayService(mongo=mongo, jobs=jobs, history=history, webhooks=webhooks),
        events=EventService(events=events, deliveries=deliveries, webhooks=webhooks),
        keys=KeyService(keys=keys, audit=Audit(mongo), clock=clock),
        erasures=ErasureService(jobs),
        stats=StatsService(mongo=mongo, stats=wiring.stats(mongo), webhooks=webhooks),
        dead_letters=DeadLetterService(letters=letters, acts=DeadLetterActs(mongo, letters=letters, by_hand=by_hand)),
        parked=ParkedService(lookout),
        queues=QueueService(lookout),
        figures=figures,
        overview=OverviewService(
            figures=figures, webhooks=webhooks, ids=WebhookIds(mongo), healths=healths, backlog=Backlog(mongo)
        ),
    )


def routes(does: Services) -> list[Route]:
    """All that programs may ask for."""
    return [
        *WebhookRoutes(does.webhooks, does.samples).table(),
        *DeliveryRoutes(does.deliveries).table(),
        *ReplayRoutes(does.replays).table(),
        *EventRoutes(does.events).table(),
        *KeyRoutes(does.keys).table(),
        *ErasureRoutes(does.erasures).table(),
        *StatsRoutes(does.stats).table(),
        *catalogue.table(),
    ]
