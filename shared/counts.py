"""What going through many things found and did."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Counts:
    """`before`: how many there were. `left` None: they could not be counted again.

    `left_alone` counts, by the reason, those that were asked for and not touched.
    """

    before: int
    dry_run: bool
    done: int = 0
    left: int | None = None
    left_alone: Counter[str] = field(default_factory=Counter)
    failure: str | None = None
