"""Brings forward, paced, what stands in line at an endpoint that answers again."""

from datetime import timedelta

import structlog

from services.scheduler.jobs import TICK
from shared.contracts.health import BreakerState
from shared.store.deliveries import Deliveries
from shared.store.duties import Duties
from shared.store.health import WebhookHealths
from shared.store.jobs import RECOVERY, Jobs
from shared.store.mongo import Document, Mongo

log = structlog.get_logger()

_DUTY = "recoveries"
_PER_SECOND = 200


class Recoveries:
    """Notices who recovered, and takes each one's deliveries a step further."""

    EVERY = timedelta(seconds=2)

    def __init__(
        self, *, mongo: Mongo, healths: WebhookHealths, jobs: Jobs, deliveries: Deliveries, duties: Duties
    ) -> None:
        self._mongo = mongo
        self._healths = healths
        self._jobs = jobs
        self._deliveries = deliveries
        self._duties = duties

    async def run_once(self) -> None:
        """Begin for those that answer again."""
        if not await self._duties.take(_DUTY, self.EVERY):
            return
        for health in await self._healths.recovered():
            fields = {"endpoint": health["_id"], "until": health["deferred_until"], "brought": 0}
            if await self._jobs.start_unless_running(RECOVERY, health["_id"], health["tenant_id"], fields):
                log.info("recovery.started", webhook_id=health["_id"])

    async def step(self, job: Document) -> None:
        """The next in line are due now. It ends with the line, or when the endpoint fails again."""
        now, endpoint = self._mongo.now(), job["endpoint"]
        limit = int(_PER_SECOND * TICK.total_seconds())
        health = (await self._healths.of([endpoint]))[endpoint]
        if health.breaker is not BreakerState.CLOSED:
            await self._jobs.save(job, {}, None)
            return
        brought = await self._deliveries.bring_some_forward(endpoint, now, limit)
        ended = brought < limit
        if ended:
            await self._healths.caught_up(endpoint, job["until"])
            log.info("recovery.done", webhook_id=endpoint, brought=job["brought"] + brought)
        await self._jobs.save(job, {"brought": job["brought"] + brought}, None if ended else now + TICK)
