"""The results, for people and as JSON."""

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench import amqp, receiver
from tests.bench.phases import RAW_LOOP_VALID_BELOW_US, Idle, Latency, Memory, Throughput

OTHERS_DISTURB_PERCENT = 5


@dataclass
class Results:
    machine: str
    fanout: int
    throughput: Throughput | None = None
    latency: Latency | None = None
    idle: Idle | None = None
    memory: Memory | None = None

    def as_json(self) -> dict[str, Any]:
        document = {"publisher": amqp.WHAT_IT_IS, "receiver": receiver.WHAT_IT_IS, **asdict(self)}
        if self.throughput:
            document["throughput"] |= {
                "deliveries_per_second": self.throughput.deliveries_per_second,
                "cpu_us_per_delivery": self.throughput.cpu_us_per_delivery,
                "raw": asdict(self.throughput.raw),
                "ratio": self.throughput.ratio,
                "valid": self.throughput.raw.valid,
            }
        if self.idle:
            document["idle"]["total"] = self.idle.total
        return document

    def show(self, console: Console) -> None:
        console.print(f"{self.machine}; each event goes to {self.fanout} of 200 webhooks")
        console.print(f"publisher: {amqp.WHAT_IT_IS}")
        console.print(f"receiver: {receiver.WHAT_IT_IS}")
        if self.throughput:
            _show_throughput(self.throughput, console)
        if self.latency:
            found = self.latency
            console.print(
                f"publish → receive at {found.deliveries_per_second:,.0f} deliveries/s: "
                f"p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms"
            )
        if self.throughput or self.latency:
            console.print(_cpu(self.throughput, self.latency))
        if self.idle:
            each = ", ".join(f"{name} {percent:.2f}" for name, percent in self.idle.services.items())
            console.print(f"idle: our services {self.idle.total:.2f} % of one core ({each})")
        if self.memory:
            found_memory = self.memory
            console.print(
                f"worker's peak memory with {found_memory.queued:,} deliveries queued: "
                f"{found_memory.worker_peak_mb:.0f} MB (drained at {found_memory.drained_per_second:,.0f}/s)"
            )


def _show_throughput(found: Throughput, console: Console) -> None:
    single = ", ".join(f"{r.deliveries_per_second:,.0f}" for r in found.repetitions)
    raw = found.raw
    console.print(f"deliveries: {found.deliveries_per_second:,.0f}/s, sustained (median of {single})")
    console.print(f"raw loop: {raw.per_second:,.0f}/s, {raw.cpu_us_per_post:.0f} CPU µs per POST in the client")
    console.print(f"ratio: {found.ratio:.3f}")
    if not raw.valid:
        console.print(
            f"INVALID: the raw loop needs more than {RAW_LOOP_VALID_BELOW_US} CPU µs per POST on this machine"
        )
    others = median(r.others_percent for r in found.repetitions)
    show_disturbance(others, console)
    if found.extra_deliveries:
        console.print(f"{found.extra_deliveries:,} deliveries were received more than once")


def show_disturbance(others_percent: float, console: Console) -> None:
    """Of the machine, what had nothing to do with the measurement."""
    if others_percent > OTHERS_DISTURB_PERCENT:
        console.print(
            f"disturbed: other programs used {others_percent:.0f} % of this machine; repeat it when they are quiet"
        )


def _cpu(throughput: Throughput | None, latency: Latency | None) -> Table:
    table = Table("CPU µs per delivery")
    measured = [
        (title, found.cpu_us_per_delivery)
        for title, found in (("at the maximum", throughput), ("at half of it", latency))
        if found
    ]
    for title, _ in measured:
        table.add_column(title, justify="right")
    for role in measured[0][1]:
        table.add_row(role, *(f"{costs.get(role, 0):.0f}" for _, costs in measured))
    table.add_row("all", *(f"{sum(costs.values()):.0f}" for _, costs in measured))
    return table
