"""Where deliveries wait for their place: carries out what admission decides, first come first served."""

import asyncio
from collections import defaultdict, deque

from services.delivery.admission import Admission, Verdict

_Queue = deque["asyncio.Future[None]"]


class Gate:
    """At most `total` requests of this process are inside."""

    def __init__(self, *, total: int, per_endpoint: int) -> None:
        self._admission = Admission(total=total, per_endpoint=per_endpoint)
        self._free = total
        self._waiting: _Queue = deque()
        self._waiting_for: defaultdict[str, _Queue] = defaultdict(deque)

    async def enter(self, endpoint: str) -> bool:
        """True once inside; False when this endpoint shall not be waited for."""
        while True:
            match self._admission.ask(endpoint):
                case Verdict.DEFER:
                    self._pass_on()
                    return False
                case Verdict.LATER:
                    self._pass_on()
                    await _wait_in(self._waiting_for[endpoint])
                case Verdict.GO if self._free > 0:
                    self._free -= 1
                    self._admission.started(endpoint)
                    return True
                case Verdict.GO:
                    await _wait_in(self._waiting)

    def _pass_on(self) -> None:
        """Who was woken for a free place and cannot use it wakes the next."""
        if self._free > 0:
            _wake_next(self._waiting)

    def slowed(self, endpoint: str) -> None:
        """A request inside is slow: who waits for this endpoint asks again."""
        self._admission.slowed(endpoint)
        for future in self._waiting_for.pop(endpoint, ()):
            _wake(future)

    def leave(self, endpoint: str, *, slow: bool) -> None:
        self._free += 1
        self._admission.finished(endpoint, slow=slow)
        _wake_next(self._waiting)
        queue = self._waiting_for.get(endpoint)
        if queue is not None:
            _wake_next(queue)
            if not queue:
                del self._waiting_for[endpoint]


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
