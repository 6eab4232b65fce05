"""How we wait for our own dependencies: tenacity, exponential with jitter, until told to stop. Never for endpoints."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    stop_never,
    wait_exponential_jitter,
)
from tenacity.stop import stop_base

from shared import metrics
from shared.errors import DependencyUnavailable, StoreUnavailable

log = structlog.get_logger()
Result = TypeVar("Result")

_WAIT = wait_exponential_jitter(multiplier=0.1, max=3, jitter=0.5)


class _StopWhen(stop_base):
    def __init__(self, stopped: asyncio.Event) -> None:
        self._stopped = stopped

    def __call__(self, retry_state: RetryCallState) -> bool:
        return self._stopped.is_set()


def _report(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _failed(error, tries=state.attempt_number)


def _failed(error: BaseException | None, *, tries: int) -> None:
    metrics.DEPENDENCY_FAILURES["mongodb" if isinstance(error, StoreUnavailable) else "rabbitmq"].inc()
    log.warning("dependency.unavailable", error=str(error), tries=tries)


def _coroutine(work: Callable[[], Awaitable[Result]]) -> Callable[[], Awaitable[Result]]:
    """tenacity awaits only what is declared with `async def`."""

    async def once() -> Result:
        return await work()

    return once


async def keep_trying(work: Callable[[], Awaitable[Result]], stopped: asyncio.Event | None = None) -> Result:
    """Repeat `work` while it raises DependencyUnavailable, until it succeeds or `stopped` is set.

    `work` must be harmless to repeat. Raises the last DependencyUnavailable once stopped; without `stopped` the
    caller ends it by cancelling.
    """
    try:
        return await work()  # almost always enough, and tenacity costs more than most of what it wraps here
    except DependencyUnavailable as error:
        _failed(error, tries=0)
    return await AsyncRetrying(
        retry=retry_if_exception_type(DependencyUnavailable),
        wait=_WAIT,
        stop=_StopWhen(stopped) if stopped else stop_never,
        before_sleep=_report,
        reraise=True,
    )(_coroutine(work))


async def try_a_few_times(work: Callable[[], Awaitable[Result]], attempts: int = 3) -> Result:
    """For callers that hold a waiting client: a few tries, then the last DependencyUnavailable."""
    return await AsyncRetrying(
        retry=retry_if_exception_type(DependencyUnavailable),
        wait=_WAIT,
        stop=stop_after_attempt(attempts),
        reraise=True,
    )(_coroutine(work))
