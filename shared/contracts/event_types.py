"""The registry of event types: what `data` holds for each, with the guide's own words and examples.

Fields that the guide lists are typed; those that some of its examples leave out are optional; fields it does not
list pass through untouched.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema

from shared.contracts.whole import Whole


class EventData(BaseModel):
    """`data` of an event. Numbers given as strings are refused: endpoints would receive them as strings."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class PackageProcessingCompleted(EventData):
    package_id: str
    title: str
    version: str | None = None
    scorm_version: str | None = None
    revision: Whole | None = None
    launch_url: str | None = None
    file_size_bytes: Whole | None = None


class PackageProcessingFailed(EventData):
    package_id: str
    error: str
    error_code: str | None = None


class SessionCreated(EventData):
    session_id: str
    package_id: str
    user_id: str


class Score(EventData):
    scaled: float | None = None
    raw: float | None = None
    min: float | None = None
    max: float | None = None


class SessionCompleted(SessionCreated):
    completion_status: str
    success_status: str | None = None
    score: Score | None = None
    time_spent_seconds: float | None = None


class SessionProgress(SessionCreated):
    completion_status: str | None = None
    success_status: str | None = None
    score: Score | None = None
    time_spent_seconds: float | None = None


class WebhookDisabled(EventData):
    webhook_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class EventType:
    """One row of the catalogue; `example` is the guide's printed `data`. `system`: we publish it ourselves."""

    name: str
    description: str
    data: type[EventData]
    example: dict[str, Any]
    system: bool = False


_LIKE_A_NAME = re.compile(r"[a-z_]{1,30}([.][a-z_*]{1,30}){1,3}")
_SESSION = {"session_id": "session_abc123", "package_id": "pkg_abc123", "user_id": "user_xyz789"}

WEBHOOK_DISABLED = "webhook.disabled"

EVENT_TYPES: dict[str, EventType] = {
    kind.name: kind
    for kind in (
        EventType(
            "package.processing.completed",
            "Package processing finished: after a package is successfully processed",
            PackageProcessingCompleted,
            {
                "package_id": "pkg_abc123",
                "title": "Introduction to Safety Training",
                "version": "1.2",
                "scorm_version": "1.2",
                "revision": 1,
                "launch_url": "index.html",
                "file_size_bytes": 5242880,
            },
        ),
        EventType(
            "package.processing.failed",
            "Package processing failed: when package processing encounters an error",
            PackageProcessingFailed,
            {"package_id": "pkg_abc123", "error": "Invalid SCORM manifest", "error_code": "INVALID_MANIFEST"},
        ),
        EventType(
            "session.created",
            "New session created: when a learner starts a course",
            SessionCreated,
            _SESSION,
        ),
        EventType(
            "session.completed",
            "Session completed: when a learner completes a course",
            SessionCompleted,
            {
                **_SESSION,
                "completion_status": "completed",
                "success_status": "passed",
                "score": {"scaled": 0.85, "raw": 85, "max": 100},
                "time_spent_seconds": 3600,
            },
        ),
        EventType(
            "session.progress",
            "Session progress updated: when CMI data is updated (frequent)",
            SessionProgress,
            {
                **_SESSION,
                "completion_status": "incomplete",
                "score": {"scaled": 0.65, "raw": 65},
                "time_spent_seconds": 1800,
            },
        ),
        EventType(
            WEBHOOK_DISABLED,
            "Webhook disabled: when we set one of yours inactive, because it failed for days or answered 410",
            WebhookDisabled,
            {"webhook_id": "webhook_abc123", "reason": "failing"},
            system=True,
        ),
    )
}
GUIDE_TYPES = [name for name, kind in EVENT_TYPES.items() if not kind.system]


def unknown_type(name: object) -> str:
    """Quotes only what might be a type's name: in its place a secret may have been sent by mistake."""
    quoted = f" {name!r}" if isinstance(name, str) and _LIKE_A_NAME.fullmatch(name) else ""
    return f"unknown event type{quoted}; known: {', '.join(EVENT_TYPES)}"


def known_type(name: str) -> str:
    if name not in EVENT_TYPES:
        raise ValueError(unknown_type(name))
    return name


def known_pattern(pattern: str) -> str:
    """`session.*` and `*` are patterns; anything else is the name of an event type."""
    if pattern not in PATTERNS:
        raise ValueError(f"{unknown_type(pattern)}, or session.* or *")
    return pattern


def _patterns() -> list[str]:
    above = {".".join(name.split(".")[:length]) for name in EVENT_TYPES for length in range(1, name.count(".") + 1)}
    return [*EVENT_TYPES, *(f"{prefix}.*" for prefix in sorted(above)), "*"]


PATTERNS = _patterns()
EventTypeName = Annotated[
    str, AfterValidator(known_type), WithJsonSchema({"type": "string", "enum": list(EVENT_TYPES)})
]
EventPattern = Annotated[str, AfterValidator(known_pattern), WithJsonSchema({"type": "string", "enum": PATTERNS})]
