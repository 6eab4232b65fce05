"""Makes one KeyboardInterrupt of SIGINT, SIGTERM and SIGHUP, and an end of what takes too long to stop after it."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from deploy.local.processes import kill_leftovers

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_SECONDS = 12.0  # then whatever still runs is killed: a stop is promised within 15 s


class Interruption:
    """The first signal interrupts. From `begin_stop` on signals are ignored, so that nothing interrupts the stop."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders  # where processes that we started are recorded
        self._stopping = False

    def install(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._interrupt)

    def begin_stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        threading.Thread(target=self._kill_what_is_late, daemon=True).start()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self.begin_stop()
        raise KeyboardInterrupt

    def _kill_what_is_late(self) -> None:
        time.sleep(STOP_SECONDS)
        while True:
            self.kill_all()
            time.sleep(0.5)

    def kill_all(self) -> None:
        for folder in self._folders:
            kill_leftovers(folder)


@contextmanager
def interruptible(*folders: Path) -> Iterator[Interruption]:
    """Whatever happens inside, no process recorded in these folders is left before or after."""
    interruption = Interruption(*folders)
    interruption.kill_all()
    interruption.install()
    try:
        yield interruption
    finally:
        interruption.begin_stop()
        interruption.kill_all()
