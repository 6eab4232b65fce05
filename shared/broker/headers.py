"""Headers of messages: our own, and what of a stranger's can be sent on.

What he sent as text may be none, and cannot be sent as text again.
"""

from collections.abc import Mapping
from typing import Any

PUBLISHED_AT = "x-published-at"
"""When ingest took an event: in milliseconds since the epoch, by the database's clock.

A number with a fraction would be cut to 32 bits on its way, and be wrong by minutes."""


def sendable(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _sendable(value) for name, value in headers.items()}


def _sendable(value: Any) -> Any:
    match value:
        case bytes():
            return bytearray(value)  # AMQP's type for bytes
        case Mapping():
            return sendable(value)
        case list():
            return [_sendable(one) for one in value]
        case _:
            return value
