"""The registry of event types: what `data` holds for each, with the guide's own words and examples.

Fields that the guide lists are typed; those that some of its examples leave out are optional; fields it does not
list pass through untouched.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict


class EventData(BaseModel):
    """`data` of an event. Numbers given as strings are refused: endpoints would receive them as strings."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class PackageProcessingCompleted(EventData):
    package_id: str
    title: str
    version: str | None = None
    scorm_version: str | None = None
    revision: int | None = None
    launch_url: str | None = None
    file_size_bytes: int | None = None


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


@dataclass(frozen=True, slots=True)
class EventType:
    """One row of the catalogue; `example` is the guide's printed `data`."""

    name: str
    description: str
    data: type[EventData]
    example: dict[str, Any]


_SESSION = {"session_id": "session_abc123", "package_id": "pkg_abc123", "user_id": "user_xyz789"}

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
    )
}
