"""Parks a message the pipeline cannot use: whole, with the reason, for operators to list, fix and send again."""

from datetime import UTC, datetime

import structlog

from shared import metrics
from shared.broker.consumer import Message
from shared.broker.headers import sendable
from shared.broker.publisher import Publisher
from shared.broker.topology import DEAD_LETTERS, PARKED
from shared.errors import InvalidMessage
from shared.times import iso

log = structlog.get_logger()


async def park(publisher: Publisher, queue: str, message: Message, error: InvalidMessage) -> None:
    """Returns when the parked copy is safe. Raises DependencyUnavailable."""
    headers = {
        **sendable(message.headers),
        "x-parked-reason": str(error)[:1000],
        "x-parked-from": queue,
        "x-parked-routing-key": message.routing_key,
        "x-parked-at": iso(datetime.now(UTC)),
        **({"x-parked-message-id": message.message_id} if message.message_id else {}),
    }
    await publisher.publish(DEAD_LETTERS, PARKED, message.body, headers=headers)
    metrics.PARKED[queue].inc()
    log.warning("message.parked", queue=queue, reason=str(error), bytes=len(message.body))
