"""What spans tell, by OpenTelemetry's names where it has one: of a URL only host and port, the rest may be secret."""

from urllib.parse import urlsplit

from shared.contracts.message import QueuedDelivery

Attributes = dict[str, str | int]

REQUEST: Attributes = {"http.request.method": "POST", "http.route": "/api/v1/events"}


def messaging(operation: str, destination: str) -> Attributes:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": operation,
        "messaging.destination.name": destination,
    }


def of_event(tenant_id: str, event_id: str, event_type: str) -> Attributes:
    return {
        "dispatcher.tenant_id": tenant_id,
        "dispatcher.event_id": event_id,
        "dispatcher.event_type": event_type,
    }


def of_attempt(queued: QueuedDelivery, number: int, url: str) -> Attributes:
    return {
        **of_event(queued.tenant_id, queued.event_id, queued.event),
        "dispatcher.webhook_id": queued.webhook_id,
        "dispatcher.delivery_id": queued.id,
        "dispatcher.round": queued.round,
        "dispatcher.attempt": number,
        "http.request.method": "POST",
        **_server(url),
    }


def _server(url: str) -> Attributes:
    parts = urlsplit(url)
    return {
        "server.address": parts.hostname or "",
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
    }
