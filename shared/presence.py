"""Whether something that we need on a server is there: a queue, an exchange, an index."""

from dataclasses import dataclass
from enum import StrEnum


class Presence(StrEnum):
    THERE = "there"
    MISSING = "missing"
    FORMER = "former"  # as a former version of ours made it; it is used as it is
    OTHER = "other"  # by this name there is something else


@dataclass(frozen=True, slots=True)
class Found:
    """`what`: "queue fanout", "index deliveries.due_at_1". `difference`: what is there, and what we need."""

    what: str
    presence: Presence
    difference: str | None = None
