"""What pages say of webhooks and moments. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.contracts.delivery import WaitingFor
from shared.contracts.health import BreakerState
from shared.contracts.webhook import ENDED_BY_CUSTOMER, ENDED_FAILING, ENDED_GONE, WebhookAnswer
from shared.durations import STEPS

Tone = Literal["good", "warn", "bad", "off"]

_INACTIVE = {
    ENDED_GONE: "Its endpoint answered 410 Gone, which asks us to stop. If that was not meant, enable it again.",
    ENDED_FAILING: "Its endpoint failed for days and never succeeded. Repair it, then enable the webhook again.",
    ENDED_BY_CUSTOMER: "It was switched off here or through the API.",
}
_WAITS = {
    WaitingFor.RETRY: "waits for its next attempt",
    WaitingFor.RETRY_AFTER: "waits as long as the endpoint asked for",
    WaitingFor.ANSWER: "a request is under way",
    WaitingFor.SLOT: "waits in line: its endpoint is slow or fails",
    WaitingFor.RATE_LIMIT: "waits in line: the webhook's rate limit",
    WaitingFor.RESUME: "waits until the webhook is resumed",
    WaitingFor.FAULT: "waits: something went wrong on our side",
    WaitingFor.ORDER: "waits until the one before has ended: the webhook is ordered",
    WaitingFor.NEWER: "waits for a newer update of its session, which would take its place",
}
_ENDED = {
    "gone": "Its endpoint answered 410 Gone, which asks us to stop",
    "attempts_exhausted": "Every attempt that it may have failed",
    "expired": "It became too old to be tried again",
    "webhook_inactive": "Its webhook was switched off before it arrived",
    "webhook_deleted": "Its webhook was deleted before it arrived",
    "internal": "Something went wrong on our side, again and again",
    "event_missing": "Its event was not found",
    "discarded": "An operator discarded it",
    "cancelled_by_customer": "It was cancelled here or through the API",
}


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
    size, unit = next((step for step in STEPS if abs(seconds) >= step[0]), (1, "s"))
    count = int(abs(seconds) // size)
    if not count:
        return "now"
    return f"{count} {unit} ago" if seconds > 0 else f"in {count} {unit}"


def waits(reason: WaitingFor | None) -> str:
    """A newer version of the services may know more reasons."""
    return _WAITS.get(reason, "waits for its turn") if reason else "waits for its turn"


def ended(reason: str) -> str:
    """Why a delivery will not arrive by itself."""
    return _ENDED.get(reason, reason.replace("_", " ").capitalize())


def size(count: int) -> str:
    """Of bytes."""
    if count < 1_024:
        return f"{count} B"
    return f"{count / 1_024:.1f} KiB" if count < 1_024**2 else f"{count / 1_024**2:.1f} MiB"
