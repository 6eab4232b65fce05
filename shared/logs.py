"""structlog as JSON lines on standard output, with a step that removes secrets.

What only informs is written in groups, a moment later: a write for each line costs as much as making it.
"""

import asyncio
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, BinaryIO

import orjson
import structlog
from structlog.typing import EventDict, Processor

HELD_SECONDS = 0.1
"""Of its last lines a killed process may lose so much."""

_HIDDEN = "[redacted]"
_SECRET_NAMES = ("secret", "signature", "authorization", "api_key", "password", "admin_key")


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Fields whose names say that they hold a secret lose their value, whoever logged them."""
    for name in _secret_names(tuple(event)):
        event[name] = _HIDDEN
    return event


@lru_cache(maxsize=1_000)
def _secret_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if any(part in name.lower() for part in _SECRET_NAMES))


def _dumps(event: dict[str, Any], **_: Any) -> bytes:
    return orjson.dumps(event, default=repr, option=orjson.OPT_UTC_Z)


class Lines:
    """Lines on their way to a file: warnings and worse at once, with all before them, others within a moment."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._held: list[bytes] = []

    def info(self, line: bytes) -> None:
        self._held.append(line + b"\n")
        if len(self._held) == 1:
            self._flush_soon()

    def warning(self, line: bytes) -> None:
        self._held.append(line + b"\n")
        self.flush()

    debug = info
    error = critical = warning

    def flush(self) -> None:
        held, self._held = self._held, []
        self._file.write(b"".join(held))
        self._file.flush()

    def _flush_soon(self) -> None:
        try:
            asyncio.get_running_loop().call_later(HELD_SECONDS, self.flush)
        except RuntimeError:  # no loop runs here
            self.flush()


@contextmanager
def to_stdout(level: str, service: str) -> Iterator[None]:
    """Once per process, around everything that logs."""
    with open(sys.stdout.fileno(), "wb", closefd=False) as file:
        lines = Lines(file)
        _configure(lines, level, service)
        try:
            yield
        finally:
            lines.flush()


def _configure(lines: Lines, level: str, service: str) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _when_and_who(service),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda: lines,
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library; only what needs a person comes through.
    library = logging.StreamHandler()
    library.setFormatter(_Library())
    logging.basicConfig(level=logging.ERROR, handlers=[library])


def _when_and_who(service: str) -> Processor:
    def add(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        event["timestamp"] = datetime.now(UTC)
        return event

    return add


class _Library(logging.Formatter):
    """What libraries say quotes what they were sent, secrets included: only where it was said, and of what error."""

    def format(self, record: logging.LogRecord) -> str:
        kind, _, frames = record.exc_info or (None, None, None)
        return _dumps(
            {
                "event": "library.error",
                "logger": record.name,
                "at": f"{record.filename}:{record.lineno}",
                "error": kind.__name__ if kind else None,
                "frames": [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(frames)[-5:]],
                "level": record.levelname.lower(),
                "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            }
        ).decode()
