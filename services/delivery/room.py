"""How many deliveries the open messages of each lane may hold, so that one lane does not crowd out another."""

import asyncio


class Room:
    """`places`: deliveries of open messages above which no further message is opened.

    A room `behind` another one has besides what that one leaves free: it is small while both are wanted, and as large
    as the other while nobody is there.
    """

    def __init__(self, places: int, *, behind: "Room | None" = None) -> None:
        self._places = places
        self._taken = 0
        self._free = asyncio.Event()
        self._ahead = behind
        self._behind: list[Room] = []
        if behind:
            behind._behind.append(self)
        self._look()

    async def wait(self) -> None:
        """Returns while a message may be opened."""
        await self._free.wait()

    def occupy(self, places: int) -> None:
        """Places are held until the results are written: what a crash would repeat is bounded by them."""
        self._taken += places
        for room in (self, *self._behind):
            room._look()

    def _look(self) -> None:
        left = self._ahead._places - self._ahead._taken if self._ahead else 0
        if self._taken < max(self._places, left):
            self._free.set()
        else:
            self._free.clear()
