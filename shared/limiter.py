"""How often a key may ask. Counted by each copy of a service for itself: n copies grant n times as much."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from shared.errors import Refused
from shared.store.keys import ApiKey


class Limiter:
    """`per_minute` 0: no limit. The operator's key has none."""

    def __init__(self, *, per_minute: int, what: str = "requests") -> None:
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._what = what
        self._strategy = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def count(self, key: ApiKey, cost: int = 1) -> dict[str, str]:
        """The platform's headers for the answer. Raises Refused when it is too much, saying when to come back."""
        if self._item is None or key.tenant_id is None:
            return {}
        granted = cost == 0 or await self._strategy.hit(self._item, key.id, cost=cost)
        reset_at, remaining = await self._strategy.get_window_stats(self._item, key.id)
        headers = {
            "X-RateLimit-Limit": str(self._item.amount),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(math.ceil(reset_at)),
        }
        if granted:
            return headers
        wait = max(1, math.ceil(reset_at - time.time()))
        words = f"more than {self._item.amount} {self._what} in a minute; come back in {wait} s"
        headers["Retry-After"] = str(wait)
        raise Refused(429, "RATE_LIMIT_EXCEEDED", words, headers=headers, retry_after_seconds=wait)
