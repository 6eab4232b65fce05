"""What people do with deliveries: attempt them now, give them a new round, cancel them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared import metrics
from shared.contracts.dead_letters import DISCARDED
from shared.contracts.delivery import Status, WaitingFor
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.steps import LIVE_STATUSES, ending
from shared.store.uncounted import Uncounted

CANCELLED_BY_CUSTOMER = "cancelled_by_customer"


class ByHand:
    """Ids of at most a few thousand at a time. Doing the same again changes nothing."""

    def __init__(self, mongo: Mongo, *, retention: timedelta) -> None:
        self._mongo = mongo
        self._retention = retention
        self._uncounted = Uncounted(mongo, retention=retention)

    async def cancel(self, ids: Sequence[str], now: datetime) -> int:
        """End those that live. They get a new turn, so that whoever is at the old one can no longer decide."""
        update = {**ending(Status.CANCELLED, CANCELLED_BY_CUSTOMER, now, self._retention), "$inc": {"turn": 1}}
        cancelled = await self._update(ids, {"status": {"$in": LIVE_STATUSES}}, update)
        metrics.ended(Status.CANCELLED, CANCELLED_BY_CUSTOMER, cancelled)
        return cancelled

    async def attempt_now(self, ids: Sequence[str], now: datetime) -> None:
        """What waits is due now; what ended begins a new round. What the broker owns is attempted anyway.

        What waits for its order goes on waiting.
        """
        waits = {"status": Status.WAITING, "waiting_for": {"$ne": WaitingFor.ORDER}}
        async with unavailable_if_gone():
            await self._mongo.db.deliveries.update_many({"_id": {"$in": list(ids)}, **waits}, {"$set": {"due_at": now}})
        await self.begin_round(ids, now)

    async def begin_round_once(self, ids: Sequence[str], now: datetime, replay: str) -> int:
        """The new round of a replay: each gets one, however often this is repeated. Answers how many have it."""
        await self.begin_round(ids, now, replay=replay)
        async with unavailable_if_gone():
            return await self._mongo.db.deliveries.count_documents({"_id": {"$in": list(ids)}, "replay": replay})

    async def retry_dead(self, ids: Sequence[str], now: datetime) -> int:
        """A new round for those that are still dead. Answers for how many."""
        return await self.begin_round(ids, now, ended_as=Status.DEAD)

    async def discard(self, ids: Sequence[str]) -> int:
        """Dead letters no more, but kept in the history as long as they would have been. Answers how many."""
        update = {"$set": {"status": Status.CANCELLED, "reason": DISCARDED}}
        return await self._update(ids, {"status": Status.DEAD}, update)

    async def begin_round(
        self, ids: Sequence[str], now: datetime, *, replay: str | None = None, ended_as: Status | None = None
    ) -> int:
        """What ended, or ended so, begins a new round, due now."""
        condition: Document = {"status": ended_as or {"$nin": LIVE_STATUSES}}
        if replay:
            condition["replay"] = {"$ne": replay}
        fields = {
            "status": Status.WAITING,
            "due_at": now,
            "waiting_for": WaitingFor.RETRY,
            "round": {"$add": ["$round", 1]},
            "round_started_at": now,
            "attempts_before_round": "$attempt_count",
            "faults": 0,
            **({"replay": replay} if replay else {}),
        }
        over = ["ended_at", "expires_at", "reason", "slot_at", "folded_into"]
        return await self._update(ids, condition, [{"$set": fields}, {"$unset": over}])

    async def _update(self, ids: Sequence[str], condition: Document, update: Document | list[Document]) -> int:
        async with self._uncounted.moving(ids), unavailable_if_gone():
            result = await self._mongo.db.deliveries.update_many({"_id": {"$in": list(ids)}, **condition}, update)
        return result.modified_count
