"""What is published: the guide's events with the moment of publishing in `data`, about 450 bytes when posted."""

import itertools
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from shared.contracts.event_types import EVENT_TYPES, GUIDE_TYPES
from tests.cluster import TENANT

WEBHOOKS = 200
SENT = b'"sent_ns":'
_TIMESTAMP = "2025-01-15T10:30:00.000Z"
_HARDEST = "session.completed"


@dataclass(frozen=True)
class Shape:
    """To how many of the 200 webhooks each event goes."""

    fanout: int
    bad: str = ""
    """As "name:count": each event is followed by one for the next of so many webhooks of endpoints in trouble."""

    @property
    def bad_packages(self) -> list[str]:
        name, _, count = self.bad.partition(":")
        return [f"{name}_{number}" for number in range(int(count or 0))]

    def webhook(self, number: int) -> dict[str, Any]:
        """What the webhook of this number asks for, beside its URL."""
        if self.fanout == 1:
            return package_webhook(f"pkg_{number}")
        if self.fanout == WEBHOOKS:
            return {"event_type": _HARDEST}
        types = GUIDE_TYPES
        return {"event_type": types[number % len(types)]}

    def events(self) -> Iterator[tuple[str, bytes]]:
        """Event types (the routing keys) with events, for ever."""
        bad = itertools.cycle(self.bad_packages)
        types = GUIDE_TYPES if self.fanout == WEBHOOKS // len(GUIDE_TYPES) else [_HARDEST]
        for number in itertools.count():
            name = types[number % len(types)]
            yield name, orjson.dumps(_event(name, number, f"pkg_{number % WEBHOOKS}"))
            if self.bad:
                yield _HARDEST, orjson.dumps(_event(_HARDEST, number, next(bad)))


def package_webhook(package: str) -> dict[str, Any]:
    return {"event_type": _HARDEST, "filter": {"field": "package_id", "eq": package}}


def _event(name: str, number: int, package: str) -> dict[str, Any]:
    data = {**EVENT_TYPES[name].example, "package_id": package}
    return {
        "event": name,
        "tenant_id": TENANT,
        "event_id": str(uuid.UUID(int=time.time_ns() << 64 | number)),
        "data": {**data, "sent_ns": time.time_ns()},
        "timestamp": _TIMESTAMP,
    }


def posted_body() -> bytes:
    """A body as an endpoint gets it, for the raw loop."""
    event = _event(_HARDEST, 0, "pkg_0")
    del event["event_id"]
    return orjson.dumps({**event, "delivery_id": "delivery_" + "0" * 32})


def sent_at(body: bytes) -> int:
    """When the event in this body was published, in ns since the epoch."""
    start = body.index(SENT) + len(SENT)
    return int(body[start : start + 19])
