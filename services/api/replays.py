"""Replays and erasures as customers and the operator start them; the scheduler does them."""

from services.api.listing import next_cursor
from shared.contracts.history import COUNTED_AT_MOST
from shared.contracts.listing import Listing, Position
from shared.contracts.replay import Erasure, Replay, ReplayPage, ReplayWanted
from shared.contracts.webhook import Webhook
from shared.errors import Refused
from shared.replaying import narrowing, statuses
from shared.store.history import History
from shared.store.jobs import ERASURE, REPLAY, Jobs
from shared.store.keys import ApiKey
from shared.store.mongo import Document, Mongo
from shared.store.webhooks import Webhooks


class ReplayService:
    """A tenant sees and touches only its own; the operator's key, which has no tenant, all."""

    def __init__(self, *, mongo: Mongo, jobs: Jobs, history: History, webhooks: Webhooks) -> None:
        self._mongo = mongo
        self._jobs = jobs
        self._history = history
        self._webhooks = webhooks

    async def start(self, key: ApiKey, webhook_id: str, wanted: ReplayWanted) -> Replay:
        webhook = await self._webhook(key, webhook_id)
        if not webhook.is_active:
            words = f"the webhook is inactive ({webhook.disabled_reason}): enable it first, with is_active true"
            raise Refused(409, "INVALID_REQUEST", words)
        fields = await self._fields(webhook, wanted)
        if wanted.dry_run:
            now = self._mongo.now()
            return Replay.of(
                {"_id": None, "tenant_id": webhook.tenant_id, "status": "done", "created_at": now, **fields}
            )
        return Replay.of(await self._jobs.start(REPLAY, webhook.tenant_id, fields))

    async def _fields(self, webhook: Webhook, wanted: ReplayWanted) -> Document:
        fields: Document = {
            "webhook_id": webhook.id,
            "which": wanted.which,
            "since": wanted.since,
            "until": min(wanted.until or self._mongo.now(), self._mongo.now()),  # what is made later is not meant
            "event_type": wanted.event_type,
            "per_second": wanted.per_second,
            "sent": 0,
        }
        of = {"webhook_id": webhook.id}
        total = await self._history.count(of, narrowing(fields), statuses(fields), COUNTED_AT_MOST)
        return {**fields, "total": total}

    async def page(self, key: ApiKey, webhook_id: str, wanted: Listing) -> ReplayPage:
        await self._webhook(key, webhook_id)
        documents = await self._jobs.of_webhook(webhook_id, wanted.behind, wanted.limit + 1)
        replays = [Replay.of(document) for document in documents[: wanted.limit]]
        following = next_cursor([Position(found["created_at"], found["_id"]) for found in documents], wanted.limit)
        return ReplayPage(replays=replays, next_cursor=following)

    async def get(self, key: ApiKey, replay_id: str) -> Replay:
        return Replay.of(_there(await self._jobs.get(REPLAY, replay_id, key.tenant_id), replay_id))

    async def cancel(self, key: ApiKey, replay_id: str) -> Replay:
        """One that ended stays as it ended."""
        await self.get(key, replay_id)
        return Replay.of(_there(await self._jobs.cancel(replay_id), replay_id))

    async def _webhook(self, key: ApiKey, webhook_id: str) -> Webhook:
        webhook = await self._webhooks.get(webhook_id, key.tenant_id)
        if webhook is None:
            raise Refused(404, "WEBHOOK_NOT_FOUND", f"there is no webhook {webhook_id!r:.60}")
        return webhook


class ErasureService:
    """For the operator."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def start(self, key: ApiKey, tenant_id: str) -> Erasure:
        _need_operator(key)
        return Erasure.of(await self._jobs.start(ERASURE, tenant_id, {"deliveries": 0, "events": 0}))

    async def get(self, key: ApiKey, erasure_id: str) -> Erasure:
        _need_operator(key)
        return Erasure.of(_there(await self._jobs.get(ERASURE, erasure_id, None), erasure_id))


def _need_operator(key: ApiKey) -> None:
    if key.tenant_id is not None:
        raise Refused(403, "FORBIDDEN", "this is for the operator's key only")


def _there(document: Document | None, job_id: str) -> Document:
    if document is None:
        raise Refused(404, "INVALID_REQUEST", f"there is no {job_id.split('_')[0]} {job_id!r:.60}")
    return document
