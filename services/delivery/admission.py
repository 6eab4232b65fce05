"""Decides whether an endpoint may have one more request now, and if not, when to come again. Pure: others send.

Three things keep one endpoint from slowing another. Nobody has more than a few requests under way before it answered
some; whoever is slow holds no more than its share of a pool of its own; whoever fails again and again gets one probe at
a time. What is not admitted stands in line: each gets the endpoint's next free slot, so that waiting costs a bounded
rate of work however much waits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from services.delivery.breaker import Breaker, BreakerPolicy

FIRST_ALLOWANCE = 5
SILENT_SECONDS = 0.2
"""Nothing was heard for so long of one that answered none yet: nobody waits for it any more."""
_SLOW_POOL = 4  # slow requests per quick place
_LOWEST_PACE = 0.25  # slots a second, of an endpoint that answers nothing
_UNKNOWN_PACE = 50.0  # of one that may just not have answered yet
_SILENT_PACE = 2.0  # once nobody waits for it any more
_GROWTH = 1.25  # more than it answered lately, so that it gets more as soon as there is room
_SLOW_SECONDS = 1.0  # an answer takes on average, above which an endpoint is slow also between two slow requests
_FIRST_GUESS_SECONDS = 2.0
_SHORTEST_SECONDS = 0.1
_WEIGHT = 0.2  # of the newest answer in the average
_MOST_REMEMBERED = 10_000


class Verdict(Enum):
    GO = auto()
    LATER = auto()  # a place of this endpoint frees soon: wait for it
    DEFER = auto()  # do not wait for this endpoint


@dataclass(slots=True)
class _Endpoint:
    """`line`: the last slot given. `allowance`: requests under way at once, one more for each success."""

    breaker: Breaker
    in_flight: int = 0
    slow: int = 0
    allowance: int = FIRST_ALLOWANCE
    seconds: float = _FIRST_GUESS_SECONDS  # an answer takes on average
    line: float = 0.0
    standing: int = 0  # in line, as far as this process knows
    answered: bool = False
    answered_at: float = 0.0  # for the last time
    heard_at: float = 0.0  # an answer, a failure, or the first request's beginning

    @property
    def is_slow(self) -> bool:
        return self.slow > 0 or (self.answered and self.seconds > _SLOW_SECONDS)

    def is_silent(self, now: float) -> bool:
        """For so long that nobody waits for it any more."""
        return not self.answered and now - self.heard_at >= SILENT_SECONDS

    def took(self, seconds: float, *, ok: bool) -> None:
        """What it takes lately; its first answer says more than a guess."""
        first = ok and not self.answered
        self.seconds = seconds if first else self.seconds + (seconds - self.seconds) * _WEIGHT

    def is_idle(self, now: float) -> bool:
        """Forgetting it changes nothing that matters."""
        return not (self.in_flight or self.breaker.failures or self.line > now)


class Admission:
    """`total` quick requests at once, `per_endpoint` to one endpoint, slow ones included.

    A request is slow once it outlived its message's patience. It gives its place back then and holds one of a pool
    beside, of which endpoints known as slow may fill an eighth.
    """

    def __init__(self, *, total: int, per_endpoint: int, breaker: BreakerPolicy) -> None:
        self._total = self.free = total
        self._slow_room = total * _SLOW_POOL
        self._slow_share = max(1, total // 2)
        self.slow = 0
        self._per_endpoint = per_endpoint
        self._policy = breaker
        self._endpoints: dict[str, _Endpoint] = {}

    @property
    def quick(self) -> int:
        return self._total - self.free

    def ask(self, endpoint: str, now: float, *, returning: bool = False) -> Verdict:
        """`returning`: it had a slot. Whoever had none goes behind those that stand in line."""
        state = self._endpoints.get(endpoint)
        if state is None:
            return Verdict.GO
        if not state.breaker.admits(now):
            return Verdict.DEFER
        if state.is_slow and (self.slow >= self._slow_share or (state.line > now and not returning)):
            return Verdict.DEFER
        if state.in_flight < min(state.allowance, self._per_endpoint):
            return Verdict.GO
        return Verdict.DEFER if state.is_slow or state.is_silent(now) else Verdict.LATER

    def started(self, endpoint: str, now: float) -> bool:
        """One place is taken; True when it is the breaker's probe."""
        state = self._remembered(endpoint)
        if not state.in_flight:
            state.heard_at = now
        state.in_flight += 1
        self.free -= 1
        return state.breaker.started()

    def slowed(self, endpoint: str) -> bool:
        """A request under way is slow; True when that gave its place back."""
        if self.slow >= self._slow_room:
            return False
        self._endpoints[endpoint].slow += 1
        self.slow += 1
        self.free += 1
        return True

    def finished(
        self, endpoint: str, now: float, *, slow: bool, probe: bool, ok: bool | None = None, seconds: float = 0.0
    ) -> None:
        """`ok`: how its request ended, None when none was made; `seconds`: how long that took."""
        state = self._endpoints[endpoint]
        state.in_flight -= 1
        state.slow -= slow
        self.slow -= slow
        self.free += not slow
        state.breaker.ended(ok, now, probe=probe)
        if ok is not None:
            state.took(seconds, ok=ok)
            state.heard_at = now
        if ok:
            self._succeeded(state, now)
        elif state.breaker.probe_at is not None:
            state.allowance, state.answered = FIRST_ALLOWANCE, False
        if state.is_idle(now):
            del self._endpoints[endpoint]

    def slot(self, endpoint: str, now: float) -> float:
        """The next free one, for who was not admitted: at most as many a second as the endpoint has answered lately."""
        state = self._remembered(endpoint)
        state.standing += 1
        state.line = max(state.line, now, state.breaker.probe_at or now) + 1 / self._pace(state, now)
        return state.line

    def returned(self, endpoint: str, now: float) -> None:
        """One that stood in line is back: with the last of them the line ends, whatever slots it was given."""
        if state := self._endpoints.get(endpoint):
            state.standing = max(0, state.standing - 1)
            if not state.standing:
                state.line = now

    def is_slow(self, endpoint: str) -> bool:
        state = self._endpoints.get(endpoint)
        return state is not None and state.is_slow

    def is_silent(self, endpoint: str) -> bool:
        """Requests are under way, and it answered none since it was last idle or failing."""
        state = self._endpoints.get(endpoint)
        return state is not None and state.in_flight > 0 and not state.answered

    def is_open(self, endpoint: str) -> bool:
        state = self._endpoints.get(endpoint)
        return state is not None and state.breaker.probe_at is not None

    def open_breakers(self) -> Iterator[tuple[str, float]]:
        """Each with the moment of its next probe."""
        for name, state in self._endpoints.items():
            if state.breaker.probe_at is not None:
                yield name, state.breaker.probe_at

    def _remembered(self, endpoint: str) -> _Endpoint:
        state = self._endpoints.get(endpoint)
        if state is None:
            if len(self._endpoints) >= _MOST_REMEMBERED:
                self._forget_one()
            state = self._endpoints[endpoint] = _Endpoint(Breaker(self._policy))
        return state

    def _pace(self, state: _Endpoint, now: float) -> float:
        """Slots a second. Whoever falls silent counts as slower with each second in which it answers nothing."""
        if state.breaker.probe_at is not None or (state.slow and not state.answered):
            return _LOWEST_PACE
        if not state.answered:
            return _SILENT_PACE if state.is_silent(now) else _UNKNOWN_PACE
        silent = now - state.answered_at if state.slow else 0.0
        return max(_LOWEST_PACE, _GROWTH * state.in_flight / max(state.seconds, silent, _SHORTEST_SECONDS))

    def _succeeded(self, state: _Endpoint, now: float) -> None:
        state.answered, state.answered_at = True, now
        state.allowance = min(state.allowance + 1, self._per_endpoint)
        if not state.is_slow:
            state.line, state.standing = now, 0  # no trouble: whoever comes now need not stand in line

    def _forget_one(self) -> None:
        """The one that was there first and is not in use: it counts as closed then."""
        for name, state in self._endpoints.items():
            if not state.in_flight:
                del self._endpoints[name]
                return
