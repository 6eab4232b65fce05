"""Publishes events in batches, each under a key of its own, so that sending one again repeats nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.cli.client import Client, path
from services.cli.progress import bar
from services.cli.publication import Given, Unusable, batches
from services.cli.running import DONE, INTERRUPTED, LEFT, Interrupted, complain
from services.cli.showing import print_json
from services.cli.tally import counted
from shared.errors import DispatcherError, StartupError

_TOLD = 20


@dataclass(kw_only=True)
class Report:
    """What became of each event. `unknown`: those of which nobody said that they were accepted."""

    key: str
    total: int
    accepted: list[dict[str, str]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    stopped: bool = False
    failure: str | None = None

    @property
    def unknown(self) -> int:
        return self.total - len(self.accepted) - len(self.refused)

    @property
    def exit_code(self) -> int:
        if self.stopped:
            return INTERRUPTED
        return LEFT if self.refused or self.failure else DONE

    def show(self, *, as_json: bool) -> int:
        """Answers the exit code."""
        if as_json:
            told = {name: getattr(self, name) for name in ("accepted", "refused", "unknown", "stopped", "failure")}
            print_json({**told, "idempotency_key": self.key})
        else:
            self._tell()
        return self.exit_code

    def _tell(self) -> None:
        for one in self.refused:
            complain(f"{one['place']}: {one['code']}: {one['error']}")
        if self.failure:
            complain(self.failure)
        if len(self.accepted) <= _TOLD:
            for one in self.accepted:
                print(one["event_id"])
        print(f"{counted(len(self.accepted), 'event')} accepted, {len(self.refused)} refused, {self.unknown} not sent")
        if self.unknown:
            print(f"run it again with --idempotency-key {self.key} (and the same --batch): nothing is repeated")


class Publishing:
    """Each batch has a key of its own, so that sending it again repeats nothing."""

    def __init__(self, ingest: Client, found: Sequence[Given | Unusable], *, key: str, most_at_once: int) -> None:
        self._ingest = ingest
        self._events = [one for one in found if isinstance(one, Given)]
        self._most_at_once = most_at_once
        self.report = Report(key=key, total=len(found))
        self.report.refused += [_refusal(one) for one in found if isinstance(one, Unusable)]

    async def run(self) -> None:
        """Until the end, Ctrl-C, or an outage: in each case the report says how far it came."""
        try:
            with bar() as progress:
                task = progress.add_task("events", total=len(self._events))
                for number, batch in enumerate(batches(self._events, self._most_at_once)):
                    await self._send(batch, number)
                    progress.advance(task, len(batch))
        except Interrupted:
            self.report.stopped = True
        except DispatcherError as error:
            if isinstance(error, StartupError) and not (self.report.accepted or self.report.refused):
                raise
            self.report.failure = str(error)

    async def _send(self, batch: Sequence[Given], number: int) -> None:
        key = f"{self.report.key}.{number}" if number else self.report.key
        body = b"[" + b",".join(event.raw for event in batch) + b"]"
        answer = await self._ingest.repeatable("POST", path("events"), body, headers={"Idempotency-Key": key})
        for event, verdict in zip(batch, answer.json["results"], strict=True):
            if verdict["status"] == "accepted":
                self.report.accepted.append({"place": event.place, "event_id": verdict["event_id"]})
            else:
                told = {name: verdict[name] for name in ("code", "error", "details")}
                self.report.refused.append({"place": event.place, **told})


def _refusal(one: Unusable) -> dict[str, Any]:
    return {"place": one.place, "code": "INVALID_REQUEST", "error": one.error, "details": {}}
