"""Runs jobs step by step: each step is small, saved when done, and harmless to do again."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

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

    async def run_once(self) -> bool:
        """One step of the job that is due; False when none is."""
        job = await self._jobs.claim(secrets.token_hex(8), self._mongo.now(), self._lease)
        if job is None:
            return False
        await self._steps[job["kind"]](job)
        return True
