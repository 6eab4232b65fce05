"""Is the machine itself even? A core that somebody else shares does at times half of what it does at others.

Nothing on a virtual machine counts that: neither its load nor stolen time. So the same piece of work is done again and
again, and the CPU time that it takes tells.
"""

import asyncio
import math
import time
from statistics import fmean

_TIMES = 20  # a second: well below a hundredth of a core
_SLOWER = 1.35
"""Longer than in the quickest second so far. What is measured stays below that: twice the load leaves no second out."""


class Evenness:
    """Knows the quickest second there was."""

    def __init__(self) -> None:
        self._quickest = math.inf
        self._was_even = True

    async def second(self) -> bool:
        """Takes one second; False when the machine was slow in it, or in the one before: what piled up comes late."""
        took = []
        for _ in range(_TIMES):
            await asyncio.sleep(1 / _TIMES)
            took.append(_work_seconds())
        mean = fmean(took)
        self._quickest = min(self._quickest, mean)
        before, self._was_even = self._was_even, mean < self._quickest * _SLOWER
        return before and self._was_even


def _work_seconds() -> float:
    began = time.thread_time()
    sum(number * number for number in range(5_000))
    return time.thread_time() - began
