"""Events made up for `load`. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import orjson

from shared.contracts.event_types import EVENT_TYPES
from shared.times import iso


@dataclass(frozen=True, kw_only=True)
class Template:
    """The guide's example, of one of so many sessions (packages for what is about packages), each in turn."""

    run: str
    event_type: str
    tenant: str
    sessions: int

    def event(self, number: int, now: datetime) -> bytes:
        data = dict(EVENT_TYPES[self.event_type].example)
        about = "session_id" if "session_id" in data else "package_id"
        data[about] = f"{about.removesuffix('_id')}_load_{self.run}_{number % self.sessions}"
        if "time_spent_seconds" in data:
            data["time_spent_seconds"] = number // self.sessions
        return orjson.dumps(
            {
                "event": self.event_type,
                "tenant_id": self.tenant,
                "event_id": f"load_{self.run}_{number}",
                "data": data,
                "timestamp": iso(now),
            }
        )


def groups(count: int, size: int) -> Iterator[range]:
    """Numbers from 0, so many at once."""
    for first in range(0, count, size):
        yield range(first, min(count, first + size))
