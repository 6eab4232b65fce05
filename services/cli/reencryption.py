"""What `secrets re-encrypt` found and did, for people and for scripts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from services.cli.running import DONE, INTERRUPTED, LEFT, complain
from services.cli.tally import counted
from shared.store.reencryption import Visited

_OLD_SERVICE = (
    "were written with another key meanwhile: restart the services that still have the old DISPATCHER_SECRET_KEYS, "
    "then run this again"
)


@dataclass(kw_only=True)
class Report:
    """Counts are of webhooks. `left` None: it could not be counted again."""

    key: str
    before: int
    dry_run: bool
    left: int | None = None
    encrypted: int = 0
    unopened: list[Visited] = field(default_factory=list)
    stopped: bool = False
    failure: str | None = None

    def __post_init__(self) -> None:
        if self.dry_run:
            self.left = self.before

    def note(self, visited: Iterable[Visited]) -> None:
        for webhook in visited:
            if webhook.problem:
                self.unopened.append(webhook)
            else:
                self.encrypted += 1

    @property
    def exit_code(self) -> int:
        if self.dry_run or self.left == 0:
            return DONE
        return INTERRUPTED if self.stopped else LEFT

    def as_dict(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "before": self.before,
            "encrypted": self.encrypted,
            "left": self.left,
            "unopened": [{"webhook_id": webhook.webhook_id, "problem": webhook.problem} for webhook in self.unopened],
            "dry_run": self.dry_run,
            "stopped": self.stopped,
            "failure": self.failure,
        }

    def announce(self) -> None:
        print(
            f"{counted(self.before, 'webhook')} with something that another key than {self.key} encrypted", flush=True
        )

    def tell(self) -> None:
        for webhook in self.unopened:
            complain(webhook.problem)
        if self.failure:
            complain(self.failure)
        if self.dry_run:
            print("dry run: nothing was changed")
            return
        left = "an unknown number" if self.left is None else self.left
        print(f"{self.encrypted} encrypted again with {self.key}, {left} left")
        if advice := self._advice():
            print(advice)

    def _advice(self) -> str | None:
        if self.left == 0:
            return f"every key but {self.key} may be dropped from DISPATCHER_SECRET_KEYS"
        if self.stopped or self.failure:
            return "what is done is done: run it again for the rest"
        meanwhile = (self.left or 0) - len(self.unopened)
        return f"{meanwhile} {_OLD_SERVICE}" if meanwhile > 0 else None
