"""By what deliveries are narrowed on the command line, as the API calls it."""

from collections.abc import Callable
from datetime import UTC, datetime

from services.cli.choice import TIMES, Answered, EventType, Since, Until
from services.cli.moments import moment
from shared.times import iso

Narrowed = Callable[[], dict[str, str]]
WHEN = f"\n\n`--since` and `--until` mean when the delivery was made. {TIMES}\n\n"


def narrowed(
    event_type: EventType = None, answered: Answered = None, since: Since = None, until: Until = None
) -> dict[str, str]:
    """Raises StartupError, which names the option."""
    given = {"event_type": event_type, "response_status": answered, **window(since, until)}
    return {name: value for name, value in given.items() if value is not None}


def window(since: Since = None, until: Until = None) -> dict[str, str | None]:
    """Raises StartupError, which names the option."""
    now = datetime.now(UTC)
    return {"since": _written(moment("--since", since, now)), "until": _written(moment("--until", until, now))}


def _written(bound: datetime | None) -> str | None:
    return iso(bound) if bound else None
