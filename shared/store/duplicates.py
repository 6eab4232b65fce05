"""Tells an insert that met what was there before from one that failed. Pure."""

from typing import Any

from pymongo.errors import BulkWriteError

_DUPLICATE = 11000


def only_duplicates(error: BulkWriteError) -> bool:
    """All else was written, and by a majority."""
    details: Any = error.details or {}
    failures = details.get("writeErrors", [])
    return not details.get("writeConcernErrors") and all(failure["code"] == _DUPLICATE for failure in failures)
