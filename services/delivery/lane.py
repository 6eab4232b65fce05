"""The life of a delivery message: open it, run its deliveries, let go of slow ones, record, ack.

A worker has two lanes: fresh deliveries, and those that come again, which have a smaller share of its places.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from services.delivery.gate import Gate
from services.delivery.recorder import Recorder
from services.delivery.selection import Selection
from services.delivery.service import DeliveryService, Job
from shared.broker.consumer import Consumer, Message, ack, give_back
from shared.broker.parking import park
from shared.broker.publisher import Publisher
from shared.contracts.delivery import Dead, Decision, Step, Wait, WaitingFor
from shared.errors import DeliveryFault, DependencyUnavailable, InvalidMessage
from shared.lifecycle import background, cancel
from shared.retry import keep_trying

log = structlog.get_logger()

MAX_FAULTS = 5
INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Patience:
    """`detach`: how long a request may hold its message; `lease`: longer than any request; `defer`: next look."""

    detach: timedelta
    lease: timedelta
    defer: timedelta = timedelta(seconds=3)


class _Flight:
    """A delivery under way. `sending`: its request may have reached the endpoint; `slow`: its message went on."""

    __slots__ = ("job", "sending", "slow", "task")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.sending = False
        self.slow = False
        self.task: asyncio.Task[Step]

    def send(self) -> None:
        self.sending = True

    def step(self, decision: Decision) -> Step:
        return Step(self.job.queued.id, self.job.queued.turn, decision)


class Lane:
    """`places`: deliveries of open messages above which no further message is opened."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        places: int,
        patience: Patience,
        gate: Gate,
        selection: Selection,
        service: DeliveryService,
        recorder: Recorder,
        publisher: Publisher,
    ) -> None:
        self._consumer = consumer
        self._queue = consumer.queue
        self._places = places
        self._patience = patience
        self._gate = gate
        self._selection = selection
        self._service = service
        self._recorder = recorder
        self._publisher = publisher
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._room = asyncio.Event()
        self._room.set()
        self._open_deliveries = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._flights: set[asyncio.Task[Step]] = set()
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
        await cancel(*self._tasks, *self._flights)
        await self._consumer.stop()

    async def _open(self) -> None:
        while True:
            message = await self._inbox.get()
            await self._room.wait()
            self._spawn(self._process(message))
            await asyncio.sleep(0)  # lets it take its places before the next message is considered

    async def _process(self, message: Message) -> None:
        try:
            jobs = await self._selection.select(self._queue, message)
            if message.redelivered:
                await self._one_by_one(jobs)
            else:
                await self._together(jobs)
            await ack(message)
        except InvalidMessage as error:
            invalid = error
            await keep_trying(lambda: park(self._publisher, self._queue, message, invalid))
            await ack(message)
        except DependencyUnavailable:
            log.info("delivery.message_left", queue=self._queue)  # stopping: it goes back with the connection
        except Exception:
            log.exception("delivery.message_failed", queue=self._queue)
            await give_back(message)

    async def _one_by_one(self, jobs: Sequence[Job]) -> None:
        """For a message that came back: one of its deliveries may be what crashed a worker."""
        for job in jobs:
            fault = await self._fault(job)
            if isinstance(fault, Dead):
                await self._recorder.record([Step(job.queued.id, job.queued.turn, fault)])
            elif fault:
                await self._together([job])

    async def _together(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        self._occupy(len(jobs))
        try:
            await self._attempt(jobs)
        finally:
            self._occupy(-len(jobs))

    async def _attempt(self, jobs: Sequence[Job]) -> None:
        flights = [self._launch(job) for job in jobs]
        await asyncio.wait([flight.task for flight in flights], timeout=self._patience.detach.total_seconds())
        await self._recorder.record([self._settle(flight) for flight in flights])
        for flight in flights:
            if flight.slow:
                self._spawn(self._finish(flight))

    def _launch(self, job: Job) -> _Flight:
        flight = _Flight(job)
        flight.task = asyncio.create_task(self._fly(flight))
        self._flights.add(flight.task)
        flight.task.add_done_callback(self._flights.discard)
        return flight

    async def _fly(self, flight: _Flight) -> Step:
        endpoint = flight.job.queued.webhook_id
        if not await self._gate.enter(endpoint):
            return flight.step(self._wait(self._patience.defer, WaitingFor.SLOT))
        try:
            return await self._service.deliver(flight.job, flight.send)
        except DependencyUnavailable:
            raise
        except Exception as error:  # our own trouble with this delivery must not touch its neighbours
            expected = isinstance(error, DeliveryFault)
            log.error("delivery.fault", delivery_id=flight.job.queued.id, error=str(error), exc_info=not expected)
            later = self._wait(self._patience.defer, WaitingFor.FAULT)
            return flight.step(await self._fault(flight.job) or later)
        finally:
            self._gate.leave(endpoint, slow=flight.slow)

    def _settle(self, flight: _Flight) -> Step:
        """What is written now: the result, or who looks again when. Nothing may change meanwhile: no await here."""
        if flight.task.done():
            return flight.task.result()
        if flight.sending:
            flight.slow = True
            self._gate.slowed(flight.job.queued.webhook_id)
            return flight.step(self._wait(self._patience.lease, WaitingFor.ANSWER))
        flight.task.cancel()
        return flight.step(self._wait(self._patience.defer, WaitingFor.SLOT))

    async def _finish(self, flight: _Flight) -> None:
        """A detached request's result is written as usual, after the write that let go of it."""
        try:
            await self._recorder.record([await flight.task])
        except DependencyUnavailable:
            log.info("delivery.result_left", delivery_id=flight.job.queued.id)

    async def _fault(self, job: Job) -> Decision | None:
        """Count one; None when somebody else has this delivery by now."""
        queued = job.queued
        faults = await keep_trying(lambda: self._selection.count_fault(queued.id, queued.turn))
        if faults is None:
            return None
        return Dead(INTERNAL) if faults > MAX_FAULTS else self._wait(self._patience.defer * faults, WaitingFor.FAULT)

    def _wait(self, time: timedelta, reason: WaitingFor) -> Wait:
        return Wait(self._now() + time, reason)

    def _now(self) -> datetime:
        return self._selection.now()

    def _occupy(self, places: int) -> None:
        """Places are held until the results are written: what a crash would repeat is bounded by them."""
        self._open_deliveries += places
        if self._open_deliveries < self._places:
            self._room.set()
        else:
            self._room.clear()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = background(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
