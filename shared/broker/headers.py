"""Headers of a message that goes on: what a stranger sent as text may be none, and cannot be sent as text again."""

from collections.abc import Mapping
from typing import Any


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
