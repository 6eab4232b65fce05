"""CPU time and memory of processes, by role."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

SERVERS = {"beam.smp": "rabbitmq", "mongod": "mongod"}


@dataclass(frozen=True)
class Usage:
    """CPU seconds used between two readings of a meter, by role."""

    seconds: float
    cpu: dict[str, float]
    machine: float  # all processes of the machine

    def per(self, count: int) -> dict[str, float]:
        """µs for each of `count`."""
        return {role: used / count * 1e6 if count else 0.0 for role, used in self.cpu.items()}

    def percent(self) -> dict[str, float]:
        """Of one core."""
        return {role: used / self.seconds * 100 for role, used in self.cpu.items()}

    def percent_of_others(self) -> float:
        """Of the whole machine: what had nothing to do with the measurement and made it worse."""
        others = max(0.0, self.machine - sum(self.cpu.values()))
        return others / self.seconds / (os.cpu_count() or 1) * 100


class CpuMeter:
    """Reads from its making until `usage`. `roles`: what to call which process."""

    def __init__(self, roles: Mapping[int, str]) -> None:
        self._processes = [(role, psutil.Process(pid)) for pid, role in roles.items()]
        self._at = time.perf_counter()
        self._before, self._machine = self._read(), _machine_busy()

    def usage(self) -> Usage:
        after, machine = self._read(), _machine_busy() - self._machine
        used: dict[str, float] = {}
        for (role, _), then, now in zip(self._processes, self._before, after, strict=True):
            used[role] = used.get(role, 0.0) + now - then
        return Usage(time.perf_counter() - self._at, used, machine)

    def _read(self) -> list[float]:
        times = [process.cpu_times() for _, process in self._processes]
        return [t.user + t.system for t in times]


def _machine_busy() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system)


def server_roles() -> dict[int, str]:
    """RabbitMQ and MongoDB below this process; empty when they run in containers elsewhere."""
    found = ((process.pid, SERVERS.get(process.name())) for process in psutil.Process().children(recursive=True))
    return {pid: role for pid, role in found if role}


def peak_rss_bytes(pid: int) -> int:
    """The most a process ever held where the system knows that (Linux), else what it holds now."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return int(psutil.Process(pid).memory_info().rss)
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
