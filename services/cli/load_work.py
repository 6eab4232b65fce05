"""Publishes many events at a pace, many of them on their way at once, and counts what became of them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from services.cli.load_events import groups
from services.cli.load_senders import Send
from services.cli.pace import Pace, rest
from services.cli.progress import bar
from services.cli.running import DONE, INTERRUPTED, LEFT, complain
from shared.errors import DependencyUnavailable, StartupError
from shared.latency import bucket, percentile

ON_THEIR_WAY = 200
_GROUPS_PER_SECOND = 20
_TRY_AGAIN_SECONDS = 0.5
_LAST_ANSWERS_SECONDS = 2
_Show = Callable[..., None]


@dataclass(kw_only=True)
class Load:
    """`confirmed`: safe. What was begun and not confirmed may have arrived all the same."""

    wanted: int
    begun: int = 0
    confirmed: int = 0
    pauses: int = 0
    seconds: float = 0
    failure: str | None = None
    stopped: bool = False
    latencies: dict[int, int] = field(default_factory=dict)

    def note(self, milliseconds: float) -> None:
        self.confirmed += 1
        number = bucket(round(milliseconds))
        self.latencies[number] = self.latencies.get(number, 0) + 1

    @property
    def exit_code(self) -> int:
        if self.stopped:
            return INTERRUPTED
        return DONE if self.confirmed == self.wanted else LEFT

    def as_dict(self) -> dict[str, Any]:
        return {
            "wanted": self.wanted,
            "confirmed": self.confirmed,
            "unknown": self.begun - self.confirmed,
            "pauses": self.pauses,
            "seconds": round(self.seconds, 3),
            "per_second": round(self.confirmed / self.seconds, 1) if self.seconds else None,
            "confirm_ms": {f"p{share:g}": percentile(self.latencies, share / 100) for share in (50, 95, 99)},
            "stopped": self.stopped,
            "failure": self.failure,
        }


class LoadWork:
    """`make` makes the event of a number: again and again the same, so that publishing it twice is harmless."""

    def __init__(self, load: Load, *, make: Callable[[int], bytes], send: Send, stopped: asyncio.Event) -> None:
        self._load = load
        self._make = make
        self._send = send
        self._stopped = stopped
        self._places = asyncio.Semaphore(ON_THEIR_WAY)
        self._under_way: set[asyncio.Task[None]] = set()
        self._away = False
        self._broken: BaseException | None = None
        self._ended = asyncio.Event()

    async def run(self, per_second: float) -> None:
        began = time.monotonic()
        interruption = asyncio.ensure_future(self._stopped.wait())
        interruption.add_done_callback(lambda _: self._end())
        with bar() as progress:
            show = partial(progress.update, progress.add_task("events", total=self._load.wanted))
            await self._begin_all(Pace(per_second, time.monotonic), per_second, show)
            await self._ended.wait()
        interruption.cancel()
        await self._last_answers()
        if self._broken:
            raise self._broken
        self._load.seconds = time.monotonic() - began
        self._load.stopped = self._stopped.is_set() and self._load.confirmed < self._load.wanted

    def _end(self) -> None:
        """All are safe, or one was refused, or somebody wishes it."""
        self._ended.set()
        self._places.release()  # for who waits to begin another

    async def _begin_all(self, pace: Pace, per_second: float, show: _Show) -> None:
        for numbers in groups(self._load.wanted, max(1, round(per_second / _GROUPS_PER_SECOND))):
            for number in numbers:
                await self._places.acquire()
                if self._ended.is_set():
                    return
                self._begin(number, show)
            await rest(pace.rest_seconds(len(numbers)), self._ended)

    def _begin(self, number: int, show: _Show) -> None:
        self._load.begun += 1
        sending = asyncio.create_task(self._until_safe(number, show))
        self._under_way.add(sending)
        sending.add_done_callback(self._done)

    def _done(self, sending: "asyncio.Task[None]") -> None:
        self._under_way.discard(sending)
        self._places.release()
        if not sending.cancelled() and sending.exception():
            self._broken = sending.exception()
            self._end()

    async def _until_safe(self, number: int, show: _Show) -> None:
        body, began = self._make(number), time.monotonic()
        while not self._ended.is_set():
            try:
                await self._send(body)
            except DependencyUnavailable as error:
                self._pause(show, str(error))
                await rest(_TRY_AGAIN_SECONDS, self._ended)
            except StartupError as error:
                self._load.failure = str(error)
                self._end()
            else:
                self._safe(began, show)
                return

    def _safe(self, began: float, show: _Show) -> None:
        self._away = False
        self._load.note(1000 * (time.monotonic() - began))
        show(completed=self._load.confirmed, description="events")
        if self._load.confirmed == self._load.wanted:
            self._end()

    def _pause(self, show: _Show, why: str) -> None:
        """Everybody on the way comes here; it is one pause until somebody gets through."""
        if not self._away:
            self._load.pauses += 1
            complain(f"waiting, as nothing is confirmed: {why}")
            show(description="waiting")
        self._away = True

    async def _last_answers(self) -> None:
        """Of what was on its way at the end, and not for long."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=_LAST_ANSWERS_SECONDS)
            for one in late:
                one.cancel()
