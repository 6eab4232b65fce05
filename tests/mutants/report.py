"""The result: a table by file, each survivor as a diff, and what speaks against passing."""

from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.table import Column, Table

from tests.mutants.found import Mutant
from tests.mutants.survivors import Change

LEAST_KILLED_PERCENT = 95.0


class Report:
    """`listed`: the survivors that are known, with the reason of each."""

    def __init__(self, mutants: list[Mutant], listed: dict[Change, str]) -> None:
        self._mutants = mutants
        self._listed = listed
        self._survivors = [mutant for mutant in mutants if mutant.change]
        self.passed = not list(self._objections())

    @property
    def killed_percent(self) -> float:
        return 100 * (1 - len(self._survivors) / len(self._mutants)) if self._mutants else 0.0

    def show(self, console: Console) -> None:
        console.print(self._table())
        for mutant in self._survivors:
            self._show_survivor(mutant, console)
        for objection in self._objections():
            console.print(objection)

    def _table(self) -> Table:
        every, survived = (Counter(mutant.file for mutant in some) for some in (self._mutants, self._survivors))
        table = Table("file", *(_right(title) for title in ("mutants", "killed", "survived")), box=None)
        for file, count in sorted(every.items()):
            table.add_row(file, str(count), str(count - survived[file]), str(survived[file]))
        share = f"{len(self._mutants) - len(self._survivors)} ({self.killed_percent:.1f} %)"
        table.add_row("all", str(len(self._mutants)), share, str(len(self._survivors)))
        return table

    def _show_survivor(self, mutant: Mutant, console: Console) -> None:
        assert mutant.change
        reason = self._listed.get(mutant.change, "not listed")
        console.print(f"\n{mutant.change.function} ({mutant.status}): {reason}")
        console.print(f"  - {mutant.change.was}\n  + {mutant.change.now}")

    def _objections(self) -> Iterator[str]:
        if self.killed_percent < LEAST_KILLED_PERCENT:
            yield f"\n{self.killed_percent:.1f} % were killed; {LEAST_KILLED_PERCENT:.0f} % must be"
        survived = {mutant.change for mutant in self._survivors if mutant.change}
        if unlisted := survived - self._listed.keys():
            yield f"\n{len(unlisted)} survived that tests/mutants/survivors.toml does not list: test them, or list them"
        for change in self._listed.keys() - survived:
            yield f"\nlisted in tests/mutants/survivors.toml, but killed or gone: {change.function}\n  + {change.now}"


def _right(title: str) -> Column:
    return Column(title, justify="right")
