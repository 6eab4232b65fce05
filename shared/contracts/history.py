"""Histories of deliveries: what they can be searched by, and what is done with many at once."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.contracts.delivery import DeliveryRecord, Status
from shared.contracts.event_types import EventTypeName
from shared.contracts.failure import ErrorKind
from shared.contracts.ids import WebhookId
from shared.contracts.listing import Listing, Moment, NextCursor, TenantWanted

COUNTED_AT_MOST = 1_000_000
_ANSWERS = [kind.value for kind in ErrorKind if kind is not ErrorKind.HTTP_STATUS]


Answered = Annotated[
    str,
    StringConstraints(pattern=rf"^([1-5][0-9][0-9]|[1-5]xx|{'|'.join(_ANSWERS)})$"),
    Field(description="the last answer: a status, a class of them such as 5xx, or what kept one from coming"),
]


class Narrowing(BaseModel):
    """Which deliveries of many; what is left out does not narrow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_type: EventTypeName | None = None
    since: Moment | None = Field(None, description="made at this moment or later")
    until: Moment | None = Field(None, description="made before this moment")
    response_status: Answered | None = None


class WebhookHistory(Narrowing, Listing):
    """`GET …/webhooks/{id}/deliveries`"""

    status: Status | None = None


class TenantHistory(WebhookHistory):
    """`GET /api/v1/deliveries`"""

    tenant_id: TenantWanted | None = None
    webhook_id: WebhookId | None = None


class DeliveryPage(BaseModel):
    deliveries: list[DeliveryRecord]
    next_cursor: NextCursor


class LiveStatus(StrEnum):
    PENDING = "pending"
    WAITING = "waiting"


class CancelWanted(Narrowing):
    """`POST …/webhooks/{id}/deliveries/cancel`: of those that have not ended."""

    status: LiveStatus | None = Field(None, description="of these only; both when left out")
    dry_run: bool = Field(False, strict=True, description="only count them")


class CancelAnswer(BaseModel):
    cancelled: int = Field(description="how many were cancelled; in a dry run, how many would be")
    more: bool = Field(description="there are more: send the same request again")
    dry_run: bool
