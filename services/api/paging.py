"""Lists: how many, and from where on. A cursor is the position behind which the next page begins."""

import base64
import binascii
from datetime import datetime

from aiohttp import web

from shared.errors import Refused

DEFAULT_LIMIT, MAX_LIMIT = 50, 200


def limit(request: web.Request) -> int:
    text = request.query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_LIMIT):
        raise Refused(400, "INVALID_REQUEST", f"limit: a number from 1 to {MAX_LIMIT} is needed", field="limit")
    return int(text)


def cursor_of(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def position(request: web.Request) -> str | None:
    """Where the cursor of this request points to."""
    text = request.query.get("cursor")
    if not text:
        return None
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        raise _bad_cursor() from None


def moment_and_id(request: web.Request) -> tuple[datetime, str] | None:
    """The position in a list that is ordered by time."""
    pointed = position(request)
    if pointed is None:
        return None
    moment, _, identity = pointed.partition(" ")
    try:
        return datetime.fromisoformat(moment), identity
    except ValueError:
        raise _bad_cursor() from None


def _bad_cursor() -> Refused:
    return Refused(400, "INVALID_REQUEST", "cursor: not one that we gave", field="cursor")
