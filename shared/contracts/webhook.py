"""A webhook: what a customer may say of it, what we answer, and the form in which services use it."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from shared.contracts.event import TenantId
from shared.contracts.event_types import EVENT_TYPES
from shared.contracts.filter import MAX_DEPTH, Filter, depth
from shared.contracts.header import Headers
from shared.times import iso

ENDED_GONE = "gone"  # the endpoint answered 410
ENDED_BY_CUSTOMER = "disabled_by_customer"


def known_pattern(pattern: str) -> str:
    """`session.*` and `*` are patterns; anything else is the name of an event type."""
    if pattern == "*" or pattern in EVENT_TYPES:
        return pattern
    if pattern.endswith(".*") and any(name.startswith(pattern[:-1]) for name in EVENT_TYPES):
        return pattern
    raise ValueError(f"unknown event type {pattern!r:.100}; known: {', '.join(EVENT_TYPES)}, or session.* or *")


def known_type(name: str) -> str:
    """The name of an event type."""
    if name not in EVENT_TYPES:
        raise ValueError(f"unknown event type {name!r:.100}; known: {', '.join(EVENT_TYPES)}")
    return name


def http_url(url: str) -> str:
    """An absolute http(s) URL with a host and without credentials, kept as it was written."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an absolute URL is needed, such as https://your-app.com/api/webhooks/scorm")
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials in the URL are not allowed; verify the signature instead")
    if port == 0:
        raise ValueError("port 0 cannot be connected to")
    if re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError("white space and control characters are not allowed; percent-encode them")
    return url


def shallow(value: Any) -> Any:
    """Refused before the models recurse into it."""
    if depth(value) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return value


EventPattern = Annotated[str, AfterValidator(known_pattern)]
Url = Annotated[str, StringConstraints(max_length=2048), AfterValidator(http_url)]
Secret = Annotated[str, StringConstraints(min_length=16, max_length=256)]
PayloadFilter = Annotated[Filter, BeforeValidator(shallow)]
Attempts = Annotated[int, Field(strict=True, ge=1, le=30)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WebhookCreate(_Request):
    """`POST /api/v1/webhooks`. One of `event_type` and `event_types`; without a `secret` we make one."""

    url: Url
    tenant_id: TenantId | None = None
    event_type: EventPattern | None = None
    event_types: list[EventPattern] | None = Field(None, min_length=1, max_length=50)
    secret: Secret | None = None
    description: str | None = Field(None, max_length=500)
    filter: PayloadFilter | None = None
    headers: Headers | None = None
    max_attempts: Attempts | None = None

    @model_validator(mode="after")
    def _one_way_to_name_types(self) -> Self:
        if (self.event_type is None) == (self.event_types is None):
            raise ValueError("give one of event_type and event_types")
        return self


class WebhookPatch(_Request):
    """`PATCH /api/v1/webhooks/{id}`: only what is present changes; null clears what may be absent."""

    url: Url | None = None
    event_type: EventPattern | None = None
    event_types: list[EventPattern] | None = Field(None, min_length=1, max_length=50)
    description: str | None = Field(None, max_length=500)
    filter: PayloadFilter | None = None
    headers: Headers | None = None
    max_attempts: Attempts | None = None
    is_active: bool | None = None
    paused: bool | None = None

    @model_validator(mode="after")
    def _what_may_not_be_null(self) -> Self:
        if self.event_type and self.event_types:
            raise ValueError("give one of event_type and event_types")
        for name in ("url", "is_active", "paused"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} may be left out but not null")
        return self


class Rotation(_Request):
    """`POST …/rotate-secret`: both secrets sign until the overlap ends or the customer completes it."""

    secret: Secret | None = None
    overlap_hours: float = Field(24, ge=0, le=24 * 30, allow_inf_nan=False)


class SampleWanted(_Request):
    """`POST …/test`: a sample of this type; by default of the first that the webhook subscribes to."""

    event_type: Annotated[str, AfterValidator(known_type)] | None = None


class Explain(_Request):
    """`POST …/explain`: an event that might be published."""

    event: Annotated[str, AfterValidator(known_type)]
    data: dict[str, JsonValue]


class Explanation(BaseModel):
    """Whether an event goes to a webhook by its settings of now."""

    matches: bool
    reasons: list[str] = Field(description="why not; empty when it matches")
    paused: bool = Field(description="what matches waits until the webhook is resumed")


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
    description: str | None
    filter: dict[str, Any] | None
    max_attempts: int | None
    version: int
    created_at: datetime
    updated_at: datetime

    def secrets_at(self, moment: datetime) -> tuple[str, ...]:
        """Those that sign; empty when they do not open."""
        over = self.rotation_ends_at is not None and moment >= self.rotation_ends_at
        return self.secrets[-1:] if over else self.secrets


class WebhookAnswer(BaseModel):
    """A webhook as the API shows it: the guide's fields in the guide's order, then ours."""

    id: str
    tenant_id: str
    url: str
    event_type: str | None = Field(description="null when the webhook has several")
    is_active: bool
    created_at: str
    event_types: list[str]
    paused: bool
    disabled_reason: str | None
    description: str | None
    filter: dict[str, Any] | None
    max_attempts: int | None
    version: int
    updated_at: str
    header_names: list[str] = Field(description="of the customer's own headers; their values are never shown")
    rotation_ends_at: str | None = Field(
        description="until then the old secret and the new one sign; null: no rotation"
    )
    secret: str | None = Field(None, description="only in the answer that made it")

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
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
            description=webhook.description,
            filter=webhook.filter,
            max_attempts=webhook.max_attempts,
            version=webhook.version,
            updated_at=iso(webhook.updated_at),
            header_names=list(webhook.headers),
            rotation_ends_at=iso(webhook.rotation_ends_at) if webhook.rotation_ends_at else None,
        )
