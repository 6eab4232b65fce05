"""One page of a list: one entry more than asked for is read, which tells whether there is a next page."""

from collections.abc import Sequence

from shared.contracts.listing import Position


def next_cursor(found: Sequence[Position], limit: int) -> str | None:
    return found[limit - 1].cursor() if len(found) > limit else None
