"""`make mutants`: changes the pure parts a little, one change at a time, and says which changes no test notices.

mutmut makes the changes and runs the tests; `[tool.mutmut]` in pyproject.toml names both. It changes what is inside
functions: constants of modules are for the tests alone to hold. All of it happens in `.local/mutants`; afterwards
`mutmut show` and `mutmut browse` work in there.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from rich.console import Console

from deploy.local.download import PROJECT
from tests.mutants.found import ENVIRONMENT, MUTMUT, read_mutants
from tests.mutants.report import Report
from tests.mutants.survivors import read_survivors

FOLDER = PROJECT / ".local" / "mutants"
SURVIVORS = Path(__file__).with_name("survivors.toml")
_LINKED = ("services", "shared", "tests", "deploy", "pyproject.toml")
_STOP_SECONDS = 10.0


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    listed = read_survivors(SURVIVORS)
    prepare(FOLDER)
    try:
        if code := run_mutmut(FOLDER):
            return code
        report = Report(read_mutants(FOLDER), listed)
    except KeyboardInterrupt:
        return 130
    report.show(Console(highlight=False, markup=False, soft_wrap=True))
    return 0 if report.passed else 1


def prepare(folder: Path) -> None:
    """Empty but for links to the checkout: mutmut copies what they lead to, so nothing of a run before is trusted."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in _LINKED:
        (folder / name).symlink_to(PROJECT / name)


def run_mutmut(folder: Path) -> int:
    """Its exit code. A session of its own makes it and its workers one group, which ends as a whole."""
    with subprocess.Popen([MUTMUT, "run"], cwd=folder, env=ENVIRONMENT, start_new_session=True) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            _end(process)
            raise


def _end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
