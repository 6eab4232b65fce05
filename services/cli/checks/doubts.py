"""Settings that load and hardly can be meant so."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import NamedTuple

from yarl import URL

from shared.hosts import local_name
from shared.settings import (
    ApiSettings,
    BrokerSettings,
    DeliverySettings,
    EgressSettings,
    RetrySettings,
    StoreSettings,
    load,
)

_KEY_LENGTH = 20
_GUIDES_LIMIT_SECONDS = 30
_EVENTS_OUTLIVE_DAYS = 3


class Doubt(NamedTuple):
    found: str
    remedy: str


def doubts() -> Iterator[Doubt]:
    """Of settings that all can be loaded."""
    yield from _of_the_operator(load(ApiSettings).admin_key.get_secret_value())
    yield from _of_the_broker(load(BrokerSettings).amqp_url.get_secret_value())
    yield from _of_delivery(load(DeliverySettings))
    yield from _of_retries(load(RetrySettings), load(StoreSettings))
    yield from _of_the_way_out(load(EgressSettings))


def _of_the_operator(key: str) -> Iterator[Doubt]:
    if not key:
        yield Doubt("DISPATCHER_ADMIN_KEY is empty: nobody can make the first API key", _NEW_KEY)
    elif len(key) < _KEY_LENGTH:
        yield Doubt(f"DISPATCHER_ADMIN_KEY has {len(key)} characters and can be guessed", _NEW_KEY)


def _of_the_broker(url: str) -> Iterator[Doubt]:
    try:
        address = URL(url)
    except ValueError:
        return
    if address.user == "guest" and not _here(address.host or ""):
        yield Doubt(
            f"DISPATCHER_AMQP_URL: guest may not log in to {address.host} from elsewhere, unless that was allowed",
            "rabbitmqctl add_user dispatcher PASSWORD && rabbitmqctl set_permissions dispatcher '.*' '.*' '.*'",
        )


def _of_delivery(delivery: DeliverySettings) -> Iterator[Doubt]:
    if delivery.attempt_timeout_seconds > _GUIDES_LIMIT_SECONDS:
        yield Doubt(
            f"DISPATCHER_ATTEMPT_TIMEOUT_SECONDS is {delivery.attempt_timeout_seconds:g}; customers were told 30",
            "DISPATCHER_ATTEMPT_TIMEOUT_SECONDS=30",
        )
    if delivery.detach_seconds >= delivery.attempt_timeout_seconds:
        yield Doubt(
            "DISPATCHER_DETACH_SECONDS is not below DISPATCHER_ATTEMPT_TIMEOUT_SECONDS: slow endpoints hold up others",
            "DISPATCHER_DETACH_SECONDS=1",
        )
    if delivery.in_flight_per_endpoint >= delivery.in_flight:
        yield Doubt(
            "DISPATCHER_IN_FLIGHT_PER_ENDPOINT is not below DISPATCHER_IN_FLIGHT: one endpoint may take all places",
            f"DISPATCHER_IN_FLIGHT_PER_ENDPOINT={max(1, delivery.in_flight // 4)}",
        )


def _of_retries(retries: RetrySettings, store: StoreSettings) -> Iterator[Doubt]:
    if retries.retry_cap_seconds < retries.retry_base_seconds:
        yield Doubt(
            "DISPATCHER_RETRY_CAP_SECONDS is below DISPATCHER_RETRY_BASE_SECONDS: no wait grows",
            "DISPATCHER_RETRY_CAP_SECONDS=28800",
        )
    kept = store.retention_days + _EVENTS_OUTLIVE_DAYS
    if retries.expire_hours > 24 * kept:
        yield Doubt(
            f"deliveries are tried for {retries.expire_hours:g} hours, and their events kept for {kept:g} days only",
            f"DISPATCHER_RETENTION_DAYS={retries.expire_hours / 24:.0f} or more",
        )


def _of_the_way_out(egress: EgressSettings) -> Iterator[Doubt]:
    if egress.allow_http:
        yield Doubt(
            "DISPATCHER_ALLOW_HTTP: customers' data may go over the internet in plain text",
            "DISPATCHER_ALLOW_HTTP=false, unless this is for development",
        )
    for text in filter(None, map(str.strip, egress.egress_allow.split(","))):
        yield Doubt(
            f"DISPATCHER_EGRESS_ALLOW: webhooks may lead to {text}{_size(text)}, which customers choose",
            "unset DISPATCHER_EGRESS_ALLOW, unless endpoints of yours are there",
        )


def _size(text: str) -> str:
    try:
        addresses = ip_network(text, strict=False).num_addresses
    except ValueError:
        return ""
    return f" ({addresses} addresses, on every port)"


def _here(host: str) -> bool:
    return local_name(host) or host.startswith("127.") or host == "::1"


_NEW_KEY = "python3 -c \"import secrets; print('DISPATCHER_ADMIN_KEY=scorm_' + secrets.token_urlsafe(32))\""
