"""The life of a delivery message: open it, run its deliveries, let go of slow ones, record, ack.

A worker has three lanes: fresh deliveries; those of tenants above their share, which get what the fresh ones leave;
and those that come again, which have a smaller share of its places.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

import structlog

from services.delivery.flight import Flight, Flights
from services.delivery.recorder import Recorder
from services.delivery.room import Room
from services.delivery.selection import Selection
from services.delivery.service import Job
from shared import metrics
from shared.broker.consumer import Consumer, Message, ack, give_back
from shared.broker.parking import park
from shared.broker.publisher import Publisher
from shared.contracts.delivery import Dead, Step
from shared.errors import DependencyUnavailable, InvalidMessage
from shared.lifecycle import background, cancel
from shared.retry import keep_trying

log = structlog.get_logger()


class Lane:
    """`room`: without any, no further message is opened."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        room: Room,
        selection: Selection,
        flights: Flights,
        recorder: Recorder,
        publisher: Publisher,
    ) -> None:
        self._consumer = consumer
        self._queue = consumer.queue
        self._room = room
        self._selection = selection
        self._flights = flights
        self._recorder = recorder
        self._publisher = publisher
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opener: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._opener = background(self._open())
        await self._consumer.start(self._inbox.put_nowait)

    async def stop(self, deadline: float) -> None:
        """Open messages finish or detach; what is not done by the deadline comes again."""
        await self._consumer.pause()
        await cancel(self._opener)
        if self._tasks:
            left = deadline - 2 - asyncio.get_running_loop().time()
            await asyncio.wait(self._tasks, timeout=max(0.1, left))
        if self._tasks:
            log.warning("delivery.left_behind", queue=self._queue, unfinished=len(self._tasks))
        await cancel(*self._tasks)
        await self._flights.cancel()
        await self._consumer.stop()

    async def _open(self) -> None:
        while True:
            message = await self._inbox.get()
            await self._room.wait()
            self._spawn(self._process(message))
            await asyncio.sleep(0)  # it takes its places as soon as it is read; until then the prefetch is the bound

    async def _process(self, message: Message) -> None:
        try:
            selected = await self._selection.select(self._queue, message)
            await self._recorder.record(selected.later)
            if message.redelivered:
                await self._one_by_one(selected.now)
            else:
                await self._together(selected.now)
            await ack(message)
        except InvalidMessage as error:
            invalid = error
            await keep_trying(lambda: park(self._publisher, self._queue, message, invalid))
            await ack(message)
        except DependencyUnavailable:
            log.info("delivery.message_left", queue=self._queue)  # stopping: it goes back with the connection
        except Exception:
            metrics.FAULTS["bug"].inc()
            log.exception("delivery.message_failed", queue=self._queue)
            await give_back(message)

    async def _one_by_one(self, jobs: Sequence[Job]) -> None:
        """For a message that came back: one of its deliveries may be what crashed a worker."""
        for job in jobs:
            fault = await self._flights.fault(job)
            if isinstance(fault, Dead):
                await self._recorder.record([job.step(fault)])
            elif fault:
                await self._together([job])

    async def _together(self, jobs: Sequence[Job]) -> None:
        """Written after each look is what is done by then, so that nobody's place is held by a neighbour for long."""
        if not jobs:
            return
        self._room.occupy(len(jobs))
        flights = [self._flights.launch(job) for job in jobs]
        waited = timedelta(0)
        try:
            for patience, settle in self._flights.looks:
                if flights:
                    await _landed(flights, patience - waited)
                    flights = await self._settle(flights, settle)
                    waited = patience
        finally:
            self._room.occupy(-len(flights))

    async def _settle(self, flights: Sequence[Flight], settle: Callable[[Flight], Step | None]) -> list[Flight]:
        """Write what became of them; answers those about which there is nothing to write yet."""
        steps = [settle(flight) for flight in flights]
        await self._recorder.record([step for step in steps if step])
        settled = [flight for flight, step in zip(flights, steps, strict=True) if step]
        self._room.occupy(-len(settled))
        for flight in settled:
            if flight.let_go:
                self._spawn(self._finish(flight))
        return [flight for flight, step in zip(flights, steps, strict=True) if not step]

    async def _finish(self, flight: Flight) -> None:
        """The result of one that was let go is written as usual, after the write that did so."""
        try:
            await self._recorder.record([await self._flights.result(flight)])
        except DependencyUnavailable:
            log.info("delivery.result_left", delivery_id=flight.job.queued.id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = background(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _landed(flights: Sequence[Flight], patience: timedelta) -> None:
    """Returns when all have landed, at the latest after this time."""
    await asyncio.wait([flight.task for flight in flights], timeout=patience.total_seconds())
