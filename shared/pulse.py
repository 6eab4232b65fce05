"""Asks a service's dependencies whether they answer: when somebody wants to know, and every few seconds for metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from shared import metrics

Check = Callable[[], Awaitable[None]]

_EVERY_SECONDS = 5
_PATIENCE_SECONDS = 2


async def failed(checks: Mapping[str, Check]) -> dict[str, str]:
    """Those that do not answer, with the reason."""
    answers = dict(zip(checks, await asyncio.gather(*map(_failure, checks.values())), strict=True))
    for name, answer in answers.items():
        metrics.DEPENDENCY_UP.labels(name).set(answer is None)
    return {name: answer for name, answer in answers.items() if answer is not None}


async def _failure(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {_PATIENCE_SECONDS} s"
    except Exception as error:  # whatever it is, it is reported
        return str(error) or type(error).__name__
    return None


class Pulse:
    """So that who scrapes the metrics waits for no dependency."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        for name in self._checks:
            metrics.DEPENDENCY_UP.labels(name)
        self._running = asyncio.create_task(self._run())

    async def stop(self, deadline: float) -> None:
        if self._running:
            self._running.cancel()

    async def _run(self) -> None:
        while True:
            await failed(self._checks)
            await asyncio.sleep(_EVERY_SECONDS)
