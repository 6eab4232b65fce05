"""When an event was published, as far as anybody says: what is late is measured from then. Pure."""

from shared.broker.consumer import Message
from shared.broker.headers import PUBLISHED_AT

_BELIEVED_SECONDS = 24 * 3600


def published_at(message: Message, now: float) -> float:
    """As ingest says, or else its producer, who has whole seconds only; in the last day, or it is `now`."""
    told = now
    if isinstance(milliseconds := message.headers.get(PUBLISHED_AT), int):
        told = milliseconds / 1000
    elif message.timestamp:
        told = message.timestamp + 1
    return min(told, now) if told > now - _BELIEVED_SECONDS else now
