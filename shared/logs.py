"""structlog as JSON lines on standard output, with a step that removes secrets."""

import logging
import sys
from functools import lru_cache
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict

_HIDDEN = "[redacted]"
_SECRET_NAMES = ("secret", "signature", "authorization", "api_key", "password", "admin_key")


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Fields whose names say that they hold a secret lose their value, whoever logged them."""
    for name in event:
        if _tells_a_secret(name):
            event[name] = _HIDDEN
    return event


@lru_cache(maxsize=1_000)
def _tells_a_secret(name: str) -> bool:
    return any(part in name.lower() for part in _SECRET_NAMES)


def _dumps(event: dict[str, Any], **_: Any) -> bytes:
    return orjson.dumps(event, default=repr)


def configure(level: str, service: str) -> None:
    """Once per process, before anything logs."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    # Libraries log through the standard library; only what needs a person comes through.
    logging.basicConfig(level=logging.ERROR, format='{"event":"library.error","logger":"%(name)s"}')
