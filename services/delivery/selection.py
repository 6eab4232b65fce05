"""Which deliveries of a message are to be attempted: fresh ones as they come, all others by their documents."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from services.delivery.pacing import Pacing, Selected
from services.delivery.service import Job
from shared.broker.consumer import Message
from shared.contracts.delivery import Status
from shared.contracts.message import DeliveryMessage, Marker, QueuedDelivery, decode
from shared.matching import Subscriptions
from shared.retry import keep_trying
from shared.store.deliveries import Deliveries
from shared.store.markers import Markers
from shared.store.mongo import Document, Mongo
from shared.store.view import WebhookView
from shared.times import at


class Selection:
    """`lease`: a message that was handed over longer ago is not trusted without a look at the documents."""

    def __init__(
        self,
        *,
        mongo: Mongo,
        deliveries: Deliveries,
        markers: Markers,
        view: WebhookView,
        pacing: Pacing,
        lease: timedelta,
    ) -> None:
        self._mongo = mongo
        self._deliveries = deliveries
        self._markers = markers
        self._view = view
        self._pacing = pacing
        self._lease = lease

    async def select(self, queue: str, message: Message) -> Selected:
        """Raises InvalidMessage."""
        match decode(message.body):
            case Marker(sent_at=sent_at):
                await keep_trying(lambda: self._markers.arrived(queue, sent_at))
                return Selected([])
            case DeliveryMessage() as decoded:
                tenants = await self._refresh_view(decoded)
                doubted = list(self._doubted(decoded, message))
                documents = await self._read(doubted)
                unread = {queued.id for queued in decoded.deliveries} - {queued.id for queued in doubted}
                jobs = (
                    _as_queued(queued) if queued.id in unread else _by_document(queued, documents)
                    for queued in decoded.deliveries
                )
                return await self._paced([job for job in jobs if job], tenants)

    def _doubted(self, decoded: DeliveryMessage, message: Message) -> Iterator[QueuedDelivery]:
        late = self._mongo.seconds() - decoded.handed_at > self._lease.total_seconds()
        for queued in decoded.deliveries:
            if late or message.redelivered or queued.check or queued.turn > 1:
                yield queued

    async def _paced(self, jobs: list[Job], tenants: Mapping[str, Subscriptions]) -> Selected:
        limits = {name: limit for webhooks in tenants.values() for name, limit in webhooks.rate_limits.items()}
        return await self._pacing.part(jobs, limits) if limits else Selected(jobs)

    async def _refresh_view(self, decoded: DeliveryMessage) -> dict[str, Subscriptions]:
        """One question for all of a message; its deliveries then find their webhooks without asking."""
        tenant_ids = {queued.tenant_id for queued in decoded.deliveries}
        return await keep_trying(lambda: self._view.current(tenant_ids))

    async def _read(self, doubted: Sequence[QueuedDelivery]) -> dict[str, Document]:
        if not doubted:
            return {}
        ids = [queued.id for queued in doubted]
        return await keep_trying(lambda: self._deliveries.get(ids))


def _as_queued(queued: QueuedDelivery) -> Job:
    """At its first turn, of its first round: its document has the same `created_at`."""
    return Job(queued, at(queued.created_at), queued.attempt)


def _by_document(queued: QueuedDelivery, documents: dict[str, Document]) -> Job | None:
    """None when it ended, the clock owns it, a later turn exists, or it was erased."""
    document = documents.get(queued.id)
    if document is None or document["status"] != Status.PENDING or document["turn"] != queued.turn:
        return None
    return Job(
        queued,
        document["created_at"],
        document["attempt_count"] + 1,
        document.get("attempts_before_round", 0),
        document.get("slot_at"),
    )
