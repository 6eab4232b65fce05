"""Admissions for tests, and a model that does to one what the gate does."""

from collections import Counter, defaultdict
from datetime import timedelta

from services.delivery.admission import Admission, Verdict
from services.delivery.breaker import BreakerPolicy

PROBE_EVERY = 10.0
POLICY = BreakerPolicy(3, timedelta(seconds=PROBE_EVERY))
NEVER = BreakerPolicy(10**9, timedelta(seconds=1))
TOTAL = 16
PER_ENDPOINT = 6


def admission_of(total: int = TOTAL, per_endpoint: int = PER_ENDPOINT, breaker: BreakerPolicy = POLICY) -> Admission:
    return Admission(total=total, per_endpoint=per_endpoint, breaker=breaker)


class Model:
    """Remembers who is inside: (slow, probe) of each request; and how many failures in a row each endpoint had."""

    def __init__(self) -> None:
        self.admission = admission_of()
        self.now = 100.0
        self.inside: defaultdict[str, list[tuple[bool, bool]]] = defaultdict(list)
        self.failures: Counter[str] = Counter()

    def start(self, endpoint: str) -> None:
        if self.admission.ask(endpoint, self.now) is Verdict.GO and self.admission.free > 0:
            self.inside[endpoint].append((False, self.admission.started(endpoint, self.now)))

    def slow(self, endpoint: str) -> None:
        for place, (slow, probe) in enumerate(self.inside[endpoint]):
            if not slow:
                self.inside[endpoint][place] = (self.admission.slowed(endpoint), probe)
                return

    def finish(self, endpoint: str, ok: bool | None) -> None:
        if self.inside[endpoint]:
            slow, probe = self.inside[endpoint].pop(0)
            self.admission.finished(endpoint, self.now, slow=slow, probe=probe, ok=ok, seconds=0.5)
            if ok is not None:
                self.failures[endpoint] = 0 if ok else self.failures[endpoint] + 1

    def do(self, step: str, endpoint: str) -> None:
        match step:
            case "start":
                self.start(endpoint)
            case "slow":
                self.slow(endpoint)
            case "later" | "much later":
                self.now += 1 if step == "later" else PROBE_EVERY
            case _:
                self.finish(endpoint, {"ok": True, "failed": False, "nothing": None}[step])

    def empty(self, ok: bool | None) -> None:
        for endpoint, requests in self.inside.items():
            for _ in range(len(requests)):
                self.finish(endpoint, ok)
