"""Looks at ordered webhooks from time to time: whoever was to hand over their next delivery may have died before."""

from shared.promotion import Promotion
from shared.store.orders import Orders

_AT_ONCE = 100


class OrderWatch:
    def __init__(self, *, orders: Orders, promotion: Promotion) -> None:
        self._orders = orders
        self._promotion = promotion

    async def run_once(self) -> bool:
        """One look at all that are due for it, up to a number; True when there may be more."""
        due = await self._orders.due(_AT_ONCE)
        if due:
            living = await self._promotion.promote([order["_id"] for order in due])
            await self._orders.looked(due, living)
        return len(due) == _AT_ONCE
