"""A replay: the deliveries of a window once more, as a job that can be watched and cancelled."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.contracts.event_types import EventTypeName
from shared.contracts.listing import Listing, Moment, NextCursor
from shared.contracts.moment import Shown
from shared.contracts.whole import WHOLE
from shared.times import iso

Which = Literal["failed", "all"]
JobStatus = Literal["running", "done", "cancelled"]
PerSecond = Annotated[int, Field(strict=True, ge=1, le=1_000), WHOLE]


class ReplayWanted(BaseModel):
    """`POST …/webhooks/{id}/replay`. What has not ended is under way already, and is not touched."""

    model_config = ConfigDict(extra="forbid")

    which: Which = Field("failed", description="failed: what ended dead; all: also what succeeded or was cancelled")
    since: Moment = Field(description="made at this moment or later", examples=["2025-01-15T10:00:00.000Z"])
    until: Moment | None = Field(
        None, description="made before this moment; now, when left out", examples=["2025-01-15T11:00:00.000Z"]
    )
    event_type: EventTypeName | None = None
    per_second: PerSecond = Field(50, description="so many are sent per second at most")
    dry_run: bool = Field(False, strict=True, description="only count them: `total` of the answer")

    @model_validator(mode="after")
    def _a_window(self) -> Self:
        if self.until and self.until <= self.since:
            raise ValueError("until lies before since")
        return self


class Replay(BaseModel):
    """A replay as the API shows it."""

    id: str | None = Field(description="null for a dry run")
    tenant_id: str
    webhook_id: str
    which: Which
    since: Shown
    until: Shown
    event_type: str | None
    per_second: int
    status: JobStatus
    total: int = Field(description="deliveries of the window when it began; counting ends at a million")
    sent: int = Field(description="deliveries that were given a new round so far")
    created_at: Shown
    ended_at: Shown | None

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        ended: datetime | None = document.get("ended_at")
        return cls(
            id=document["_id"],
            since=iso(document["since"]),
            until=iso(document["until"]),
            created_at=iso(document["created_at"]),
            ended_at=iso(ended) if ended else None,
            **{
                name: document[name]
                for name in ("tenant_id", "webhook_id", "which", "event_type", "per_second", "status", "total", "sent")
            },
        )


class ReplayPage(BaseModel):
    replays: list[Replay]
    next_cursor: NextCursor


class ReplayListing(Listing):
    """`GET …/webhooks/{id}/replays`"""


class Erasure(BaseModel):
    """The erasure of a tenant's stored events and deliveries."""

    id: str
    tenant_id: str
    status: JobStatus
    deliveries: int = Field(description="erased so far")
    events: int = Field(description="erased so far")
    created_at: Shown
    ended_at: Shown | None

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        ended: datetime | None = document.get("ended_at")
        return cls(
            id=document["_id"],
            created_at=iso(document["created_at"]),
            ended_at=iso(ended) if ended else None,
            **{name: document[name] for name in ("tenant_id", "status", "deliveries", "events")},
        )
