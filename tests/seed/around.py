"""What there is beside events and deliveries: webhooks, replays and erasures, keys, the audit log, statistics."""

import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.contracts.webhook import Webhook
from shared.store import audit, health, jobs, keys, stats
from shared.store.mongo import Document
from shared.times import iso
from tests.seed.plan import KEPT, SPAN, Tenants, evenly

_HOUR = timedelta(hours=1)


def webhooks(tenants: Tenants, begins: datetime) -> list[Webhook]:
    owners = [tenant for tenant, shares in tenants.items() for _ in range(shares.webhooks)]
    random.Random(2).shuffle(owners)
    return [
        Webhook(
            id=f"webhook_{random.Random(number).randbytes(12).hex()}",  # compresses no better than a real one
            tenant_id=tenant,
            url=f"https://example.com/hooks/{number}",
            event_types=("*",),
            secrets=("whsec_" + "0" * 40,),
            is_active=True,
            paused=False,
            disabled_reason=None,
            description=None,
            filter=None,
            max_attempts=None,
            version=1,
            created_at=evenly(begins, number, len(owners)),
            updated_at=evenly(begins, number, len(owners)),
        )
        for number, tenant in enumerate(owners)
    ]


def job_id(kind: str, tenant_id: str, number: int) -> str:
    return f"{kind}_{_number(tenant_id)}{number:06x}"


def _number(tenant_id: str) -> str:
    return f"{zlib.crc32(tenant_id.encode()):08x}"


def job_documents(tenants: Tenants, webhooks: Mapping[str, Sequence[str]], begins: datetime) -> Iterator[Document]:
    for tenant_id, shares in tenants.items():
        for number in range(shares.events):
            fields = {"webhook_id": webhooks[tenant_id][0], "which": "failed", "since": begins, "until": begins + SPAN}
            counts = {"event_type": None, "per_second": 50, "sent": 10, "total": 10}
            made = evenly(begins, number, shares.events)
            yield {**_job(jobs.REPLAY, tenant_id, number, made), **fields, **counts}
        yield {**_job(jobs.ERASURE, tenant_id, 0, begins), "deliveries": 0, "events": 0}


def _job(kind: str, tenant_id: str, number: int, made: datetime) -> Document:
    ended = {"status": jobs.DONE, "ended_at": made, "expires_at": made + KEPT}
    identity = job_id(kind, tenant_id, number)
    return {"_id": identity, "v": jobs.VERSION, "kind": kind, "tenant_id": tenant_id, "created_at": made, **ended}


def key_documents(tenants: Tenants, begins: datetime) -> Iterator[Document]:
    for tenant_id, shares in tenants.items():
        for number in range(shares.webhooks):
            identity = f"key_{_number(tenant_id)}{number:06x}"
            facts: dict[str, Any] = {"scopes": ["read"], "name": None, "expires_at": None, "last_used_at": None}
            made = evenly(begins, number, shares.webhooks)
            who = {"_id": keys.digest(identity), "id": identity, "tenant_id": tenant_id}
            yield {**who, "v": keys.VERSION, "created_at": made, **facts}


def audit_documents(tenants: Tenants, webhooks: Mapping[str, Sequence[str]], begins: datetime) -> Iterator[Document]:
    for tenant_id, shares in tenants.items():
        for number in range(10 * shares.events):
            made = evenly(begins, number - number % 3, 10 * shares.events)
            target = webhooks[tenant_id][0]
            what = {"by": audit.SYSTEM, "action": "webhook.changed", "target": target, "fields": ["url"]}
            identity = f"audit_{_number(tenant_id)}{number:06x}"
            when = {"created_at": made, "expires_at": made + audit.KEPT}
            yield {"_id": identity, "v": audit.VERSION, "tenant_id": tenant_id, **when, **what}


def stats_documents(tenants: Tenants, webhooks: Mapping[str, Sequence[str]], begins: datetime) -> Iterator[Document]:
    """Every hour of every tenant, and of its first twenty webhooks; of the others, those of the last day."""
    last = (begins + SPAN).replace(minute=0, second=0)
    for tenant_id in tenants:
        for number, webhook_id in enumerate((None, *webhooks[tenant_id])):
            for ago in range(SPAN // _HOUR if number <= 20 else 25):
                hour = last - ago * _HOUR
                who = {"tenant_id": tenant_id, "webhook_id": webhook_id}
                prefix = stats.key_prefix(tenant_id, webhook_id)
                when = {"_id": prefix + iso(hour), "hour": hour, "expires_at": hour + KEPT}
                minutes = {str(minute): _FIGURES for minute in range(0, 60, 3)}
                yield {**when, "v": stats.VERSION, **who, "minutes": minutes}


def health_documents(webhooks: Mapping[str, Sequence[str]], begins: datetime) -> Iterator[Document]:
    """Of every webhook; one in ten has failed for a while."""
    told = begins + SPAN
    for tenant_id, ids in webhooks.items():
        for number, webhook_id in enumerate(ids):
            failed = {"last_failure_at": told, "last_error": "the endpoint answered 503", "failures": number}
            facts = {"v": health.VERSION, "tenant_id": tenant_id, "told_at": told, "expires_at": told + KEPT}
            yield {"_id": webhook_id, **facts, "last_success_at": begins, **(failed if number % 10 == 0 else {})}


_FIGURES = {"as_of": datetime(2025, 1, 1), "counts": {"succeeded": 9, "dead": 1}, "attempts": 14, "latency": {"20": 9}}
