"""Measures what waits: in the broker's queues, and by the clock. A look costs the same however much that is."""

from datetime import timedelta

from services.scheduler import metrics
from shared.broker.publisher import Publisher
from shared.broker.topology import QUEUES
from shared.store.backlog import Backlog
from shared.store.deliveries import Deliveries
from shared.store.mongo import Mongo


class Watch:
    """Two looks, so that while one server is away the other is still measured."""

    EVERY = timedelta(seconds=5)

    def __init__(self, *, mongo: Mongo, publisher: Publisher, deliveries: Deliveries, backlog: Backlog) -> None:
        self._mongo = mongo
        self._publisher = publisher
        self._deliveries = deliveries
        self._backlog = backlog

    async def look_at_queues(self) -> None:
        for queue in QUEUES:
            messages, consumers = await self._publisher.counted(queue.name)
            metrics.QUEUE_MESSAGES[queue.name].set(messages)
            metrics.QUEUE_CONSUMERS[queue.name].set(consumers)

    async def look_at_backlog(self) -> None:
        """Also while nothing is released because there is no room in a queue."""
        now, first = self._mongo.now(), await self._deliveries.due(1)
        overdue = max((now - due_at for _, due_at in first), default=timedelta(0))
        metrics.OVERDUE_SECONDS.set(max(0.0, overdue.total_seconds()))
        spans = await self._backlog.by_due_time()
        for waiting, span in zip(metrics.WAITING.values(), spans, strict=True):
            waiting.set(span.deliveries)
