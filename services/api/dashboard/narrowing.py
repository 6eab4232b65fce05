"""What a page or a form is narrowed to: read from its fields, and written into links and further forms."""

import re
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from services.api.dashboard.visit import Visit
from shared.contracts.event import invalid
from shared.moments import moment_ago
from shared.routes import Q, refused
from shared.times import iso

_MOMENTS = ("since", "until")
_SHOWN = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]([0-9:]{5,8}))?(?: ?UTC)?")


def narrowing(visit: Visit, model: type[Q], now: datetime, **defaults: str) -> Q:
    """From the form that was sent, or the address. What was left empty does not narrow. Raises Refused.

    Moments are written as in the API, as pages show them (2025-01-15 10:30:00 UTC), or as how long ago: `2h`.
    """
    given = visit.form if visit.request.method == "POST" else visit.request.query
    texts = {name: str(value).strip() for name, value in given.items() if name != "csrf"}
    wanted: dict[str, Any] = {**defaults, **{name: text for name, text in texts.items() if text}}
    for name in _MOMENTS:
        if name in wanted:
            wanted[name] = moment_ago(wanted[name], now) or _in_utc(wanted[name])
    try:
        return model.model_validate(wanted)
    except ValidationError as failure:
        raise refused(invalid(failure)) from None


def _in_utc(text: str) -> str:
    """What says no time zone means UTC, as all that pages say does."""
    shown = _SHOWN.fullmatch(text)
    return f"{shown[1]}T{shown[2] or '00:00'}Z" if shown else text


def fields(wanted: BaseModel, *without: str) -> dict[str, str]:
    """What is narrowed, as `narrowing` reads it."""
    names = type(wanted).model_fields.keys() - {"limit", *without}
    return {name: _text(value) for name in sorted(names) if (value := getattr(wanted, name))}


def _text(value: Any) -> str:
    match value:
        case datetime():
            return iso(value)
        case tuple():
            return str(value[0])
        case _:
            return str(value)
