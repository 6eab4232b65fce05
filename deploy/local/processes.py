"""Starts server processes whose ids are on disk before their program runs, so that leftovers can always be found."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PIDS = "pids"
# The shell writes its own id down and then becomes the program (same id, same start time): no moment is unrecorded.
# Servers keep a file open per collection and connection: they get all that the user may have, not the usual 1,024.
RECORD_AND_RUN = (
    'echo "$2 $$ $(cut -d" " -f22 /proc/$$/stat 2>/dev/null || echo 0) $3" >>"$1" && shift 3 && '
    '{ ulimit -S -n "$(ulimit -H -n)" 2>/dev/null || true; } && exec "$@"'
)
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Process:
    """One server process in a session of its own (a terminal's Ctrl-C does not reach it)."""

    def __init__(
        self, name: str, command: Sequence[str | Path], *, folder: Path, env: Mapping[str, str], cwd: Path, log: Path
    ) -> None:
        recorded = ["sh", "-c", RECORD_AND_RUN, "sh", str(folder / PIDS), _boot_id(), name, *map(str, command)]
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                recorded,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Does nothing when the process has ended."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._popen.wait()

    def stop(self, timeout_seconds: float) -> None:
        """SIGTERM, and SIGKILL when that takes too long; a paused process is woken first."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        try:
            self._popen.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()


def kill_leftovers(folder: Path) -> int:
    """Kills what an earlier run that died left running in this folder; returns how many processes that were."""
    leftovers = list(_recorded_and_alive(folder))
    for pid, _ in leftovers:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid, started in leftovers:
        _wait_gone(pid, started)
    (folder / PIDS).unlink(missing_ok=True)
    return len(leftovers)


def _recorded_and_alive(folder: Path) -> Iterator[tuple[int, int]]:
    try:
        lines = (folder / PIDS).read_text().splitlines()
    except FileNotFoundError:
        return
    for boot, pid, started, *_ in (line.split() for line in lines if line.count(" ") >= 3):
        if boot == _boot_id() and start_time(int(pid)) == int(started):
            yield int(pid), int(started)


def start_time(pid: int) -> int | None:
    """Clock ticks since boot, which together with the id names one process for ever; None when it has ended."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    is_zombie = after_name[0] == "Z"  # ended; nobody has collected it yet, and in a container perhaps nobody will
    return None if is_zombie else int(after_name[19])


def _wait_gone(pid: int, started: int) -> None:
    deadline = time.monotonic() + 10
    while start_time(pid) == started and time.monotonic() < deadline:
        time.sleep(0.02)


def _boot_id() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"
