"""Statistics of one hour, of one webhook or of all of a tenant."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from shared.contracts.delivery import Status
from shared.contracts.ids import WebhookId
from shared.contracts.listing import Moment, NextCursor, Query, TenantWanted
from shared.contracts.moment import Shown
from shared.latency import percentile
from shared.times import iso


class StatsWanted(Query):
    """`GET /api/v1/stats`"""

    tenant_id: TenantWanted | None = None
    webhook_id: WebhookId | None = Field(None, description="of this one only; of all together when left out")
    since: Moment | None = Field(None, description="from the hour of this moment")
    until: Moment | None = Field(None, description="hours that begin before this moment")


class Latencies(BaseModel):
    """Of those that succeeded: from when a delivery was made, or sent again by hand, to the end of its last attempt.

    Each figure is within 10 % of the exact one.
    """

    p50: int = Field(description="half of them took at most so many milliseconds")
    p95: int = Field(description="95 % of them took at most so many milliseconds")
    p99: int = Field(description="99 % of them took at most so many milliseconds")


@dataclass(frozen=True, slots=True)
class Sums:
    """Deliveries by status, latencies by bucket, all attempts. They add up, which percentiles do not."""

    counts: Counter[str]
    latency: Counter[str]
    attempts: int

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """From the stored document, which holds an hour's minutes."""
        minutes = document["minutes"].values()
        return cls(
            _sum(minute["counts"] for minute in minutes),
            _sum(minute["latency"] for minute in minutes),
            sum(minute["attempts"] for minute in minutes),
        )

    @classmethod
    def together(cls, parts: Sequence["Sums"]) -> Self:
        return cls(
            _sum(part.counts for part in parts),
            _sum(part.latency for part in parts),
            sum(part.attempts for part in parts),
        )


class HourStats(BaseModel):
    """A delivery is counted in the hour in which it was made, by what became of it until now."""

    hour: Shown = Field(description="when the hour begins")
    webhook_id: str | None = Field(description="null: all webhooks of the tenant together, deleted ones included")
    created: int = Field(description="deliveries made in this hour; the six figures that follow add up to it")
    succeeded: int = Field(description="of these, delivered")
    dead: int = Field(description="of these, given up")
    cancelled: int = Field(description="of these, cancelled: by a person, or because the webhook was deleted")
    folded: int = Field(description="of these, replaced by a newer one of the same kind")
    waiting: int = Field(description="of these, waiting for their next attempt")
    pending: int = Field(description="of these, being delivered")
    attempts: int = Field(description="requests made for these deliveries, whenever they were made")
    success_rate: float | None = Field(
        description="succeeded / (succeeded + dead), from 0 to 1; null when there are neither"
    )
    latency_ms: Latencies | None = Field(description="null when none succeeded")

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """From the stored document."""
        return cls.of_sums(Sums.of(document), document["hour"], document["webhook_id"])

    @classmethod
    def of_sums(cls, sums: Sums, begins: datetime, webhook_id: str | None) -> Self:
        """Also of several hours, as if they were one."""
        counts = sums.counts
        decided = counts["succeeded"] + counts["dead"]
        return cls(
            hour=iso(begins),
            webhook_id=webhook_id,
            created=counts.total(),
            **{status.value: counts[status] for status in Status},
            attempts=sums.attempts,
            success_rate=counts["succeeded"] / decided if decided else None,
            latency_ms=_latencies({int(bucket): count for bucket, count in sums.latency.items()}),
        )


class StatsPage(BaseModel):
    stats: list[HourStats]
    next_cursor: NextCursor


def _sum(parts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """As `Counter.update` would, in half the time: a week of a busy site has 100,000 figures."""
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return Counter(total)


def _latencies(counts: dict[int, int]) -> Latencies | None:
    figures = {f"p{percent}": percentile(counts, percent / 100) for percent in (50, 95, 99)}
    return Latencies.model_validate(figures) if counts else None
