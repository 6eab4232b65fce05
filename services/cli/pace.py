"""Work in groups, no faster than so many per second. The clock is passed in."""

import asyncio
from collections.abc import Callable

from services.cli.running import Interrupted

_GROUPS_PER_SECOND = 4
_MOST_AT_ONCE = 500


class Pace:
    """What was not done in time is not made up for later. `clock` in seconds."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._clock = clock
        self._free_at = clock()

    @property
    def group(self) -> int:
        """So many at once: small groups, so that it can be stopped and nothing comes in bursts."""
        return max(1, min(_MOST_AT_ONCE, round(self._per_second / _GROUPS_PER_SECOND)))

    def rest_seconds(self, number: int) -> float:
        """To wait now that `number` more are done."""
        now = self._clock()
        self._free_at = max(now, self._free_at + number / self._per_second)
        return self._free_at - now


async def rest(seconds: float, stopped: asyncio.Event) -> None:
    """Or until told to stop."""
    try:
        await asyncio.wait_for(stopped.wait(), seconds)
    except TimeoutError:
        return


async def pause(seconds: float, stopped: asyncio.Event) -> None:
    """As `rest`, but to be told to stop is the end: raises Interrupted."""
    await rest(seconds, stopped)
    if stopped.is_set():
        raise Interrupted("stopped")
