"""One delivery: find its webhook, sign, send, classify, decide. What it returns is carried out by the recorder."""

import itertools
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
import structlog

from services.delivery import metrics
from services.delivery.backoff import RetryPolicy
from services.delivery.decision import EXPIRED, decide
from services.delivery.masking import masked
from services.delivery.outcome import Answer, Classified, classify
from services.delivery.signing import signature_headers
from shared import VERSION
from shared.contracts.delivery import Attempt, Cancelled, Dead, Decision, Step, Wait, WaitingFor
from shared.contracts.message import QueuedDelivery
from shared.contracts.webhook import Webhook
from shared.errors import DeliveryFault
from shared.times import at
from shared.tracing.tracer import Span, Tracer

log = structlog.get_logger()

USER_AGENT = f"Allure-Webhooks/{VERSION}"
PAUSED_LOOK = timedelta(minutes=10)


class Job(msgspec.Struct, frozen=True):
    """A delivery that this worker shall attempt: as queued, with what its document knows beyond that.

    `created_at` is the document's; what is queued for a later round carries that round's beginning.
    """

    queued: QueuedDelivery
    created_at: datetime
    attempt: int
    attempts_before_round: int = 0
    slot_at: datetime | None = None  # its turn by the webhook's rate limit

    def step(self, decision: Decision, attempt: Attempt | None = None) -> Step:
        queued = self.queued
        in_order_of = queued.webhook_id if queued.ordered else None
        return Step(queued.id, queued.tenant_id, self.created_at, queued.turn, decision, attempt, in_order_of)


class Posts(Protocol):
    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer: ...


class DeliveryService:
    """`find_webhook` answers None only for one that is deleted; `clock` is the database's."""

    def __init__(
        self,
        *,
        find_webhook: Callable[[str, str], Awaitable[Webhook | None]],
        sender: Posts,
        policy: RetryPolicy,
        expire_after: timedelta,
        clock: Callable[[], datetime],
        tracer: Tracer,
    ) -> None:
        self._find_webhook = find_webhook
        self._sender = sender
        self._policy = policy
        self._expire_after = expire_after
        self._clock = clock
        self._tracer = tracer
        self._log = log.bind()  # the module's own is looked up again for every line
        self._worker = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    async def refused(self, job: Job) -> Step | None:
        """The step of a delivery that is not to be attempted, whatever its endpoint does; None when it is."""
        webhook = await self._find_webhook(job.queued.tenant_id, job.queued.webhook_id)
        refusal = self._refuse(webhook, self._clock(), self._expires(job))
        return job.step(refusal) if refusal else None

    async def deliver(self, job: Job, sending: Callable[[], None]) -> Step:
        """The step this delivery takes now; calls `sending` when the request goes out.

        Raises DeliveryFault for trouble of ours.
        """
        webhook = await self._find_webhook(job.queued.tenant_id, job.queued.webhook_id)
        started, expires_at = self._clock(), self._expires(job)
        refusal = self._refuse(webhook, started, expires_at)
        if webhook is None or refusal:
            return job.step(refusal or Cancelled("webhook_deleted"))
        body = bytes(job.queued.body)
        with self._tracer.attempt(job.queued, job.attempt, webhook.url) as span:
            headers = self._headers(webhook, job, body, started, span)
            sending()
            began = time.perf_counter()
            answer = await self._sender.post(webhook.url, body, headers)
            took = time.perf_counter() - began
            answer = masked(answer, webhook.headers)
            ended = self._clock()
            classified = classify(answer, ended)
            decision = self._decide(classified, webhook, job, ended, expires_at)
            attempt = self._attempt(job, started, took, answer, classified)
            span.finished(attempt)
        self._report(job, attempt, took, decision, ended, span)
        return job.step(decision, attempt)

    def _refuse(self, webhook: Webhook | None, now: datetime, expires_at: datetime) -> Decision | None:
        """Decided without an attempt: its webhook is deleted, inactive or paused, or its time is over."""
        if webhook is None:
            return Cancelled("webhook_deleted")
        if not webhook.is_active:
            return Dead("webhook_inactive")
        if now > expires_at:
            return Dead(EXPIRED)
        if webhook.paused:
            return Wait(now + PAUSED_LOOK, WaitingFor.RESUME)
        return None

    def _headers(self, webhook: Webhook, job: Job, body: bytes, now: datetime, span: Span) -> dict[str, str]:
        secrets = webhook.secrets_at(now)
        if not secrets:
            raise DeliveryFault(f"the secret of {webhook.id} does not open: is its key in DISPATCHER_SECRET_KEYS?")
        queued = job.queued
        headers = {
            **webhook.headers,
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "X-Allure-Event": queued.event,
            "X-Allure-Delivery": queued.id,
            "X-Allure-Attempt": str(job.attempt),
            **signature_headers(secrets, queued.id, int(now.timestamp()), body),
        }
        if queued.round > 1:
            headers["X-Allure-Round"] = str(queued.round)
        if trace := span.trace.parent if span.trace else queued.trace:
            headers["traceparent"] = trace
        return headers

    def _decide(
        self, classified: Classified, webhook: Webhook, job: Job, now: datetime, expires_at: datetime
    ) -> Decision:
        policy = self._policy
        if webhook.max_attempts:
            policy = RetryPolicy(policy.base, policy.factor, policy.cap, webhook.max_attempts)
        return decide(
            classified,
            attempt=job.attempt,
            attempts_before_round=job.attempts_before_round,
            policy=policy,
            now=now,
            expires_at=expires_at,
            dice=random.random(),
        )

    def _expires(self, job: Job) -> datetime:
        return at(job.queued.created_at) + self._expire_after

    def _attempt(self, job: Job, started: datetime, took: float, answer: Answer, classified: Classified) -> Attempt:
        return Attempt(
            key=f"{self._worker}-{next(self._numbers)}",
            n=job.attempt,
            turn=job.queued.turn,
            round=job.queued.round,
            at=started,
            duration_ms=round(took * 1000),
            outcome=classified.outcome,
            status_code=answer.status_code,
            error=classified.error,
            detail=classified.detail,
            answer=answer.body,
        )

    def _report(self, job: Job, attempt: Attempt, took: float, decision: Decision, now: datetime, span: Span) -> None:
        queued = job.queued
        self._log.info(
            "attempt.finished",
            tenant_id=queued.tenant_id,
            webhook_id=queued.webhook_id,
            delivery_id=queued.id,
            event_id=queued.event_id,
            attempt=attempt.n,
            turn=attempt.turn,
            outcome=attempt.outcome,
            status_code=attempt.status_code,
            error=attempt.error,
            detail=attempt.detail,
            duration_ms=attempt.duration_ms,
            next=type(decision).__name__.lower(),
            **span.log_fields,
        )
        metrics.attempted(attempt, took)
        metrics.waited(queued, attempt, now)
