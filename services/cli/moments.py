"""Moments as operators write them: as in the API, or how long ago, or from now. Pure."""

from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from shared.contracts.listing import Moment
from shared.errors import StartupError
from shared.moments import moment_ago

_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


def moment(option: str, text: str | None, now: datetime) -> datetime | None:
    """Raises StartupError, which names the option."""
    if text is None:
        return None
    try:
        return _MOMENT.validate_python(moment_ago(text, now) or text)
    except ValidationError:
        raise StartupError(
            f"{option}: {text!r:.60} is neither a moment like 2025-01-15T10:30:00Z nor a span like 90s, 30m, 2h, 3d, 1w"
        ) from None


def moment_ahead(option: str, text: str | None, now: datetime) -> datetime | None:
    """As `moment`, but a span is how long from now."""
    ago = moment_ago(text, now) if text else None
    return now + (now - ago) if ago else moment(option, text, now)
