"""The sample endpoint in its container, seen from outside through its account of what arrived."""

import asyncio
from collections import deque

from aiohttp import ClientSession

from deploy.local.sample import PATH, PORT, Arrival

LOOK_EVERY_SECONDS = 0.1


class DistantEndpoint:
    """What arrived before `start` is not told."""

    url = f"http://sample:{PORT}{PATH}"

    def __init__(self, http: ClientSession, address: str) -> None:
        self._http = http
        self._address = address
        self._arrivals: deque[Arrival] = deque()
        self._seen = 0

    async def start(self) -> None:
        await self._look()
        self._arrivals.clear()

    async def next_arrival(self) -> Arrival:
        while not self._arrivals:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            await self._look()
        return self._arrivals.popleft()

    async def _look(self) -> None:
        async with self._http.get(f"{self._address}/arrivals", params={"after": str(self._seen)}) as response:
            newer = [Arrival(**arrival) for arrival in (await response.json())["arrivals"]]
        self._arrivals.extend(newer)
        self._seen = newer[-1].number if newer else self._seen
