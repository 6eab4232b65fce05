"""Where deliveries wait for their place: carries out what admission decides, first come first served."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import timedelta

from services.delivery.admission import Admission, Verdict
from services.delivery.breaker import BreakerPolicy

_Queue = deque["asyncio.Future[None]"]


class Pass:
    """Who is inside. `pooled`: slow, and in the pool beside the quick places."""

    __slots__ = ("endpoint", "entered", "pooled", "probe")

    def __init__(self, endpoint: str, entered: float, *, probe: bool) -> None:
        self.endpoint = endpoint
        self.entered = entered
        self.probe = probe
        self.pooled = False


class Gate:
    """At most `total` quick requests of this process are inside. `clock` in seconds, only ever forward."""

    def __init__(
        self,
        *,
        total: int,
        per_endpoint: int,
        breaker: BreakerPolicy,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._admission = Admission(total=total, per_endpoint=per_endpoint, breaker=breaker)
        self._clock = clock
        self._waiting: _Queue = deque()
        self._waiting_for: defaultdict[str, _Queue] = defaultdict(deque)

    async def enter(self, endpoint: str, *, returning: bool = False) -> Pass | None:
        """A pass once inside; None when this endpoint shall not be waited for."""
        admission = self._admission
        if returning:
            admission.returned(endpoint, self._clock())
        while True:
            match admission.ask(endpoint, self._clock(), returning=returning):
                case Verdict.DEFER:
                    self._pass_on()
                    return None
                case Verdict.LATER:
                    self._pass_on()
                    await _wait_in(self._waiting_for[endpoint])
                case Verdict.GO if admission.free > 0:
                    now = self._clock()
                    return Pass(endpoint, now, probe=admission.started(endpoint, now))
                case Verdict.GO:
                    await _wait_in(self._waiting)

    def slowed(self, held: Pass) -> None:
        """Its request is slow: who waits for a place, or for this endpoint, asks again."""
        held.pooled = self._admission.slowed(held.endpoint)
        _wake_next(self._waiting)
        self._wake_all_for(held.endpoint)

    def leave(self, held: Pass, *, ok: bool | None) -> None:
        """`ok`: how the request ended; None when none was made."""
        now = self._clock()
        self._admission.finished(
            held.endpoint, now, slow=held.pooled, probe=held.probe, ok=ok, seconds=now - held.entered
        )
        if not held.pooled:
            _wake_next(self._waiting)
        if held.endpoint not in self._waiting_for:
            return
        if self._admission.is_open(held.endpoint):
            self._wake_all_for(held.endpoint)
        else:
            self._wake_two_for(held.endpoint)

    def next_slot(self, endpoint: str) -> timedelta:
        """How long it is until then, for who was not let in."""
        now = self._clock()
        return timedelta(seconds=self._admission.slot(endpoint, now) - now)

    def is_slow(self, endpoint: str) -> bool:
        return self._admission.is_slow(endpoint)

    def is_silent(self, endpoint: str) -> bool:
        return self._admission.is_silent(endpoint)

    def load(self) -> tuple[int, int]:
        """Quick and slow requests under way."""
        return self._admission.quick, self._admission.slow

    def open_breakers(self) -> Iterator[tuple[str, float]]:
        """Each with the seconds until its next probe; 0 while one may go or is under way."""
        now = self._clock()
        return ((name, max(0.0, probe_at - now)) for name, probe_at in self._admission.open_breakers())

    def _pass_on(self) -> None:
        """Who was woken for a free place and cannot use it wakes the next."""
        if self._admission.free > 0:
            _wake_next(self._waiting)

    def _wake_two_for(self, endpoint: str) -> None:
        """One for the place that came free, one for the allowance that may have grown."""
        queue = self._waiting_for[endpoint]
        _wake_next(queue)
        _wake_next(queue)
        if not queue:
            del self._waiting_for[endpoint]

    def _wake_all_for(self, endpoint: str) -> None:
        for future in self._waiting_for.pop(endpoint, ()):
            _wake(future)


async def _wait_in(queue: _Queue) -> None:
    future = asyncio.get_running_loop().create_future()
    queue.append(future)
    try:
        await future
    except asyncio.CancelledError:
        if future in queue:
            queue.remove(future)
        elif queue:
            _wake_next(queue)  # our turn had come: it is the next one's
        raise


def _wake_next(queue: _Queue) -> None:
    while queue:
        if _wake(queue.popleft()):
            return


def _wake(future: "asyncio.Future[None]") -> bool:
    if future.done():
        return False
    future.set_result(None)
    return True
