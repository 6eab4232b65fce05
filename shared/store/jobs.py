"""Long work as documents: replays, erasures, recoveries. Any scheduler takes the next step of any of them."""

from datetime import datetime, timedelta
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.contracts.listing import Position
from shared.ids import random_hex
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.paging import newest, window

VERSION = 1
REPLAY, ERASURE, RECOVERY = "replay", "erasure", "recovery"
RUNNING, DONE, CANCELLED = "running", "done", "cancelled"
KEPT = timedelta(days=90)


class Jobs:
    """A claim lasts until the job is due again: who dies with one leaves it to the next. Nobody else saves under it."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def start(self, kind: str, tenant_id: str, fields: Document) -> Document:
        now = self._mongo.now()
        document = {
            "_id": f"{kind}_{random_hex()}",
            "v": VERSION,
            "kind": kind,
            "tenant_id": tenant_id,
            "status": RUNNING,
            "due_at": now,
            "created_at": now,
            **fields,
        }
        async with unavailable_if_gone():
            await self._mongo.db.jobs.insert_one(document)
        return document

    async def start_unless_running(self, kind: str, subject: str, tenant_id: str, fields: Document) -> bool:
        """The one job of this kind for `subject`; False when it runs already."""
        now = self._mongo.now()
        begun = {
            "v": VERSION,
            "kind": kind,
            "tenant_id": tenant_id,
            "status": RUNNING,
            "due_at": now,
            "created_at": now,
        }
        async with unavailable_if_gone():
            try:
                await self._mongo.db.jobs.update_one(
                    {"_id": f"{kind}_{subject}", "status": {"$ne": RUNNING}},
                    {"$set": {**begun, **fields}, "$unset": {"ended_at": "", "expires_at": ""}},
                    upsert=True,
                )
            except DuplicateKeyError:  # it runs: the upsert found no match and could not insert
                return False
        return True

    async def get(self, kind: str, job_id: str, tenant_id: str | None) -> Document | None:
        """With a tenant, only that tenant's."""
        query = {"_id": job_id, "kind": kind, **({"tenant_id": tenant_id} if tenant_id else {})}
        async with unavailable_if_gone():
            return await self._mongo.db.jobs.find_one(query)

    async def of_webhook(self, webhook_id: str, behind: Position | None, limit: int) -> list[Document]:
        query = {"webhook_id": webhook_id, **window(behind)}
        return await newest(self._mongo, "jobs", query, index="webhook", limit=limit)

    async def cancel(self, job_id: str) -> Document | None:
        """The job as it is then; one that ended stays as it ended."""
        now = self._mongo.now()
        await self._update({"_id": job_id, "status": RUNNING}, _ended(CANCELLED, now))
        async with unavailable_if_gone():
            return await self._mongo.db.jobs.find_one({"_id": job_id})

    async def claim(self, claim: str, now: datetime, lease: timedelta) -> Document | None:
        """The job that has been due for longest, for one step within `lease`."""
        async with unavailable_if_gone():
            return await self._mongo.db.jobs.find_one_and_update(
                {"status": RUNNING, "due_at": {"$lte": now}},
                {"$set": {"due_at": now + lease, "claim": claim}},
                sort=[("due_at", 1)],
                return_document=ReturnDocument.AFTER,
            )

    async def save(self, job: Document, changes: Document, due_at: datetime | None) -> None:
        """What this step came to, and when the next is due; None: that was the last."""
        update = {"$set": {**changes, "due_at": due_at}} if due_at else _ended(DONE, self._mongo.now(), changes)
        await self._update({"_id": job["_id"], "status": RUNNING, "claim": job["claim"]}, update)

    async def _update(self, query: Document, update: dict[str, Any]) -> None:
        async with unavailable_if_gone():
            await self._mongo.db.jobs.update_one(query, update)


def _ended(status: str, now: datetime, changes: Document | None = None) -> dict[str, Any]:
    ended = {**(changes or {}), "status": status, "ended_at": now, "expires_at": now + KEPT}
    return {"$set": ended, "$unset": {"due_at": "", "claim": ""}}
