"""Disables webhooks whose endpoints failed for days: at least 20 times, on 3 days, without a success for 5.

Never while most of the others fail as well: then the fault may be ours.
"""

import asyncio
from datetime import timedelta

import structlog

from shared.contracts.webhook import ENDED_FAILING
from shared.disabling import Disabling
from shared.lifecycle import background, cancel
from shared.retry import keep_trying
from shared.store.duties import Duties
from shared.store.health import FailingRule, WebhookHealths
from shared.store.mongo import Mongo

log = structlog.get_logger()

_DUTY = "failing"
_EVERY = timedelta(minutes=1)
RULE = FailingRule(failures=20, days=3, without_success=timedelta(days=5))
_LATELY = timedelta(hours=1)


class Failing:
    def __init__(self, *, mongo: Mongo, healths: WebhookHealths, disabling: Disabling, duties: Duties) -> None:
        self._mongo = mongo
        self._healths = healths
        self._disabling = disabling
        self._duties = duties
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._running = background(self._run())

    async def stop(self, deadline: float) -> None:
        """What fails for days can wait for the next scheduler."""
        await cancel(self._running)

    async def _run(self) -> None:
        await self._mongo.ready()
        while True:
            await keep_trying(self.take_turn)
            await asyncio.sleep(_EVERY.total_seconds())

    async def take_turn(self) -> None:
        if await self._duties.take(_DUTY, _EVERY):
            await self.run_once()

    async def run_once(self) -> None:
        for webhook_id in await self._healths.failing(RULE):
            well, unwell = await self._healths.others(webhook_id, _LATELY)
            if unwell > well:
                log.warning("webhook.not_disabled", webhook_id=webhook_id, others_failing=unwell, others_well=well)
                return
            await self._disabling.disable(webhook_id, ENDED_FAILING)
            await self._healths.forget(webhook_id)
            log.info("webhook.disabled", webhook_id=webhook_id, reason=ENDED_FAILING)
