"""How things are named: the ids of webhooks, events and deliveries. Pure but for the makers of random ids."""

import secrets
from hashlib import blake2b


def _digest(*parts: str) -> str:
    # Parts are joined by a byte that no identifier may hold, so ("a", "bc") and ("ab", "c") differ.
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def random_hex() -> str:
    return secrets.token_hex(12)


def new_webhook_id() -> str:
    return "webhook_" + random_hex()


def random_event_id() -> str:
    return "event_" + secrets.token_hex(16)


def event_id_of_bytes(raw: bytes) -> str:
    """Identity of an event that brings none: the same bytes are the same event."""
    return "event_" + blake2b(raw, digest_size=16).hexdigest()


def event_id_of_request(key_id: str, idempotency_key: str, index: int) -> str:
    """Identity of the event at `index` of an HTTP request that carried an `Idempotency-Key`."""
    return "event_" + _digest(key_id, idempotency_key, str(index))


def event_key(tenant_id: str, event_id: str) -> str:
    """Key of an event's document. A tenant id holds no slash, so two tenants' events never share a key."""
    return f"{tenant_id}/{event_id}"


def delivery_id(tenant_id: str, event_id: str, webhook_id: str) -> str:
    """The one delivery of this event to this webhook, whoever computes it and however often."""
    return "delivery_" + _digest(tenant_id, event_id, webhook_id)


def fold_key(webhook_id: str, session_id: str) -> str:
    """What the updates of one session to one webhook have in common."""
    return _digest(webhook_id, session_id)
