"""Makes the parts that several services need, from their settings."""

from datetime import timedelta

from shared.broker.publisher import Publisher
from shared.egress import Egress
from shared.errors import StartupError
from shared.settings import ApiSettings, BrokerSettings, EgressSettings, SecretSettings, StoreSettings, load
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.keys import Keys
from shared.store.mongo import Mongo
from shared.store.secrets import SecretBox
from shared.store.webhooks import Webhooks

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


def webhooks(store: Mongo) -> Webhooks:
    return Webhooks(store, SecretBox(load(SecretSettings).secret_keys.get_secret_value()))


def keys(store: Mongo) -> Keys:
    return Keys(store, admin_key=load(ApiSettings).admin_key.get_secret_value())


def amqp_url() -> str:
    return load(BrokerSettings).amqp_url.get_secret_value()


def publisher(name: str) -> Publisher:
    return Publisher(url=amqp_url(), name=name, timeout_seconds=load(BrokerSettings).publish_timeout_seconds)


def egress() -> Egress:
    settings = load(EgressSettings)
    try:
        return Egress(settings.egress_allow, allow_http=settings.allow_http)
    except ValueError as error:
        raise StartupError(f"DISPATCHER_EGRESS_ALLOW: {error}; a list of cidr[:port] is needed") from None
