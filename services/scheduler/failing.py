"""Disables webhooks whose endpoints failed for days: at least 20 times, on 3 days, without a success for 5.

Never while most of the others fail as well: then the fault may be ours.
"""

from datetime import timedelta

import structlog

from shared.contracts.webhook import ENDED_FAILING
from shared.disabling import Disabling
from shared.store.duties import Duties
from shared.store.health import FailingRule, WebhookHealths

log = structlog.get_logger()

_DUTY = "failing"
RULE = FailingRule(failures=20, days=3, without_success=timedelta(days=5))
_LATELY = timedelta(hours=1)


class Failing:
    EVERY = timedelta(minutes=1)

    def __init__(self, *, healths: WebhookHealths, disabling: Disabling, duties: Duties) -> None:
        self._healths = healths
        self._disabling = disabling
        self._duties = duties

    async def take_turn(self) -> None:
        if await self._duties.take(_DUTY, self.EVERY):
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
