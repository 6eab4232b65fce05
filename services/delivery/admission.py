"""Decides whether an endpoint may have one more request now. Pure: it counts, others wait and send.

A slow endpoint (one with a request that outlived its message's patience) gets no more than its cap and is never waited
for; when slow requests hold half of all places, endpoints that are slow get no new ones at all.
"""

from dataclasses import dataclass
from enum import Enum, auto


class Verdict(Enum):
    GO = auto()
    LATER = auto()  # a place of this endpoint frees soon: wait for it
    DEFER = auto()  # do not wait for this endpoint


@dataclass(slots=True)
class _Endpoint:
    in_flight: int = 0
    slow: int = 0


class Admission:
    """`total` requests at once, `per_endpoint` to one endpoint."""

    def __init__(self, *, total: int, per_endpoint: int) -> None:
        self._slow_share = max(1, total // 2)
        self._per_endpoint = per_endpoint
        self._endpoints: dict[str, _Endpoint] = {}
        self._slow = 0

    def ask(self, endpoint: str) -> Verdict:
        state = self._endpoints.get(endpoint)
        if state is None:
            return Verdict.GO
        if state.slow and self._slow >= self._slow_share:
            return Verdict.DEFER
        if state.in_flight < self._per_endpoint:
            return Verdict.GO
        return Verdict.DEFER if state.slow else Verdict.LATER

    def started(self, endpoint: str) -> None:
        self._endpoints.setdefault(endpoint, _Endpoint()).in_flight += 1

    def slowed(self, endpoint: str) -> None:
        """A request under way has outlived its message's patience."""
        self._endpoints[endpoint].slow += 1
        self._slow += 1

    def finished(self, endpoint: str, *, slow: bool) -> None:
        state = self._endpoints[endpoint]
        state.in_flight -= 1
        state.slow -= slow
        self._slow -= slow
        if not state.in_flight:
            del self._endpoints[endpoint]
