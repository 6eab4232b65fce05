"""The points at which a process may be killed between taking a message and acking it, read from the code.

Every `await`, `async for` and `async with` in the functions on the path of a message gives two points, right before
and right after it; one function in no list here cannot hide: only what `EXCLUDED` names is left out.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]

PATHS = {
    "fanout": (
        "services/fanout/inbox.py",
        "services/fanout/downstream.py",
        "services/fanout/service.py",
        "services/fanout/holding.py",
        "shared/handover.py",
        "shared/promotion.py",
        "shared/promoter.py",
    ),
    "delivery": (
        "services/delivery/lane.py",
        "services/delivery/flight.py",
        "services/delivery/room.py",
        "services/delivery/gate.py",
        "services/delivery/selection.py",
        "services/delivery/pacing.py",
        "services/delivery/service.py",
        "services/delivery/recorder.py",
        "services/delivery/sender.py",
        "shared/lookup.py",
        "services/delivery/handshake.py",
        "services/delivery/limit.py",
        "shared/handover.py",
        "shared/promotion.py",
        "shared/promoter.py",
    ),
    "scheduler": (
        "services/scheduler/service.py",
        "services/scheduler/jobs.py",
        "services/scheduler/repeating.py",
        "services/scheduler/replays.py",
        "services/scheduler/erasures.py",
        "services/scheduler/recoveries.py",
        "services/scheduler/tallies.py",
        "services/scheduler/orders.py",
        "shared/handover.py",
        "shared/promotion.py",
    ),
}
"""The files between taking and acking, by the process that runs them."""

_LIFE = "starts or stops a part: no message is in hand, or the process is ending anyway"
_KILLED_BROKER = "only while RabbitMQ is away: test_kills.py kills and pauses it under load"
_SWEPT = "the same lines as in the scheduler, which alone comes by days later"
_STORE_AWAY = "only after MongoDB was away, with nothing claimed: test_kills.py kills and pauses it under load"
_NOTHING_SENT = (
    "only behind a proxy or after a refused certificate, with nothing sent: like any death before the request"
)
EXCLUDED = {
    ("fanout", "Inbox.start"): _LIFE,
    ("fanout", "Inbox.stop"): _LIFE,
    ("fanout", "FanoutService.start"): _LIFE,
    ("fanout", "FanoutService.stop"): _LIFE,
    ("fanout", "Promoter.stop"): _LIFE,
    ("fanout", "Promotion._give_up"): _SWEPT,
    ("fanout", "HandOver._once_more"): _KILLED_BROKER,
    ("delivery", "Lane.start"): _LIFE,
    ("delivery", "Lane.stop"): _LIFE,
    ("delivery", "Flights.cancel"): _LIFE,
    ("delivery", "Recorder.stop"): _LIFE,
    ("delivery", "Sender.stop"): _LIFE,
    ("delivery", "Promoter.stop"): _LIFE,
    ("delivery", "HandOver._once_more"): _KILLED_BROKER,
    ("delivery", "Promotion._give_up"): _SWEPT,
    ("delivery", "Lookup.close"): _LIFE,
    ("delivery", "GuardedLookup.close"): _LIFE,
    ("delivery", "GuardedLookup.clear"): _NOTHING_SENT,
    ("delivery", "shown_certificate"): _NOTHING_SENT,
    ("delivery", "_certificate"): _NOTHING_SENT,
    ("scheduler", "Scheduler.stop"): _LIFE,
    ("scheduler", "Repeating.stop"): _LIFE,
    ("scheduler", "Scheduler._let_workers_write"): _STORE_AWAY,
    ("scheduler", "HandOver._once_more"): _KILLED_BROKER,
}
"""(process, function) → why no scenario kills it there."""

EXCLUDED_STATEMENTS = {
    ("delivery", "await self._lookup.clear(exchange.url.raw_host or '', exchange.url.port or 0)"): _NOTHING_SENT,
    ("delivery", "await shown_certificate(exchange, self._socket)"): _NOTHING_SENT,
    ("fanout", "await keep_trying(lambda: self._once_more(group))"): _KILLED_BROKER,
    ("delivery", "await keep_trying(lambda: self._once_more(group))"): _KILLED_BROKER,
    ("scheduler", "await keep_trying(lambda: self._once_more(group))"): _KILLED_BROKER,
    ("scheduler", "await self._let_workers_write()"): _STORE_AWAY,
}


@dataclass(frozen=True)
class Point:
    """`number` is its place in the list of its process."""

    process: str
    number: int
    file: str
    function: str
    line: int
    column: int
    moment: str  # before, after; and inside, for the body of an `async with` or `async for`
    code: str

    def __str__(self) -> str:
        return f"{self.process}: {self.moment} {self.file}:{self.line} in {self.function}: {self.code}"

    @property
    def excluded(self) -> str | None:
        statement = EXCLUDED_STATEMENTS.get((self.process, self.code))
        return EXCLUDED.get((self.process, self.function)) or statement


def points_of(process: str) -> list[Point]:
    """All of a process, excluded ones too, so that numbers do not depend on the lists here."""
    return [
        Point(process, number, *place)
        for number, place in enumerate(place for file in PATHS[process] for place in _places(file))
    ]


def _places(file: str) -> Iterator[tuple[str, str, int, int, str, str]]:
    tree = ast.parse((PROJECT / file).read_text())
    for function, node in _suspensions(tree, ""):
        code = ast.unparse(node).splitlines()[0][:80]
        moments = ("before", "after") if isinstance(node, ast.Await) else ("before", "inside", "after")
        for moment in moments:
            yield file, function, node.lineno, node.col_offset, moment, code


Suspension = ast.Await | ast.AsyncFor | ast.AsyncWith


def _suspensions(node: ast.AST, function: str) -> Iterator[tuple[str, Suspension]]:
    for child in ast.iter_child_nodes(node):
        name = function
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{function}.{child.name}" if function else child.name
        if isinstance(child, ast.comprehension):
            assert not child.is_async, f"line {ast.unparse(child)}: teach these tests about async comprehensions"
        if isinstance(child, ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield name, child
        yield from _suspensions(child, name)
