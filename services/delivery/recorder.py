"""Writes what attempts led to. Steps that are ready together go in one bulk; none waits for company."""

import asyncio
from collections.abc import Sequence

import structlog

from services.delivery import metrics
from services.delivery.decision import GONE
from shared.broker.publisher import Publisher
from shared.broker.topology import DEAD_DELIVERIES, DEAD_LETTERS
from shared.contracts.delivery import LIVE, Dead, DeliveryRecord, Step, Wait
from shared.contracts.webhook import ENDED_GONE
from shared.disabling import Disabling
from shared.errors import DependencyUnavailable
from shared.lifecycle import background
from shared.promoter import Promoter
from shared.retry import keep_trying
from shared.store.deliveries import Deliveries
from shared.store.mongo import Document, Mongo
from shared.store.steps import attempt_document

log = structlog.get_logger()


class Recorder:
    """`record` returns when the steps are in their documents, however long the database is away."""

    def __init__(
        self, *, mongo: Mongo, deliveries: Deliveries, disabling: Disabling, publisher: Publisher, promoter: Promoter
    ) -> None:
        self._mongo = mongo
        self._deliveries = deliveries
        self._disabling = disabling
        self._publisher = publisher
        self._promoter = promoter
        self._pending: list[tuple[Sequence[Step], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self, deadline: float) -> None:
        """One more try for what is still unwritten; after that its messages go back to their queues."""
        self._stopping.set()
        if self._writing:
            await asyncio.wait([self._writing], timeout=max(0.1, deadline - asyncio.get_running_loop().time()))

    async def record(self, steps: Sequence[Step]) -> None:
        """Raises DependencyUnavailable only when stopping."""
        if not steps:
            return
        written = asyncio.get_running_loop().create_future()
        self._pending.append((steps, written))
        if self._writing is None:
            self._writing = background(self._write_all())
        await written

    async def _write_all(self) -> None:
        while self._pending:
            group, self._pending = self._pending, []
            steps = [step for part, _ in group for step in part]
            try:
                await keep_trying(lambda: self._write(steps), self._stopping)  # noqa: B023 - awaited in this turn
            except Exception as error:  # every waiter has to hear of it, whatever it is
                _answer(group, error)
            else:
                metrics.decided(steps)
                self._promoter.soon(_had_their_turn(steps))
                _answer(group, None)
        self._writing = None

    async def _write(self, steps: Sequence[Step]) -> None:
        """Consequences before the decision: a crash in between repeats them instead of losing them."""
        dead = [step for step in steps if isinstance(step.decision, Dead)]
        if dead:
            await self._bury(dead)
        await self._deliveries.record(steps)

    async def _bury(self, dead: Sequence[Step]) -> None:
        documents = await self._deliveries.get(step.delivery_id for step in dead)
        decided = [
            (step, document)
            for step in dead
            if (document := documents.get(step.delivery_id)) and _decides(step, document)
        ]
        for step, document in decided:
            if step.decision == Dead(GONE):
                await self._disabling.disable(document["webhook_id"], ENDED_GONE)
        await asyncio.gather(*(self._publish(step, document) for step, document in decided))

    async def _publish(self, step: Step, document: Document) -> None:
        assert isinstance(step.decision, Dead), "only the dead are buried"
        attempts = document["attempts"] + ([attempt_document(step.attempt)] if step.attempt else [])
        record = DeliveryRecord.of(
            {
                **document,
                "status": "dead",
                "reason": step.decision.reason,
                "attempts": attempts,
                "attempt_count": step.attempt.n if step.attempt else document["attempt_count"],
                "ended_at": self._mongo.now(),
                "due_at": None,
                "waiting_for": None,
            }
        )
        body = b'{"v":1,"delivery":%b}' % record.model_dump_json().encode()
        await self._publisher.publish(DEAD_LETTERS, DEAD_DELIVERIES, body)


def _decides(step: Step, document: Document) -> bool:
    return document["turn"] == step.turn and document["status"] in LIVE


def _had_their_turn(steps: Sequence[Step]) -> list[str]:
    """Ordered webhooks of which a delivery has ended."""
    return [step.in_order_of for step in steps if step.in_order_of and not isinstance(step.decision, Wait)]


def _answer(group: Sequence[tuple[Sequence[Step], "asyncio.Future[None]"]], error: Exception | None) -> None:
    if error and not isinstance(error, DependencyUnavailable):
        log.error("record.failed", error=repr(error))
    for _, written in group:
        if written.done():
            continue
        if error:
            written.set_exception(error)
        else:
            written.set_result(None)
