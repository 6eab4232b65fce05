"""What a customer may ask of webhooks."""

from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StringConstraints,
    model_validator,
)

from shared.contracts.event import TenantId
from shared.contracts.event_types import EVENT_TYPES, EventPattern, EventTypeName
from shared.contracts.filter import MAX_DEPTH, Filter, depth
from shared.contracts.header import Headers
from shared.contracts.omittable import Omittable
from shared.contracts.url import Url
from shared.contracts.webhook import COALESCES, ORDERED
from shared.contracts.whole import WHOLE


def shallow(value: Any) -> Any:
    """Refused before the models recurse into it."""
    if depth(value) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return value


Secret = Annotated[str, StringConstraints(min_length=16, max_length=256)]
PayloadFilter = Annotated[Filter, BeforeValidator(shallow)]
Attempts = Annotated[int, Field(strict=True, ge=1, le=30), WHOLE]
ALL_OR_THE_NEWEST = "an ordered webhook gets every event, coalesce_seconds leaves some out: choose one of them"
RateLimit = Annotated[
    float,
    Field(strict=True, ge=0.01, le=10_000, allow_inf_nan=False, description="requests per second at most"),
]
CoalesceSeconds = Annotated[float, Field(strict=True, gt=0, le=3_600, allow_inf_nan=False, description=COALESCES)]
Ordered = Annotated[StrictBool, Field(description=ORDERED)]


_GUIDE: dict[str, JsonValue] = {
    "tenant_id": "550e8400-e29b-41d4-a716-446655440000",
    "url": "https://your-app.com/api/webhooks/scorm",
    "secret": "your-webhook-secret",
    "event_type": "package.processing.completed",
}


def _named(name: str, kind: str) -> dict[str, Any]:
    """A schema: this field is there and not null."""
    return {"required": [name], "properties": {name: {"type": kind}}}


_NOT_BOTH: dict[str, JsonValue] = {
    "anyOf": [{"properties": {"ordered": {"const": False}}}, {"properties": {"coalesce_seconds": {"type": "null"}}}]
}


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WebhookCreate(_Request):
    """`POST /api/v1/webhooks`. One of `event_type` and `event_types`; without a `secret` we make one."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [_named("event_type", "string"), _named("event_types", "array")],
            **_NOT_BOTH,
            "examples": [_GUIDE],
        }
    )

    url: Url
    tenant_id: TenantId | None = None
    event_type: EventPattern | None = None
    event_types: list[EventPattern] | None = Field(None, min_length=1, max_length=50)
    secret: Secret | None = None
    description: str | None = Field(None, max_length=500)
    filter: PayloadFilter | None = None
    headers: Headers | None = None
    max_attempts: Attempts | None = None
    rate_limit: RateLimit | None = None
    coalesce_seconds: CoalesceSeconds | None = None
    ordered: Ordered = False

    @model_validator(mode="after")
    def _one_way_to_name_types(self) -> Self:
        if (self.event_type is None) == (self.event_types is None):
            raise ValueError("give one of event_type and event_types")
        return self

    @model_validator(mode="after")
    def _all_or_the_newest(self) -> Self:
        if self.ordered and self.coalesce_seconds is not None:
            raise ValueError(ALL_OR_THE_NEWEST)
        return self


class WebhookPatch(_Request):
    """`PATCH /api/v1/webhooks/{id}`: only what is present changes; null clears what may be absent."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {"anyOf": [{"properties": {name: {"type": "null"}}} for name in ("event_type", "event_types")]},
                _NOT_BOTH,
            ],
            "examples": [{"paused": True}, {"event_types": ["session.*"], "description": "Progress of learners"}],
        }
    )

    url: Omittable[Url] = None
    event_type: EventPattern | None = None
    event_types: list[EventPattern] | None = Field(None, min_length=1, max_length=50)
    description: str | None = Field(None, max_length=500)
    filter: PayloadFilter | None = None
    headers: Headers | None = None
    max_attempts: Attempts | None = None
    rate_limit: RateLimit | None = None
    coalesce_seconds: CoalesceSeconds | None = None
    ordered: Omittable[Ordered] = None
    is_active: Omittable[StrictBool] = None
    paused: Omittable[StrictBool] = None

    @model_validator(mode="after")
    def _one_way_to_name_types(self) -> Self:
        if self.event_type and self.event_types:
            raise ValueError("give one of event_type and event_types")
        return self

    @model_validator(mode="after")
    def _all_or_the_newest(self) -> Self:
        if self.ordered and self.coalesce_seconds is not None:
            raise ValueError(ALL_OR_THE_NEWEST)
        return self


class Rotation(_Request):
    """`POST …/rotate-secret`: both secrets sign until the overlap ends or the customer completes it."""

    secret: Secret | None = None
    overlap_hours: float = Field(24, strict=True, ge=0, le=24 * 30, allow_inf_nan=False)


class SampleWanted(_Request):
    """`POST …/test`: a sample of this type; by default of the first that the webhook subscribes to."""

    event_type: EventTypeName | None = None


class Explain(_Request):
    """`POST …/explain`: an event that might be published."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"event": one.name, "data": one.example} for one in EVENT_TYPES.values()]}
    )

    event: EventTypeName
    data: dict[str, JsonValue]
