"""A site that is well but for what a test does to it, and `doctor`, who looks at it."""

import gc
import os
import re
import shlex
import socket
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from services.cli.checks.finding import Finding, State
from services.cli.diagnosis import checks, diagnose
from tests.cluster import environment
from tests.commands import Ended, ended, started

NOT_RUNNING = ("broker consumers", "service ")
"""No service runs: that is said, and no fault."""


@dataclass
class Patient:
    """`settings`: names without the prefix."""

    settings: dict[str, str]
    monkeypatch: pytest.MonkeyPatch
    db: Any

    def environment(self, **changes: str) -> dict[str, str]:
        return environment("", "", **{**self.settings, **changes})

    async def examined(self, **changes: str) -> list[Finding]:
        """In this process, which saves seconds."""
        with self.monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("DISPATCHER_")]:
                patch.delenv(name)
            for name, value in self.environment(**changes).items():
                if name.startswith("DISPATCHER_"):
                    patch.setenv(name, value)
            with warnings.catch_warnings():
                # aiormq leaves it behind when a connection fails half-way, to be noticed in some later test
                warnings.filterwarnings("ignore", "coroutine 'Connection.close' was never awaited", RuntimeWarning)
                found = await diagnose(checks(name="example.com", overrides=None))
                gc.collect()
            return found

    async def faults(self, **changes: str) -> dict[str, Finding]:
        """Those that failed, by check. Each has a remedy."""
        return failed(await self.examined(**changes))

    async def only_fault(self, check: str, **changes: str) -> Finding:
        return only(check, await self.examined(**changes))

    async def is_well(self, **changes: str) -> None:
        well(await self.examined(**changes))

    async def told(self, **changes: str) -> list[Finding]:
        """By a process of its own, whose exit code and silence are looked at too."""
        done = await self.run("doctor", "--json", **changes)
        found = [Finding(**{**one, "state": State(one["state"])}) for one in done.json["findings"]]
        assert (done.code, done.err) == (int(any(one.state is State.FAILED for one in found)), "")
        return found

    async def run(self, *arguments: str, **changes: str) -> Ended:
        return await ended(await started(self.environment(**changes), *arguments))


@contextmanager
def silent_ports(number: int) -> Iterator[list[int]]:
    """Where nobody listens, and nobody else's tests come to: they are held. A service of ours could listen there."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in held:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", 0))
        yield [one.getsockname()[1] for one in held]


def failed(found: Iterable[Finding]) -> dict[str, Finding]:
    faults = {one.check: one for one in found if one.state is State.FAILED}
    assert all(one.remedy for one in faults.values())
    return faults


def only(check: str, found: Iterable[Finding]) -> Finding:
    faults = failed(found)
    assert list(faults) == [check], faults
    return faults[check]


def well(found: Iterable[Finding]) -> None:
    wrong = [one for one in found if one.state is not State.OK and not one.check.startswith(NOT_RUNNING)]
    assert not wrong, wrong


def our_commands(finding: Finding) -> list[list[str]]:
    """Of its remedy."""
    return [shlex.split(text) for text in re.findall(r"python -m services\.cli ([a-z -]+)", finding.remedy or "")]


def broker_commands(finding: Finding) -> list[list[str]]:
    return [shlex.split(text) for text in re.findall(r"rabbitmqctl ([^;]+)", finding.remedy or "")]
