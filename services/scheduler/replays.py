"""Sends a window of a webhook's deliveries again, paced, one new round for each."""

from datetime import timedelta

import structlog

from services.scheduler.jobs import TICK
from shared.contracts.listing import Position
from shared.replaying import narrowing, statuses
from shared.store.by_hand import ByHand
from shared.store.history import History
from shared.store.jobs import Jobs
from shared.store.mongo import Document, Mongo

log = structlog.get_logger()


class Replays:
    def __init__(self, *, mongo: Mongo, jobs: Jobs, history: History, by_hand: ByHand) -> None:
        self._mongo = mongo
        self._jobs = jobs
        self._history = history
        self._by_hand = by_hand

    async def step(self, job: Document) -> None:
        """So many as may be sent until the next step, oldest first."""
        now = self._mongo.now()
        limit = max(1, int(job["per_second"] * TICK.total_seconds()))
        if not job.get("chosen"):
            job = await self._choose(job, limit)
        # Chosen is written before anything is done: dying from here on repeats this step with the same deliveries,
        # and who has this replay's round already gets no second one.
        sent = job["sent"] + await self._by_hand.begin_round_once(job["chosen"], now, job["_id"])
        ended = len(job["chosen"]) < limit
        pause = timedelta(seconds=limit / job["per_second"])
        await self._jobs.save(job, {"sent": sent, "chosen": []}, None if ended else now + pause)
        if ended:
            log.info("replay.done", replay_id=job["_id"], webhook_id=job["webhook_id"], sent=sent)

    async def _choose(self, job: Document, limit: int) -> Document:
        """The next deliveries of the window, oldest first."""
        of, after = {"webhook_id": job["webhook_id"]}, Position(*job["after"]) if "after" in job else None
        found = await self._history.oldest(of, narrowing(job), statuses(job), after, limit)
        chosen: Document = {"chosen": [one.id for one in found], **({"after": list(found[-1])} if found else {})}
        await self._jobs.save(job, chosen, job["due_at"])
        return {**job, **chosen}
