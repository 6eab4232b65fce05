"""One example of each message that the services themselves make; those of events are the guide's."""

from typing import Any

_TENANT = "550e8400-e29b-41d4-a716-446655440000"
_DELIVERY = "delivery_8a1c0f6f1f4f3f0b9d2e4c5a6b7d8e9f"
_WEBHOOK = "webhook_0123456789abcdef01234567"
_NAMES = {"tenant_id": _TENANT, "webhook_id": _WEBHOOK, "event_id": "order-1", "event": "session.created"}
_DATA = {"session_id": "session_abc123", "package_id": "pkg_abc123", "user_id": "user_xyz789"}
_MOMENT = "2025-01-15T10:30:00.000Z"

DELIVERIES: dict[str, Any] = {
    "v": 1,
    "handed_at": 1736937000.5,
    "deliveries": [
        {
            "id": _DELIVERY,
            **_NAMES,
            "created_at": 1736937000.25,
            "body": {
                "event": "session.created",
                "tenant_id": _TENANT,
                "data": _DATA,
                "timestamp": _MOMENT,
                "delivery_id": _DELIVERY,
            },
        }
    ],
}

MARKER = {"v": 1, "marker": "0123456789abcdef", "sent_at": 1736937000.5}

DEAD_LETTER: dict[str, Any] = {
    "v": 1,
    "delivery": {
        "id": _DELIVERY,
        **_NAMES,
        "status": "dead",
        "reason": "attempts_exhausted",
        "waiting_for": None,
        "due_at": None,
        "round": 1,
        "attempt_count": 12,
        "created_at": _MOMENT,
        "ended_at": "2025-01-16T14:41:10.000Z",
        "attempts": [
            {
                "n": 12,
                "round": 1,
                "at": "2025-01-16T14:41:09.988Z",
                "duration_ms": 12,
                "outcome": "retry",
                "status_code": 503,
                "error": "http_status",
                "detail": "the endpoint answered 503 Service Unavailable",
                "answer": "no room",
                "advice": "Look for the error in the log of your server; answer 2xx first and do the work afterwards.",
            }
        ],
        "folded_into": None,
        "sequence": None,
    },
}

PARKED: dict[str, Any] = {
    "headers": {
        "x-parked-reason": "event: unknown event type 'session.paused'",
        "x-parked-from": "fanout",
        "x-parked-routing-key": "session.paused",
        "x-parked-at": _MOMENT,
        "x-parked-message-id": "order-1",
    },
    "payload": {"event": "session.paused", "tenant_id": _TENANT, "data": _DATA},
}

PARKED_BY_BROKER: dict[str, Any] = {
    "headers": {"x-death": [{"queue": "fanout", "reason": "delivery_limit", "routing-keys": ["session.created"]}]},
    "payload": {"event": "session.created", "tenant_id": _TENANT, "data": _DATA},
}
