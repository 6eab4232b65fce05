"""What the filled database is about: which tenants there are, what is whose, and when it all was."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

SPAN = timedelta(days=5)
KEPT = timedelta(days=30)


class Shares(NamedTuple):
    """What a tenant has: webhooks, and of a thousand events how many are its own."""

    webhooks: int
    events: int


Tenants = Mapping[str, Shares]

BUSY, QUIET = "tenant-busy", "tenant-quiet"
TENANTS: Tenants = {
    BUSY: Shares(400, 600),
    "tenant-b": Shares(300, 250),
    "tenant-c": Shares(200, 145),
    QUIET: Shares(100, 5),
}
ALL_OF_ONE: Tenants = {BUSY: Shares(999, 1_000), QUIET: Shares(1, 0)}
"""As much as a tenant may have, and one that has just begun."""


def evenly(begins: datetime, number: int, of: int) -> datetime:
    """To the millisecond, as the database keeps moments."""
    return begins + timedelta(milliseconds=SPAN // timedelta(milliseconds=1) * number // of)
