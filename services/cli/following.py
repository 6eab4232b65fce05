"""Which entries of a list that is read again and again are new, or have changed. Pure."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from shared.times import iso

Entry = Mapping[str, Any]
OVERLAP = timedelta(seconds=5)
"""What was inserted together, or by two processes, can be seen one by one: so far back is looked at again."""
_MOST_GOING_ON = 100


class _Shown(NamedTuple):
    made: datetime
    mark: object
    goes_on: bool


class Following:
    """`mark`: what of an entry makes it worth showing again. `goes_on`: it may change once it is older than the
    overlap; of those a hundred are remembered, of others none.
    """

    def __init__(
        self,
        *,
        mark: Callable[[Entry], object],
        goes_on: Callable[[Entry], bool] = lambda _: False,
        since: str | None = None,
    ) -> None:
        self._mark = mark
        self._goes_on = goes_on
        self._bound = datetime.fromisoformat(since) if since else None
        self._shown: dict[str, _Shown] = {}
        """Those looked at longest ago first."""

    @property
    def since(self) -> str | None:
        """From where the list has to be read; None: from its beginning."""
        return iso(self._bound) if self._bound else None

    def fresh(self, newest_first: Iterable[Entry]) -> list[Entry]:
        """Those to show, the oldest first."""
        found = [entry for entry in newest_first if self._is_fresh(entry)][::-1]
        if self._shown:
            newest = max(one.made for one in self._shown.values())
            self._bound = max(self._bound or newest - OVERLAP, newest - OVERLAP)
        self._forget()
        return found

    def going_on(self, most: int) -> list[str]:
        """Ids of entries that the list, read from `since`, no longer has, and that may change."""
        return list(self._old())[:most]

    def lose(self, name: str) -> None:
        """It is not looked at again."""
        self._shown.pop(name, None)

    def _is_fresh(self, entry: Entry) -> bool:
        shown = _Shown(datetime.fromisoformat(entry["created_at"]), self._mark(entry), self._goes_on(entry))
        before = self._shown.pop(entry["id"], None)
        self._shown[entry["id"]] = shown
        return before != shown

    def _old(self) -> dict[str, _Shown]:
        return {name: one for name, one in self._shown.items() if self._bound and one.made < self._bound}

    def _forget(self) -> None:
        old = self._old()
        kept = [name for name, one in old.items() if one.goes_on][-_MOST_GOING_ON:]
        for name in old.keys() - kept:
            del self._shown[name]
