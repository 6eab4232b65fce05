"""What is done with a parked message: it is sent again to where it came from, or dropped."""

from shared.broker.browser import Browser
from shared.broker.parked import Parked
from shared.broker.publisher import Publisher
from shared.counts import Counts


async def send_again(
    one: Parked, looking: Browser, publisher: Publisher, counts: Counts, body: bytes | None = None
) -> None:
    """`body` takes the place of the one that was parked. Dying in between sends it once more, and never loses it."""
    if one.origin is None:
        counts.left_alone[f"came from {one.came_from!r:.80}, which is no queue of ours to send it to"] += 1
        return
    if not counts.dry_run:
        sent = one.body if body is None else body
        headers, message_id = one.headers_to_send(), one.message_id_to_send(sent)
        await publisher.publish("", one.origin, sent, headers=headers, message_id=message_id)
        await looking.ack(one.message)
    counts.done += 1


async def drop(one: Parked, looking: Browser, counts: Counts) -> None:
    """For good."""
    if not counts.dry_run:
        await looking.ack(one.message)
    counts.done += 1
