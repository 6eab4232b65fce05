"""Events as the API shows them."""

from typing import Any

from pydantic import BaseModel, Field

from shared.contracts.delivery import DeliveryRecord
from shared.contracts.event_types import EventTypeName
from shared.contracts.listing import Listing, Moment, NextCursor, TenantWanted
from shared.contracts.moment import Shown
from shared.contracts.webhook import Explanation


class EventHistory(Listing):
    """`GET /api/v1/events`"""

    tenant_id: TenantWanted | None = None
    event_type: EventTypeName | None = None
    since: Moment | None = Field(None, description="taken at this moment or later")
    until: Moment | None = Field(None, description="taken before this moment")


class EventSummary(BaseModel):
    id: str
    tenant_id: str
    event: str
    timestamp: Shown = Field(description="the producer's")
    created_at: Shown = Field(description="when its deliveries had been made")


class EventPage(BaseModel):
    events: list[EventSummary]
    next_cursor: NextCursor


class EventAtWebhook(BaseModel):
    webhook_id: str
    delivery: DeliveryRecord | None = Field(description="null when it did not go there")
    by_settings_of_now: Explanation


class EventDetail(EventSummary):
    data: Any = Field(description="as it was published")
    webhooks: list[EventAtWebhook]
