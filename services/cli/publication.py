"""What is to be published, taken apart: events with their places in what was given, and batches of them. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from shared.contracts.event import MAX_BATCH_EVENTS, MAX_EVENT_BYTES
from shared.errors import StartupError

_BATCH_BYTES = 4 * 1024 * 1024  # with room for the commas
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_ANY = msgspec.json.Decoder(msgspec.Raw)
_WRONG = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Given(NamedTuple):
    """One event as it stood, or what was to be one; `place` is for people: `line 3`, `event 3`."""

    place: str
    raw: bytes


class Unusable(NamedTuple):
    """What is not sent, since it would spoil its batch."""

    place: str
    error: str


def taken_apart(raw: bytes) -> list[Given | Unusable]:
    """A JSON array, a single JSON value, or a value on each line. Raises StartupError when there is nothing to send."""
    if raw.lstrip()[:1] == b"[":
        try:
            found = [_judged(f"event {n}", bytes(one)) for n, one in enumerate(_ARRAY.decode(raw), 1)]
        except _WRONG as error:
            raise StartupError(f"not a JSON array: {error}") from None
    elif _problem(raw) is None:
        found = [_judged("event 1", raw.strip())]
    else:
        lines = enumerate(raw.split(b"\n"), 1)
        found = [_judged(f"line {n}", line) for n, line in lines if line.strip()]
    if not found:
        raise StartupError("there is nothing to publish")
    return found


def _judged(place: str, raw: bytes) -> Given | Unusable:
    if len(raw) > MAX_EVENT_BYTES:
        return Unusable(place, f"{len(raw)} bytes, more than the {MAX_EVENT_BYTES} an event may have")
    problem = _problem(raw)
    if problem is None and raw.strip()[:1] != b"{":
        problem = "not a JSON object"  # as the first of a batch it would have the whole batch refused
    return Given(place, raw) if problem is None else Unusable(place, problem)


def _problem(raw: bytes) -> str | None:
    try:
        _ANY.decode(raw)
    except _WRONG as error:
        return f"not JSON: {error}"
    return None


def batches(events: Sequence[Given], most: int = MAX_BATCH_EVENTS) -> Iterator[list[Given]]:
    """In order. The same events make the same batches, so that repeating them under their keys repeats nothing."""
    batch: list[Given] = []
    size = 0
    for event in events:
        if batch and (len(batch) >= most or size + len(event.raw) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += len(event.raw)
    if batch:
        yield batch
