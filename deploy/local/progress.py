"""Shows what is going on: whole lines, and temporary ones that are overwritten on a terminal.

A reporter is any ``Callable[[str], None]``. A text that ends with "…" is temporary: another will soon replace it.
"""

import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

Progress = Callable[[str], None]

TEMPORARY = "…"
PLAIN_INTERVAL_SECONDS = 5.0


class TerminalProgress:
    """Rewrites temporary texts in place on a terminal; elsewhere prints one of them every few seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._lock = threading.Lock()
        self._last_plain = time.monotonic()

    def __call__(self, text: str) -> None:
        with self._lock:
            if not text.endswith(TEMPORARY):
                self._write(f"{text}\n")
            elif self._is_terminal:
                self._write(text)
            elif time.monotonic() - self._last_plain >= PLAIN_INTERVAL_SECONDS:
                self._last_plain = time.monotonic()
                self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        start = "\r\x1b[K" if self._is_terminal else ""
        self._stream.write(start + text)
        self._stream.flush()


def silent(_: str) -> None:
    """A reporter that says nothing."""
