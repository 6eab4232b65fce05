"""What a command that goes through many found and did, for people and for scripts."""

import re
from dataclasses import dataclass
from typing import Any

from services.cli.running import DONE, INTERRUPTED, LEFT, complain
from services.cli.showing import print_json
from shared.counts import Counts


@dataclass(kw_only=True)
class Tally(Counts):
    """Of things called `noun` that were `verb`."""

    noun: str
    verb: str
    stopped: bool = False

    @property
    def exit_code(self) -> int:
        if self.stopped:
            return INTERRUPTED
        return LEFT if self.failure or (self.left_alone and not self.dry_run) else DONE

    def as_dict(self) -> dict[str, Any]:
        return {
            "before": self.before,
            self.verb: self.done,
            "left": self.left,
            "left_alone": [{"reason": reason, "count": count} for reason, count in self.left_alone.items()],
            "dry_run": self.dry_run,
            "stopped": self.stopped,
            "failure": self.failure,
        }

    def announce(self) -> None:
        print(f"{counted(self.before, self.noun)} {'matches' if self.before == 1 else 'match'}", flush=True)

    def show(self, *, as_json: bool) -> int:
        """Answers the exit code."""
        if as_json:
            print_json(self.as_dict())
        else:
            self._tell()
        return self.exit_code

    def _tell(self) -> None:
        for reason, count in self.left_alone.items():
            complain(f"{count} left alone: {reason}")
        if self.failure:
            complain(self.failure)
        if self.dry_run:
            print(f"dry run: {self.done} would be {self.verb}")
            return
        print(f"{self.done} {self.verb}, {'an unknown number' if self.left is None else self.left} left")
        if self.stopped or self.failure:
            print("what is done is done: run it again for the rest")


def counted(number: int, noun: str) -> str:
    several = re.sub("([^aeiou])y$", r"\1ie", noun) + "s"
    return f"{number} {noun if number == 1 else several}"
