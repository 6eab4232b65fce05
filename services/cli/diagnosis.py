"""Runs all checks side by side: none keeps another from being made."""

import asyncio
from collections.abc import Mapping, Sequence

from services.cli.checks import broker, keys, network, services, settings, store
from services.cli.checks.finding import Check, Finding, failed
from services.cli.progress import bar

_PATIENCE_SECONDS = 60


def checks(*, name: str, overrides: Sequence[str] | None) -> dict[str, Check]:
    return {
        "settings": settings.check,
        "secret keys": keys.check,
        "broker": broker.check,
        "store": store.check,
        "egress": network.checking(name),
        "services": services.checking(overrides),
    }


async def diagnose(made: Mapping[str, Check]) -> list[Finding]:
    """In the order of the checks."""
    with bar() as progress:
        task = progress.add_task("checking", total=len(made))

        async def one(name: str, check: Check) -> list[Finding]:
            found = await _findings(name, check)
            progress.advance(task)
            return found

        groups = await asyncio.gather(*(one(name, check) for name, check in made.items()))
    return [finding for group in groups for finding in group]


async def _findings(name: str, check: Check) -> list[Finding]:
    """What it found until its end, or until it broke."""
    found = []
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            async for finding in check():
                found.append(finding)  # noqa: PERF401 - a comprehension would lose those before an error
    except TimeoutError:
        found.append(failed(name, f"no end within {_PATIENCE_SECONDS} s", "look whether that server hangs; try again"))
    except Exception as error:  # whatever it is, the other checks are worth knowing
        words = f"the check itself broke: {type(error).__name__}"  # and not what it says: it may quote an address
        found.append(failed(name, words, "report it, with the versions of RabbitMQ and MongoDB"))
    return found
