"""What a check found, and what to do about it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNCHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy`: a command or a setting; of what failed and of what is a warning there always is one."""

    check: str
    state: State
    found: str
    remedy: str | None = None


Check = Callable[[], AsyncIterator[Finding]]
"""Yields what it finds as it finds it, so that trouble later on takes none of it away."""


def ok(check: str, found: str) -> Finding:
    return Finding(check, State.OK, found)


def warning(check: str, found: str, remedy: str) -> Finding:
    return Finding(check, State.WARNING, found, remedy)


def failed(check: str, found: str, remedy: str) -> Finding:
    return Finding(check, State.FAILED, found, remedy)


def unchecked(check: str, because: object) -> Finding:
    return Finding(check, State.UNCHECKED, f"because {because}")
