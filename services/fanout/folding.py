"""Which deliveries wait for a newer one: progress of a session, where its webhook wants only the newest of it. Pure."""

from datetime import timedelta

from pydantic_core import from_json

from shared.contracts.event import AcceptedEvent
from shared.contracts.message import QueuedDelivery
from shared.contracts.webhook import Webhook
from shared.ids import fold_key
from shared.store.folding import Update

PROGRESS = "session.progress"


def update_of(delivery: QueuedDelivery, event: AcceptedEvent, webhook: Webhook) -> Update | None:
    """None for what is sent at once."""
    if webhook.coalesce_seconds is None or event.type != PROGRESS:
        return None
    session_id = from_json(event.data)["session_id"]  # the parser that validated it
    return Update(delivery, fold_key(webhook.id, session_id), timedelta(seconds=webhook.coalesce_seconds))
