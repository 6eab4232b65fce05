"""Makes the parts that several services need, from their settings."""

from datetime import timedelta

from yarl import URL

from shared.broker.lookout import Lookout
from shared.broker.publisher import Publisher
from shared.egress import Egress
from shared.errors import StartupError
from shared.handover import HandOver
from shared.promotion import Promotion
from shared.settings import (
    ApiSettings,
    BrokerSettings,
    DeliverySettings,
    EgressSettings,
    SecretSettings,
    StoreSettings,
    load,
)
from shared.store.by_hand import ByHand
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.folding import Folding
from shared.store.keys import Keys
from shared.store.mongo import Mongo
from shared.store.orders import Orders
from shared.store.secrets import SecretBox
from shared.store.stats import Stats
from shared.store.uncounted import Uncounted
from shared.store.webhooks import Webhooks
from shared.tracing.settings import TracingSettings
from shared.tracing.tracer import Tracer

_EVENTS_OUTLIVE_DELIVERIES = timedelta(days=3)


def mongo() -> Mongo:
    settings = load(StoreSettings)
    return Mongo(
        url=settings.mongodb_url.get_secret_value(),
        database=settings.mongodb_database,
        timeout_seconds=settings.store_timeout_seconds,
    )


def events(store: Mongo) -> Events:
    return Events(store, retention=timedelta(days=load(StoreSettings).retention_days) + _EVENTS_OUTLIVE_DELIVERIES)


def deliveries(store: Mongo) -> Deliveries:
    return Deliveries(store, retention=timedelta(days=load(StoreSettings).retention_days))


def folding(store: Mongo) -> Folding:
    return Folding(store, retention=timedelta(days=load(StoreSettings).retention_days))


def orders(store: Mongo) -> Orders:
    return Orders(
        store,
        retention=timedelta(days=load(StoreSettings).retention_days),
        look_every=timedelta(seconds=load(DeliverySettings).lease_seconds),
    )


def promotion(store: Mongo, publishing: Publisher) -> Promotion:
    made = deliveries(store)
    return Promotion(
        mongo=store,
        orders=orders(store),
        deliveries=made,
        events=events(store),
        hand_over=HandOver(mongo=store, deliveries=made, publisher=publishing),
    )


def by_hand(store: Mongo) -> ByHand:
    return ByHand(store, retention=timedelta(days=load(StoreSettings).retention_days))


def uncounted(store: Mongo) -> Uncounted:
    return Uncounted(store, retention=timedelta(days=load(StoreSettings).retention_days))


def stats(store: Mongo) -> Stats:
    return Stats(store, kept=timedelta(days=load(StoreSettings).stats_days))


def secret_box() -> SecretBox:
    return SecretBox(load(SecretSettings).secret_keys.get_secret_value())


def webhooks(store: Mongo) -> Webhooks:
    return Webhooks(store, secret_box())


def keys(store: Mongo) -> Keys:
    return Keys(store, admin_key=load(ApiSettings).admin_key.get_secret_value())


def amqp_url() -> str:
    url = load(BrokerSettings).amqp_url.get_secret_value()
    try:
        usable = URL(url).scheme in ("amqp", "amqps") and URL(url).host
    except ValueError:
        usable = None
    if not usable:  # not quoted, as it holds a password
        raise StartupError("DISPATCHER_AMQP_URL: amqp://user:password@host:port/vhost is needed")
    return url


def publisher(name: str) -> Publisher:
    return Publisher(url=amqp_url(), name=name, timeout_seconds=load(BrokerSettings).publish_timeout_seconds)


def lookout(name: str) -> Lookout:
    return Lookout(url=amqp_url(), name=name)


def tracer(name: str) -> Tracer:
    """OpenTelemetry is imported only by who is traced."""
    settings = load(TracingSettings)
    if not settings.on:
        return Tracer()
    from shared.tracing.exporting import Collector
    from shared.tracing.recording import RecordingTracer

    return RecordingTracer(Collector(name, links=settings.span_link_count_limit))


def egress() -> Egress:
    settings = load(EgressSettings)
    try:
        return Egress(settings.egress_allow, allow_http=settings.allow_http)
    except ValueError as error:
        raise StartupError(f"DISPATCHER_EGRESS_ALLOW: {error}; a list of cidr[:port] is needed") from None
