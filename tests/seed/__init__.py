"""A database as a site has it after some days, written directly: 200,000 deliveries of 1,000 webhooks."""

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from pymongo import WriteConcern

from shared.ids import delivery_id
from shared.store import jobs, keys
from shared.store.mongo import Document, Mongo
from shared.store.secrets import SecretBox
from shared.store.webhooks import Webhooks
from tests.cluster import SECRET_KEYS, Cluster
from tests.seed import around, deliveries
from tests.seed.deliveries import Happening
from tests.seed.plan import BUSY, QUIET, SPAN, TENANTS, Tenants

_CHUNK = 5_000


@dataclass(frozen=True)
class Owner:
    """A tenant, a key of its own that may do all, and ids of what it has, by the names of paths and parameters.

    The first of its webhooks is its busiest, and has the replays.
    """

    tenant_id: str
    key: str
    ids: Mapping[str, Sequence[str]]

    @property
    def first(self) -> dict[str, str]:
        """Its own id, and one of each kind of thing that it has."""
        return {"tenant_id": self.tenant_id, **{name: found[0] for name, found in self.ids.items() if found}}


@dataclass(frozen=True)
class Seeded:
    """All that was made lies in [begins, ends), evenly."""

    begins: datetime
    ends: datetime
    busy: Owner
    quiet: Owner


async def seed(mongo: Mongo, tenants: Tenants = TENANTS) -> Seeded:
    """Into an empty database; always the same, but for the moments, secrets and keys."""
    dice = random.Random(1)
    ends = mongo.now().replace(microsecond=0)
    begins = ends - SPAN
    webhooks = around.webhooks(tenants, begins)
    ids = {tenant: [one.id for one in webhooks if one.tenant_id == tenant] for tenant in tenants}
    happenings = deliveries.happenings(tenants, ids, begins, dice)
    store = Webhooks(mongo, SecretBox(SECRET_KEYS))
    await asyncio.gather(
        _insert(mongo, "deliveries", deliveries.delivery_documents(happenings, dice)),
        _insert(mongo, "events", map(deliveries.event_document, happenings)),
        _insert(mongo, "webhooks", (store._document(webhook) for webhook in webhooks)),
        _insert(
            mongo, "tenants", ({"_id": one, "webhooks_version": shares.webhooks} for one, shares in tenants.items())
        ),
        _insert(mongo, "jobs", around.job_documents(tenants, ids, begins)),
        _insert(mongo, "api_keys", around.key_documents(tenants, begins)),
        _insert(mongo, "audit", around.audit_documents(tenants, ids, begins)),
        _insert(mongo, "webhook_health", around.health_documents(ids, begins)),
        _insert(mongo, "stats", around.stats_documents(tenants, ids, begins)),
    )
    return Seeded(
        begins=begins,
        ends=ends,
        busy=await _owner(mongo, tenants, BUSY, ids, happenings),
        quiet=await _owner(mongo, tenants, QUIET, ids, happenings),
    )


async def seed_cluster(services: Cluster, tenants: Tenants = TENANTS) -> Seeded:
    """Into the database of services that run."""
    mongo = Mongo(url=services.mongodb_url, database=services.settings["MONGODB_DATABASE"], timeout_seconds=30)
    try:
        seeded = await seed(mongo, tenants)
        await mongo.db.client.admin.command("fsync")  # nothing of this is left to write when somebody measures
        return seeded
    finally:
        await mongo.stop(0)


async def _insert(mongo: Mongo, collection: str, documents: Iterable[Document]) -> None:
    quick = mongo.db[collection].with_options(write_concern=WriteConcern(w=1))
    documents = iter(documents)
    while chunk := list(islice(documents, _CHUNK)):
        await quick.insert_many(chunk, ordered=False)


async def _owner(
    mongo: Mongo,
    tenants: Tenants,
    tenant_id: str,
    webhooks: Mapping[str, Sequence[str]],
    happenings: Iterable[Happening],
) -> Owner:
    _, key = await keys.Keys(mongo, admin_key="").create(tenant_id, frozenset({"admin"}))
    own = [one for one in happenings if one.tenant_id == tenant_id and one.webhooks]
    ids = {
        "webhook_id": webhooks[tenant_id],
        "event_id": [one.event_id for one in own],
        "delivery_id": [delivery_id(tenant_id, one.event_id, one.webhooks[0]) for one in own],
        "replay_id": [around.job_id(jobs.REPLAY, tenant_id, number) for number in range(tenants[tenant_id].events)],
        "erasure_id": [around.job_id(jobs.ERASURE, tenant_id, 0)],
    }
    return Owner(tenant_id, key, ids)
