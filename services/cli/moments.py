"""Moments as operators write them: as in the API, or how long ago. Pure."""

import re
from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from shared.contracts.listing import Moment
from shared.errors import StartupError

_SPAN = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


def moment(option: str, text: str | None, now: datetime) -> datetime | None:
    """Raises StartupError, which names the option."""
    if text is None:
        return None
    if span := _SPAN.fullmatch(text):
        return _ago(now, timedelta(**{_UNITS[span[2]]: int(span[1])}))
    try:
        return _MOMENT.validate_python(text)
    except ValidationError:
        raise StartupError(
            f"{option}: {text!r:.60} is neither a moment like 2025-01-15T10:30:00Z nor a span like 90s, 30m, 2h, 3d, 1w"
        ) from None


def _ago(now: datetime, span: timedelta) -> datetime:
    return _MOMENT.validate_python(now - min(span, now - datetime.min.replace(tzinfo=now.tzinfo)))
