"""An endpoint's circuit breaker: after failures in a row nobody goes there but one probe at a time. Pure.

Times are seconds of any clock that only goes forward.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Opens at so many failures in a row; from then on one probe each `probe_every`."""

    failures: int
    probe_every: timedelta


class Breaker:
    """Closed, or open; half-open when a probe is under way or may go."""

    __slots__ = ("_policy", "_probing", "failures", "probe_at")

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._probing = False
        self.failures = 0  # in a row
        self.probe_at: float | None = None  # None: closed

    def admits(self, now: float) -> bool:
        return self.probe_at is None or (not self._probing and now >= self.probe_at)

    def started(self) -> bool:
        """Somebody goes in; True when that is the probe."""
        self._probing = self.probe_at is not None
        return self._probing

    def ended(self, ok: bool | None, now: float, *, probe: bool) -> None:
        """`ok` is None for who came out without having sent anything: then another may probe."""
        if probe:
            self._probing = False
        if ok:
            self.failures, self.probe_at, self._probing = 0, None, False
        elif ok is False:
            self.failures += 1
            if probe or (self.probe_at is None and self.failures >= self._policy.failures):
                self.probe_at = now + self._policy.probe_every.total_seconds()
