"""One time limit for many at once: `asyncio.timeout` with a timer for each costs more than signing does."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")


class TimeLimit:
    """`seconds` for each. As they are the same for all, who began first is over first, and one timer is enough."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[asyncio.Timeout, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def keep(self, work: Awaitable[Result]) -> Result:
        """Raises TimeoutError when `work` takes longer, and cancels it."""
        async with asyncio.timeout(None) as timeout:
            self._ends[timeout] = end = asyncio.get_running_loop().time() + self._seconds
            if self._timer is None:
                self._look_at(end)
            try:
                return await work
            finally:
                self._ends.pop(timeout, None)

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _look_at(self, end: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(end, self._look)

    def _look(self) -> None:
        """End what is over; the first that is not says when to look again."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        for timeout, end in list(self._ends.items()):
            if end > now:
                self._look_at(end)
                break
            del self._ends[timeout]
            timeout.reschedule(end)
