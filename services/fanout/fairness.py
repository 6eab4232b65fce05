"""Decides which tenants have had more than their share of the workers lately. Pure: counts and the clock come in.

The share is what each would have if half of all that came lately were shared out alike: who wanted less keeps it, and
leaves the rest to the others. So one flood is above it however large, twenty alike all are, and their neighbours not.
"""

from collections.abc import Iterable, Mapping
from heapq import nlargest
from operator import itemgetter

_HALF_LIFE_SECONDS = 10
_MOST_BURSTS = 20
_MOST_TENANTS = 1_000


class Fairness:
    """`burst`: deliveries that a tenant may have lately and never be above its share; twenty times that always is.

    What was counted is half forgotten every ten seconds. Of more than a thousand tenants only those with most are
    remembered: who is forgotten had little, or begins anew.
    """

    def __init__(self, *, burst: int) -> None:
        self._burst = burst
        self._lately: dict[str, float] = {}
        self._halved_at = 0.0

    def count(self, deliveries: Mapping[str, int], now: float) -> None:
        """How many deliveries each tenant gets now; `now` in seconds."""
        self._forget(now)
        for tenant_id, more in deliveries.items():
            self._lately[tenant_id] = self._lately.get(tenant_id, 0) + more
        if len(self._lately) > _MOST_TENANTS:
            self._lately = dict(nlargest(_MOST_TENANTS // 2, self._lately.items(), key=itemgetter(1)))

    def above_share(self) -> frozenset[str]:
        """Tenants' ids."""
        share = min(max(_level(self._lately.values()), self._burst), self._burst * _MOST_BURSTS)
        return frozenset(tenant_id for tenant_id, lately in self._lately.items() if lately > share)

    def _forget(self, now: float) -> None:
        """A clock that was set back costs one half-life at most."""
        half_lives = (now - self._halved_at) // _HALF_LIFE_SECONDS
        if half_lives:
            self._halved_at += half_lives * _HALF_LIFE_SECONDS
            part = 0.5 ** max(half_lives, 0)
            self._lately = {tenant_id: left for tenant_id, n in self._lately.items() if (left := n * part) >= 1}


def _level(counts: Iterable[float]) -> float:
    """The most that anybody gets when half of the sum of `counts` is shared out and nobody gets more than its count."""
    ascending = sorted(counts)
    left = sum(ascending) / 2
    for place, count in enumerate(ascending):
        alike = left / (len(ascending) - place)
        if count > alike:
            return alike
        left -= count
    return 0  # nothing was counted
