"""One delivery under way: through the gate, sent, and the step that it came to."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.delivery.admission import SILENT_SECONDS
from services.delivery.gate import Gate, Pass
from services.delivery.health import Health
from services.delivery.service import DeliveryService, Job
from shared import metrics
from shared.contracts.delivery import Dead, Decision, Outcome, Step, Wait, WaitingFor
from shared.errors import DeliveryFault, DependencyUnavailable
from shared.lifecycle import cancel
from shared.retry import keep_trying

log = structlog.get_logger()

MAX_FAULTS = 5
INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Patience:
    """`early`: what is done by then waits for none of its message's others; `look`: who is at an endpoint that answers
    nothing, or at a slow one, holds its message no longer; `detach`: nor does anybody, and a request is slow; `lease`:
    longer than any request; `fault`: next look behind trouble of ours.
    """

    detach: timedelta
    lease: timedelta
    early: timedelta = timedelta(seconds=0.05)
    look: timedelta = timedelta(seconds=SILENT_SECONDS)
    fault: timedelta = timedelta(seconds=3)


class Flight:
    """`sending`: its request may have reached the endpoint; `let_go`: its message went on without it."""

    __slots__ = ("held", "job", "let_go", "sending", "slow", "task")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.held: Pass | None = None
        self.sending = False
        self.let_go = False
        self.slow = False
        self.task: asyncio.Task[Step]

    @property
    def endpoint(self) -> str:
        return self.job.queued.webhook_id

    def send(self) -> None:
        self.sending = True


class Flights:
    """`count_fault` answers how often this delivery has failed through us, None when somebody else has it by now."""

    def __init__(
        self,
        *,
        gate: Gate,
        health: Health,
        service: DeliveryService,
        count_fault: Callable[[str, int], Awaitable[int | None]],
        clock: Callable[[], datetime],
        patience: Patience,
    ) -> None:
        self._gate = gate
        self._health = health
        self._service = service
        self._count_fault = count_fault
        self._clock = clock
        self._patience = patience
        self.looks: list[tuple[timedelta, Callable[[Flight], Step | None]]] = [
            (patience.early, self._landed),
            (patience.look, self._settle),
            (patience.detach, self._settle_for_good),
        ]
        """At a message's flights: how long after the start, and what is written then; None: nothing yet."""
        self._under_way: set[asyncio.Task[Step]] = set()

    def launch(self, job: Job) -> Flight:
        flight = Flight(job)
        flight.task = asyncio.create_task(self._fly(flight))
        self._under_way.add(flight.task)
        flight.task.add_done_callback(self._under_way.discard)
        return flight

    async def cancel(self) -> None:
        await cancel(*self._under_way)

    def _landed(self, flight: Flight) -> Step | None:
        return flight.task.result() if flight.task.done() else None

    def _settle_for_good(self, flight: Flight) -> Step | None:
        return self._settle(flight, last=True)

    def _settle(self, flight: Flight, *, last: bool = False) -> Step | None:
        """What is written now: the result, or who looks again when. None before the `last` look at it: nothing yet.

        Nothing may change meanwhile: no await here.
        """
        if step := self._landed(flight):
            return step
        slow, silent = last or self._gate.is_slow(flight.endpoint), self._gate.is_silent(flight.endpoint)
        if flight.sending and slow:
            self._slowed(flight)
        if flight.sending and (slow or silent):
            flight.let_go = True
            return flight.job.step(self._wait(self._patience.lease, WaitingFor.ANSWER))
        if not flight.sending and (last or silent):
            flight.task.cancel()
            return self._deferred(flight.job)
        return None

    async def result(self, flight: Flight) -> Step:
        """Of one that was let go, whenever it comes."""
        if not flight.slow:
            await asyncio.wait([flight.task], timeout=(self._patience.detach - self._patience.look).total_seconds())
            if not flight.task.done():
                self._slowed(flight)
        return await flight.task

    def _slowed(self, flight: Flight) -> None:
        flight.slow = True
        if flight.held:
            self._gate.slowed(flight.held)
        self._health.slowed(flight.job.queued)

    async def fault(self, job: Job) -> Decision | None:
        """Count one; None when somebody else has this delivery by now."""
        queued = job.queued
        faults = await keep_trying(lambda: self._count_fault(queued.id, queued.turn))
        if faults is None:
            return None
        return Dead(INTERNAL) if faults > MAX_FAULTS else self._wait(self._patience.fault * faults, WaitingFor.FAULT)

    async def _fly(self, flight: Flight) -> Step:
        job = flight.job
        flight.held = held = await self._gate.enter(flight.endpoint, returning=job.queued.turn > 1)
        if held is None:
            return await self._service.refused(job) or self._deferred(job)
        ok = None
        try:
            step = await self._service.deliver(job, flight.send)
            if step.attempt:
                ok = step.attempt.outcome is Outcome.SUCCEEDED
                self._health.attempted(job.queued, step.attempt)
            return step
        except DependencyUnavailable:
            raise
        except Exception as error:  # our own trouble with this delivery must not touch its neighbours
            expected = isinstance(error, DeliveryFault)
            metrics.FAULTS["secret" if expected else "bug"].inc()
            log.error("delivery.fault", delivery_id=job.queued.id, error=str(error), exc_info=not expected)
            return job.step(await self.fault(job) or self._wait(self._patience.fault, WaitingFor.FAULT))
        finally:
            self._gate.leave(held, ok=ok)

    def _deferred(self, job: Job) -> Step:
        """Its endpoint's next free slot: this costs no attempt."""
        wait = self._wait(self._gate.next_slot(job.queued.webhook_id), WaitingFor.SLOT)
        self._health.deferred(job.queued, wait.due_at)
        return job.step(wait)

    def _wait(self, time: timedelta, reason: WaitingFor) -> Wait:
        return Wait(self._clock() + time, reason)
