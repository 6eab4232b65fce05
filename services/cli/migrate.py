"""`migrate`: makes what has to be on RabbitMQ and MongoDB before services of this version start."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from services.cli.choice import AsJson
from services.cli.running import DONE, LEFT, complain, run
from services.cli.showing import print_json
from shared import wiring
from shared.broker.inspection import Inspection
from shared.errors import DependencyUnavailable, StoreUnavailable
from shared.presence import Found, Presence
from shared.store.indexes import Indexes
from shared.store.inspection import briefly
from shared.store.mongo import misconfigured_if_refused

HELP = """
Make the queues, exchanges and indexes that are missing; what is there stays as it is.

May be run at any time and again. Services do the same when they start; before a rollout this does it once, and waits
until large indexes are built. What is there and differs is told and left alone: a queue has to be deleted by hand once
it is empty, an index is replaced with `--replace-indexes` (queries that need it are slow or fail meanwhile).

**Example**

    python -m services.cli migrate --json

**Exit code**: 0 when all is there; 1 when something differs, or RabbitMQ or MongoDB is away; 2 for settings that cannot
be used; 130 after Ctrl-C: run it again for the rest.
"""


@dataclass
class Report:
    """`failures`: servers that could not be used, in words."""

    made: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    differs: list[Found] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def note(self, found: Iterable[Found], *, replaced: bool = False) -> None:
        """`found`: what there was before."""
        for one in found:
            match one.presence:
                case Presence.MISSING:
                    self.made.append(one.what)
                case Presence.OTHER if replaced:
                    self.made.append(one.what)
                case Presence.OTHER:
                    self.differs.append(one)
                case Presence.THERE | Presence.FORMER:
                    self.there.append(one.what)

    @property
    def exit_code(self) -> int:
        return LEFT if self.differs or self.failures else DONE

    def as_dict(self) -> dict[str, Any]:
        differs = [{"what": one.what, "difference": one.difference} for one in self.differs]
        return {"made": self.made, "there": self.there, "differs": differs, "failures": self.failures}

    def tell(self) -> None:
        for what in self.made:
            print(f"made {what}")
        for one in self.differs:
            complain(f"{one.what} differs: {one.difference}")
        for words in self.failures:
            complain(words)
        print(f"{len(self.made)} made, {len(self.there)} were there, {len(self.differs)} differ")


def migrate(
    replace_indexes: Annotated[
        bool, typer.Option("--replace-indexes", help="Drop indexes that differ, and make them again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    async def work(_: asyncio.Event) -> int:
        report = Report()
        await _broker(report)
        await _store(report, replace=replace_indexes)
        if as_json:
            print_json(report.as_dict())
        else:
            report.tell()
        return report.exit_code

    run(work)


async def _broker(report: Report) -> None:
    try:
        async with Inspection(url=wiring.amqp_url(), name="cli") as inspection:
            report.note(await inspection.make_missing())
    except DependencyUnavailable as error:
        report.failures.append(str(error))


async def _store(report: Report, *, replace: bool) -> None:
    mongo = wiring.mongo()
    try:
        async with misconfigured_if_refused():
            report.note(await Indexes(mongo).make_missing(replace=replace), replaced=replace)
    except StoreUnavailable as error:
        report.failures.append(briefly(error))
    finally:
        await mongo.stop(0)
