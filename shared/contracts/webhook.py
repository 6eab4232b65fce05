"""A webhook as services use it and as the API shows it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.contracts.health import WebhookHealth
from shared.contracts.listing import NextCursor
from shared.contracts.moment import Shown
from shared.times import iso

ENDED_GONE = "gone"  # the endpoint answered 410
ENDED_FAILING = "failing"  # it failed for days and never succeeded
ENDED_BY_CUSTOMER = "disabled_by_customer"

COALESCES = "of `session.progress` of one session within so many seconds only the newest is sent"
ORDERED = "deliveries go one at a time, in the order of their events; the next waits until the one before has ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A stored webhook with its secrets in the clear: never logged, which is why they have no repr."""

    id: str
    tenant_id: str
    url: str
    event_types: tuple[str, ...]
    secrets: tuple[str, ...] = field(repr=False)
    """The one in force; while one is being rotated, the old one and then the new one."""
    rotation_ends_at: datetime | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    is_active: bool
    paused: bool
    disabled_reason: str | None
    disabled_at: datetime | None = None
    description: str | None
    filter: dict[str, Any] | None
    max_attempts: int | None
    rate_limit: float | None = None
    """Requests per second, all workers together; None: no limit."""
    coalesce_seconds: float | None = None
    """Of the updates of one session that come within so long only the newest is sent; None: each is."""
    ordered: bool = False
    """Its deliveries go one at a time, in the order of their events."""
    version: int
    created_at: datetime
    updated_at: datetime

    def secrets_at(self, moment: datetime) -> tuple[str, ...]:
        """Those that sign; empty when they do not open."""
        over = self.rotation_ends_at is not None and moment >= self.rotation_ends_at
        return self.secrets[-1:] if over else self.secrets


_GUIDE: dict[str, JsonValue] = {
    "id": "webhook_abc123",
    "tenant_id": "550e8400-e29b-41d4-a716-446655440000",
    "url": "https://your-app.com/api/webhooks/scorm",
    "event_type": "package.processing.completed",
    "is_active": True,
    "created_at": "2025-01-15T10:30:00.000Z",
    "event_types": ["package.processing.completed"],
    "paused": False,
    "disabled_reason": None,
    "disabled_at": None,
    "description": None,
    "filter": None,
    "max_attempts": None,
    "rate_limit": None,
    "coalesce_seconds": None,
    "ordered": False,
    "version": 1,
    "updated_at": "2025-01-15T10:30:00.000Z",
    "header_names": [],
    "rotation_ends_at": None,
    "health": WebhookHealth().model_dump(),
}


class Missed(BaseModel):
    """What ended dead around the time when it was inactive. `POST …/replay` with this window sends it."""

    deliveries: int
    since: Shown
    until: Shown


class WebhookAnswer(BaseModel):
    """A webhook as the API shows it: the guide's fields in the guide's order, then ours."""

    model_config = ConfigDict(json_schema_extra={"examples": [_GUIDE]})

    id: str
    tenant_id: str
    url: str
    event_type: str | None = Field(description="null when the webhook has several")
    is_active: bool
    created_at: Shown
    event_types: list[str]
    paused: bool
    disabled_reason: str | None
    disabled_at: Shown | None
    description: str | None
    filter: dict[str, Any] | None
    max_attempts: int | None
    rate_limit: float | None = Field(description="requests per second at most")
    coalesce_seconds: float | None = Field(description=COALESCES)
    ordered: bool = Field(description=ORDERED)
    version: int
    updated_at: Shown
    header_names: list[str] = Field(description="of the customer's own headers; their values are never shown")
    rotation_ends_at: Shown | None = Field(
        description="until then the old secret and the new one sign; null: no rotation"
    )
    health: WebhookHealth = Field(default_factory=WebhookHealth)
    missed: Missed | None = Field(None, description="only in the answer that enabled it again, if anything was missed")
    secret: str | None = Field(None, description="only in the answer that made it")

    @classmethod
    def of(cls, webhook: Webhook, health: WebhookHealth) -> Self:
        return cls(
            id=webhook.id,
            tenant_id=webhook.tenant_id,
            url=webhook.url,
            event_type=webhook.event_types[0] if len(webhook.event_types) == 1 else None,
            is_active=webhook.is_active,
            created_at=iso(webhook.created_at),
            event_types=list(webhook.event_types),
            paused=webhook.paused,
            disabled_reason=webhook.disabled_reason,
            disabled_at=iso(webhook.disabled_at) if webhook.disabled_at else None,
            description=webhook.description,
            filter=webhook.filter,
            max_attempts=webhook.max_attempts,
            rate_limit=webhook.rate_limit,
            coalesce_seconds=webhook.coalesce_seconds,
            ordered=webhook.ordered,
            version=webhook.version,
            updated_at=iso(webhook.updated_at),
            header_names=list(webhook.headers),
            rotation_ends_at=iso(webhook.rotation_ends_at) if webhook.rotation_ends_at else None,
            health=health,
        )


class WebhookPage(BaseModel):
    webhooks: list[WebhookAnswer]
    next_cursor: NextCursor


class Explanation(BaseModel):
    """Whether an event goes to a webhook by its settings of now."""

    matches: bool
    reasons: list[str] = Field(description="why not; empty when it matches")
    paused: bool = Field(description="what matches waits until the webhook is resumed")


class SampleSent(BaseModel):
    """The sample event is an ordinary one: its delivery is found in the webhook's history."""

    event_id: str
    delivery_id: str
