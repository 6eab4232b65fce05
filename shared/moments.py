"""Moments as people write them: how long ago. Pure."""

import re
from datetime import datetime, timedelta

_SPAN = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment_ago(text: str, now: datetime) -> datetime | None:
    """Of `90s`, `30m`, `2h`, `3d`, `1w`; None for what is written otherwise."""
    span = _SPAN.fullmatch(text)
    if span is None:
        return None
    ago = timedelta(**{_UNITS[span[2]]: int(span[1])})
    return now - min(ago, now - datetime.min.replace(tzinfo=now.tzinfo))
