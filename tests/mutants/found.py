"""Reads what mutmut found, by its commands `results` and `show`."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.survivors import Change

MUTMUT = Path(sys.executable).with_name("mutmut")
ENVIRONMENT = os.environ | {"PYTHONUTF8": "1"}  # the names of methods' mutants are not ASCII
_KILLED = {"killed", "timeout"}
_NAME = re.compile(r"(?P<module>.+)\.x(?:_|ǁ(?P<of>\w+)ǁ)(?P<function>\w+)__mutmut_\d+")


@dataclass(frozen=True)
class Mutant:
    """`change` is told of those that were not killed."""

    file: str
    status: str
    change: Change | None = None


def read_mutants(folder: Path) -> list[Mutant]:
    lines = _mutmut(folder, "results", "--all", "true").splitlines()
    return [_mutant(folder, *line.strip().rsplit(": ", 1)) for line in lines]


def _mutant(folder: Path, name: str, status: str) -> Mutant:
    parts = _NAME.fullmatch(name)
    assert parts, f"mutmut names a mutant as it never did: {name}"
    file = parts["module"].replace(".", "/") + ".py"
    if status in _KILLED:
        return Mutant(file, status)
    function = ".".join(filter(None, (parts["module"], parts["of"], parts["function"])))
    diff = _mutmut(folder, "show", name).splitlines()
    return Mutant(file, status, Change(function, _side(diff, "-"), _side(diff, "+")))


def _side(diff: list[str], sign: str) -> str:
    """The changed lines of one side, joined, without indentation."""
    return " ".join(line[1:].strip() for line in diff if line.startswith(sign) and not line.startswith(sign * 3))


def _mutmut(folder: Path, *arguments: str) -> str:
    command = [MUTMUT, *arguments]
    found = subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, encoding="utf-8")
    return found.stdout
