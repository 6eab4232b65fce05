"""Runs jobs step by step: each step is small, saved when done, and harmless to do again."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from shared.lifecycle import background, cancel
from shared.retry import keep_trying
from shared.store.jobs import Jobs
from shared.store.mongo import Document, Mongo

TICK = timedelta(milliseconds=500)

JobStep = Callable[[Document], Awaitable[None]]


class JobRunner:
    """`steps`: by kind of job, what takes it one step further. `lease`: longer than a step takes; who dies in one
    leaves it to the next after that.
    """

    def __init__(self, *, mongo: Mongo, jobs: Jobs, steps: Mapping[str, JobStep], lease: timedelta) -> None:
        self._mongo = mongo
        self._jobs = jobs
        self._steps = steps
        self._lease = lease
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._running = background(self._run())

    async def stop(self, deadline: float) -> None:
        """A step under way is done again by whoever claims its job next."""
        await cancel(self._running)

    async def _run(self) -> None:
        await self._mongo.ready()
        while True:
            if not await keep_trying(self.run_once):
                await asyncio.sleep(TICK.total_seconds())

    async def run_once(self) -> bool:
        """One step of the job that is due; False when none is."""
        job = await self._jobs.claim(secrets.token_hex(8), self._mongo.now(), self._lease)
        if job is None:
            return False
        await self._steps[job["kind"]](job)
        return True
