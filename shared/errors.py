"""Errors, split by what the caller must do.

DispatcherError
├── InvalidMessage         park it with the reason; never requeue
├── DependencyUnavailable  RabbitMQ or MongoDB is away: keep what you hold and try again
│   └── StoreUnavailable   it is MongoDB: what others could not write meanwhile may look undone
├── DeliveryFault          our own trouble with one delivery: its neighbours go on
├── Refused                tell the caller of our HTTP API: status, code, words, details
└── StartupError           stop the process with this one line

An endpoint's 500 is none of these: it is an outcome.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class DispatcherError(Exception):
    """Root of every error this project raises on purpose."""


class InvalidMessage(DispatcherError):
    """Input the pipeline cannot use. `reason` is for people, `field` names the place ("data.score.raw")."""

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.reason = reason
        self.field = field


class DependencyUnavailable(DispatcherError):
    """RabbitMQ or MongoDB did not answer, or did not promise what was asked of it."""


class StoreUnavailable(DependencyUnavailable):
    """MongoDB did not answer, or did not promise what was asked of it."""


class DeliveryFault(DispatcherError):
    """One delivery cannot be built or signed through a fault of ours."""


class Refused(DispatcherError):
    """A request to our HTTP API that is not granted; carried to the caller in the platform's error format."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] = MappingProxyType({}), **details: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers
        self.details = details


class StartupError(DispatcherError):
    """The process cannot start; the message is one line that says what to change."""
