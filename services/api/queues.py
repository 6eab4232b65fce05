"""How many messages wait in each queue, for the operator."""

import structlog

from shared.broker.lookout import Depth, Lookout
from shared.errors import DependencyUnavailable

log = structlog.get_logger()


class QueueService:
    """Asks RabbitMQ, which may be away: the rest of a page is of use without it."""

    def __init__(self, lookout: Lookout) -> None:
        self._lookout = lookout

    async def depths(self) -> list[Depth] | None:
        """None: RabbitMQ is away."""
        try:
            return await self._lookout.depths()
        except DependencyUnavailable as error:
            log.warning("queues.unknown", reason=str(error))
            return None
