"""What a request changes of a stored webhook, and what has to hold of that. Pure."""

from datetime import datetime
from typing import Any

from shared.contracts.webhook import ENDED_BY_CUSTOMER, Webhook
from shared.contracts.webhook_requests import ALL_OR_THE_NEWEST, WebhookCreate, WebhookPatch
from shared.errors import Refused

_AS_THEY_ARE = (
    "url",
    "description",
    "headers",
    "max_attempts",
    "rate_limit",
    "coalesce_seconds",
    "ordered",
    "is_active",
    "paused",
)


def changes(patch: WebhookPatch, now: datetime) -> dict[str, Any]:
    changed: dict[str, Any] = {name: getattr(patch, name) for name in _AS_THEY_ARE if name in patch.model_fields_set}
    if "filter" in patch.model_fields_set:
        changed["filter"] = filter_of(patch)
    if types := event_types_of(patch):
        changed["event_types"] = list(types)
    if "is_active" in changed:
        changed["disabled_reason"] = None if changed["is_active"] else ENDED_BY_CUSTOMER
        changed["disabled_at"] = None if changed["is_active"] else now
    return changed


def event_types_of(wanted: WebhookCreate | WebhookPatch) -> tuple[str, ...] | None:
    if wanted.event_type:
        return (wanted.event_type,)
    return tuple(dict.fromkeys(wanted.event_types)) if wanted.event_types else None


def filter_of(wanted: WebhookCreate | WebhookPatch) -> dict[str, Any] | None:
    return wanted.filter.model_dump(by_alias=True, exclude_unset=True) if wanted.filter else None


def expected(patch: WebhookPatch, version: int | None) -> dict[str, Any]:
    """What the stored webhook has to be like: of this version, if one is given, and not ordered and coalescing then."""
    needed: dict[str, Any] = {} if version is None else {"version": version}
    if patch.ordered and "coalesce_seconds" not in patch.model_fields_set:
        needed["coalesce_seconds"] = None
    if patch.coalesce_seconds is not None and patch.ordered is None:
        needed["ordered"] = {"$ne": True}
    return needed


def why_not_changed(now: Webhook, patch: WebhookPatch) -> Refused:
    """Of a webhook that was not as expected."""
    needed = expected(patch, None)
    if "coalesce_seconds" in needed and now.coalesce_seconds is not None:
        return _not_both("ordered")
    if "ordered" in needed and now.ordered:
        return _not_both("coalesce_seconds")
    return conflict(now)


def _not_both(field: str) -> Refused:
    return Refused(409, "INVALID_REQUEST", f"{field}: {ALL_OR_THE_NEWEST}", field=field)


def conflict(now: Webhook) -> Refused:
    words = f"it was changed meanwhile and has version {now.version}: read it again, then repeat the change"
    return Refused(409, "VERSION_CONFLICT", words, version=now.version)
