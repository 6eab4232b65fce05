"""Deliveries that are not handed over at once: those that may be folded, and those of ordered webhooks."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.fanout import metrics
from services.fanout.folding import update_of
from shared.contracts.event import AcceptedEvent
from shared.contracts.message import QueuedDelivery
from shared.contracts.webhook import Webhook
from shared.promoter import Promoter
from shared.retry import keep_trying
from shared.store.folding import Folding, Update
from shared.store.orders import Orders

_CHUNK = 2_000


@dataclass(slots=True)
class Held:
    """Of one batch, in the order of arrival."""

    updates: list[Update] = field(default_factory=list)
    ordered: defaultdict[str, list[QueuedDelivery]] = field(default_factory=lambda: defaultdict(list))

    def keeps(self, delivery: QueuedDelivery, event: AcceptedEvent, webhook: Webhook) -> bool:
        """False for a delivery that is handed over at once, as most are."""
        if webhook.ordered:
            self.ordered[webhook.id].append(delivery)
        elif update := update_of(delivery, event, webhook):
            self.updates.append(update)
        else:
            return False
        return True

    def __bool__(self) -> bool:
        return bool(self.updates or self.ordered)


class Holding:
    def __init__(self, *, folding: Folding, orders: Orders, promoter: Promoter) -> None:
        self._folding = folding
        self._orders = orders
        self._promoter = promoter

    async def insert(self, held: Held) -> None:
        """As waiting. The scheduler hands over what may be folded, once it is due."""
        for start in range(0, len(held.updates), _CHUNK):
            await self._fold(held.updates[start : start + _CHUNK])
        for webhook_id, deliveries in held.ordered.items():
            for start in range(0, len(deliveries), _CHUNK):
                await self._append(webhook_id, deliveries[start : start + _CHUNK])

    def marked(self, held: Held) -> None:
        """Their events are: the first of each ordered webhook can go. Dying here leaves that to the scheduler."""
        self._promoter.soon(held.ordered)

    async def _fold(self, updates: Sequence[Update]) -> None:
        metrics.CREATED.inc(await keep_trying(lambda: self._folding.insert(updates)))

    async def _append(self, webhook_id: str, deliveries: Sequence[QueuedDelivery]) -> None:
        metrics.CREATED.inc(await keep_trying(lambda: self._orders.insert(webhook_id, deliveries)))
