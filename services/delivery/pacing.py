"""Keeps `rate_limit`: each request to such a webhook has a slot of its own, and waits for it in the database.

A slot that is a quarter of a second away counts as reached, since fetching a delivery again costs more than that; one
that has passed is noticed within another quarter. So in any time of t seconds there are at most rate x (t + 0.5)
requests, and one more, however many workers there are.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.delivery.service import Job
from shared.contracts.delivery import Step, Wait, WaitingFor
from shared.retry import keep_trying
from shared.store.slots import Slots

EARLY = timedelta(seconds=0.25)


@dataclass(frozen=True, slots=True)
class Selected:
    """`now` is attempted, `later` is written: those deliveries wait for their slots."""

    now: list[Job]
    later: list[Step] = field(default_factory=list)


class Pacing:
    def __init__(self, *, slots: Slots, clock: Callable[[], datetime]) -> None:
        self._slots = slots
        self._clock = clock

    async def part(self, jobs: Sequence[Job], limits: Mapping[str, float]) -> Selected:
        """`limits`: requests per second by webhook, of those that have a limit."""
        selected = Selected([job for job in jobs if not _needs_slot(job, limits)])
        by_webhook: defaultdict[str, list[Job]] = defaultdict(list)
        for job in jobs:
            if _needs_slot(job, limits):
                by_webhook[job.queued.webhook_id].append(job)
        for webhook_id, group in by_webhook.items():
            slots = await self._reserve(webhook_id, limits[webhook_id], len(group))
            soon = self._clock() + EARLY
            selected.now.extend(job for job, slot in zip(group, slots, strict=True) if slot <= soon)
            selected.later.extend(
                job.step(Wait(slot, WaitingFor.RATE_LIMIT))
                for job, slot in zip(group, slots, strict=True)
                if slot > soon
            )
        return selected

    async def _reserve(self, webhook_id: str, per_second: float, count: int) -> list[datetime]:
        return await keep_trying(lambda: self._slots.reserve(webhook_id, per_second, count))


def _needs_slot(job: Job, limits: Mapping[str, float]) -> bool:
    return job.slot_at is None and job.queued.webhook_id in limits
