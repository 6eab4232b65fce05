"""Erases what is stored of a tenant's learners."""

import structlog

from shared.store.erasure import Eraser
from shared.store.jobs import Jobs
from shared.store.mongo import Document, Mongo

log = structlog.get_logger()

_ERASED_AT_ONCE = 1_000


class Erasures:
    def __init__(self, *, mongo: Mongo, jobs: Jobs, eraser: Eraser) -> None:
        self._mongo = mongo
        self._jobs = jobs
        self._eraser = eraser

    async def step(self, job: Document) -> None:
        deliveries = await self._eraser.deliveries(job["tenant_id"], job["created_at"], _ERASED_AT_ONCE)
        events = await self._eraser.events(job["tenant_id"], job["created_at"], _ERASED_AT_ONCE)
        ended = not deliveries and not events
        if ended:
            await self._eraser.figures(job["tenant_id"], job["created_at"])
            log.info("erasure.done", erasure_id=job["_id"], tenant_id=job["tenant_id"])
        changes = {"deliveries": job["deliveries"] + deliveries, "events": job["events"] + events}
        await self._jobs.save(job, changes, None if ended else self._mongo.now())
