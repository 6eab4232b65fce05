"""What a service's answer means for a command: one line that says what was wrong and what would be right. Pure."""

from collections.abc import Mapping
from typing import Any

import orjson

from shared.errors import DependencyUnavailable, DispatcherError, StartupError

_OPTIONS = {
    "event": "--event",
    "event_type": "--event-type",
    "event_types": "--event-type",
    "expires_at": "--expires",
    "filter": "--filter",
    "headers": "--headers-file",
    "response_status": "--answered",
    "scopes": "--scope",
    "secret": "--secret-file",
    "since": "--since",
    "tenant_id": "--tenant",
    "until": "--until",
    "webhook_id": "--webhook",
}
"""By the field of a request that they become."""
_BAD_ARGUMENT, _NO_KEY, _NOT_ALLOWED, _NOT_THERE, _TOO_MANY = (400, 413, 415), 401, 403, 404, 429
_AWAY = (502, 503, 504)
_WAIT_SECONDS = 5
_LONGEST_WAIT_SECONDS = 120


class Away(DependencyUnavailable):
    """Nothing was done, as far as is known; worth another try after so long."""

    def __init__(self, words: str, wait_seconds: float = 1) -> None:
        super().__init__(words)
        self.wait_seconds = wait_seconds


class Busy(Away):
    """Nothing was done: too many requests."""


class Missing(DispatcherError):
    """There is no such thing, or not yet, or it is another tenant's."""


def refusal(status: int, raw: bytes, headers: Mapping[str, str], *, where: str, key_from: str) -> DispatcherError:
    """`where`: which address was asked, and what names it. `key_from`: where the key was found."""
    told = _told(raw)
    if told is None:
        return _stranger(status, headers, where)
    words = f"{told['code']}: {_worded(told)}"
    if status in _BAD_ARGUMENT:
        return StartupError(words)
    if status == _NO_KEY:
        return StartupError(f"{words} (used: {key_from}; needed: one that `keys create` makes, or the operator's)")
    if status == _NOT_ALLOWED:
        return DispatcherError(f"{words} (used: {key_from}; needed: {_key_needed(told)})")
    if status == _TOO_MANY:
        return Busy(words, _wait_seconds(headers))
    if status in _AWAY:
        return Away(f"{where}: {words}", _wait_seconds(headers))
    return Missing(words) if status == _NOT_THERE else DispatcherError(words)


def _told(raw: bytes) -> dict[str, Any] | None:
    """In the platform's format for errors."""
    try:
        told = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return told if isinstance(told, dict) and told.keys() >= {"error", "code", "details"} else None


def _stranger(status: int, headers: Mapping[str, str], where: str) -> DispatcherError:
    if status in _AWAY:
        return Away(f"{where}: something in between answered {status}", _wait_seconds(headers))
    going_to = f" and points to {headers['Location']}" if "Location" in headers else ""
    return StartupError(f"{where}: answered {status}{going_to}, not as this service does: is the address right?")


def _worded(told: Mapping[str, Any]) -> str:
    """Its words, with the name of the option in the place of the field's, and the details that are not told yet."""
    words, details = str(told["error"]), dict(told["details"])
    field = str(details.pop("field", ""))
    name, _, inside = field.partition(".")
    if name in _OPTIONS and words.startswith(field):
        words = f"{_OPTIONS[name]}{'.' if inside else ''}{inside}{words.removeprefix(field)}"
    more = [f"{key} {value}" for key, value in details.items() if str(value) not in words]
    return f"{words} ({', '.join(more)})" if more else words


def _key_needed(told: Mapping[str, Any]) -> str:
    match told["code"]:
        case "INSUFFICIENT_SCOPES":
            return f"a key with the scope {told['details'].get('required')}"
        case "TENANT_MISMATCH":
            return "a key of that tenant, or the operator's"
        case _:
            return "the operator's key"


def _wait_seconds(headers: Mapping[str, str]) -> float:
    told = headers.get("Retry-After", "")
    return min(int(told), _LONGEST_WAIT_SECONDS) if told.isascii() and told.isdigit() else _WAIT_SECONDS
