"""What pages say of webhooks, moments and durations. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.contracts.health import BreakerState
from shared.contracts.webhook import ENDED_BY_CUSTOMER, ENDED_FAILING, ENDED_GONE, WebhookAnswer

Tone = Literal["good", "warn", "bad", "off"]

_INACTIVE = {
    ENDED_GONE: "Its endpoint answered 410 Gone, which asks us to stop. If that was not meant, enable it again.",
    ENDED_FAILING: "Its endpoint failed for days and never succeeded. Repair it, then enable the webhook again.",
    ENDED_BY_CUSTOMER: "It was switched off here or through the API.",
}
_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a webhook does, at a glance: a word to compare by, and a sentence that explains it."""

    tone: Tone
    word: str
    sentence: str


def standing(webhook: WebhookAnswer) -> Standing:
    health = webhook.health
    failed = f"{health.failures} attempts failed since the last success; the last: {health.last_error}."
    if not webhook.is_active:
        return Standing("off", "inactive", _INACTIVE.get(webhook.disabled_reason or "", "It was switched off."))
    if webhook.paused:
        return Standing("off", "paused", "New deliveries wait until you resume it.")
    if health.breaker != BreakerState.CLOSED:
        return Standing("bad", "failing", f"{failed} Deliveries wait in line while one at a time tries.")
    if health.failures:
        return Standing("warn", "troubled", failed)
    if health.last_success_at:
        return Standing("good", "healthy", "The last attempt succeeded.")
    return Standing("off", "new", "Nothing was sent yet: send a sample event to try it.")


def moment(text: str) -> str:
    """ISO 8601 as people read it."""
    return f"{text[:10]} {text[11:19]} UTC"


def ago(text: str, now: datetime) -> str:
    """How far a moment is from now, in its largest unit: "5 min ago", "in 2 h"."""
    seconds = (now - datetime.fromisoformat(text)).total_seconds()
    size, unit = next((step for step in _STEPS if abs(seconds) >= step[0]), (1, "s"))
    count = int(abs(seconds) // size)
    if not count:
        return "now"
    return f"{count} {unit} ago" if seconds > 0 else f"in {count} {unit}"


def duration(milliseconds: int) -> str:
    return f"{milliseconds} ms" if milliseconds < 1_000 else f"{milliseconds / 1_000:.1f} s"


def size(count: int) -> str:
    """Of bytes."""
    if count < 1_024:
        return f"{count} B"
    return f"{count / 1_024:.1f} KiB" if count < 1_024**2 else f"{count / 1_024**2:.1f} MiB"
