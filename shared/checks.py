"""Asks a service's dependencies whether they answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from shared import metrics

Check = Callable[[], Awaitable[None]]

_PATIENCE_SECONDS = 2


async def failed(checks: Mapping[str, Check]) -> dict[str, str]:
    """Those that do not answer, with the reason. The metrics say it, too."""
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
