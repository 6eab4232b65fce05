"""Numbers that several processes share through one mapped file: each is written by one process and read by any."""

import mmap
import time
from collections.abc import Sequence
from operator import sub
from pathlib import Path

RECEIVED, PUBLISHED, _HEADER = 0, 1, 2
BUCKET_SECONDS = 0.0001
_BUCKETS = 300_000  # 30 s; the last one holds everything longer


class Counters:
    """What was published and received, and a histogram of the times between."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._words = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")

    @classmethod
    def create(cls, path: Path) -> "Counters":
        path.write_bytes(bytes(8 * (_HEADER + _BUCKETS)))
        return cls(path)

    @property
    def received(self) -> int:
        return self._words[RECEIVED]

    @property
    def published(self) -> int:
        """Events that the broker confirmed."""
        return self._words[PUBLISHED]

    def count_published(self, count: int) -> None:
        self._words[PUBLISHED] += count

    def count_received(self, sent_ns: int) -> None:
        words = self._words
        words[RECEIVED] += 1
        bucket = (time.time_ns() - sent_ns) // 100_000
        words[_HEADER + (bucket if 0 <= bucket < _BUCKETS else _BUCKETS - 1)] += 1

    def histogram(self) -> Sequence[int]:
        """A copy, quickly made."""
        return memoryview(bytes(self._words[_HEADER:])).cast("Q")


Span = tuple[Sequence[int], Sequence[int]]
"""Two looks at the histogram: what arrived between them."""


def percentiles(spans: Sequence[Span], *shares: float) -> list[float]:
    """Upper bounds, in seconds, of what arrived in all of them; nan when nothing did."""
    befores, afters = (map(sum, zip(*looks, strict=True)) for looks in zip(*spans, strict=True))
    counts = list(map(sub, afters, befores))
    return [_percentile(counts, share) for share in shares]


def _percentile(counts: Sequence[int], share: float) -> float:
    total = sum(counts)
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if total and seen >= share * total:
            return (bucket + 1) * BUCKET_SECONDS
    return float("nan")
