"""Figures in pages: their words, the bars of small charts, and which window was asked for."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from services.api.dashboard.visit import Visit
from services.api.dashboard.words import Tone
from services.api.figures import Period, Recent
from services.api.services import Services
from shared.contracts.counts import Counts
from shared.contracts.history import WebhookHistory
from shared.contracts.stats import HourStats
from shared.contracts.webhook import WebhookAnswer
from shared.durations import length
from shared.store.backlog import Due

WIDTH, GAP, HEIGHT = 4, 1, 24


class WebhookWanted(WebhookHistory):
    """Parameters of a webhook's page: its history's, and the window of its figures."""

    period: Period = Period.DAY


async def figures(does: Services, visit: Visit, webhook: WebhookAnswer, wanted: WebhookWanted) -> dict[str, Any]:
    """What `webhook_figures.html` shows. A link to another window leaves the rest of the page as it is."""
    chart = await does.figures.chart([webhook.tenant_id], webhook.id, wanted.period)
    return {
        "figures": chart,
        "windows": {period: {**visit.request.query, "period": period.value} for period in Period},
    }


def bars(hours: Sequence[Counts]) -> dict[Tone, str]:
    """A path of each tone. Delivered is at the bottom of each hour, given up at the top, between them what is open.

    An hour without deliveries is a gap.
    """
    paths: defaultdict[Tone, str] = defaultdict(str)
    for place, counts in enumerate(hours):
        other = counts.created - counts.decided
        y = HEIGHT
        for height, tone in _heights([(counts.succeeded, "good"), (other, "off"), (counts.dead, "bad")]):
            paths[tone] += f"M{place * (WIDTH + GAP)} {y}v-{height}h{WIDTH}v{height}z"
            y -= height
    return paths


def _heights(parts: Sequence[tuple[int, Tone]]) -> list[tuple[int, Tone]]:
    """What there is little of is still seen; the largest gives way."""
    there = [(count, tone) for count, tone in parts if count]
    heights = [max(2, HEIGHT * count // sum(count for count, _ in there)) for count, _ in there]
    if heights:
        heights[heights.index(max(heights))] += HEIGHT - sum(heights)
    return [(height, tone) for height, (_, tone) in zip(heights, there, strict=True)]


def share(of: Counts | HourStats) -> str | None:
    """Delivered, of all that are decided; 100 % and 0 % only if it is exactly that. None: nothing is."""
    decided = of.succeeded + of.dead
    if not decided:
        return None
    percent = 100 * of.succeeded / decided
    if 99 <= percent < 100:
        return f"{int(10 * percent) / 10} %"
    return f"{int(percent)} %" if percent >= 1 or not percent else "under 1 %"


def recently(recent: Recent) -> str:
    """The same as the bars say."""
    total, rate = recent.total, share(recent.total)
    if rate:
        return f"{rate} of {total.decided:,} in 24 h"
    return f"{total.created:,} in 24 h, none decided" if total.created else "none in 24 h"


def number(count: int) -> str:
    return f"{count:,}"


def due(span: Due) -> str:
    """When it is, in words."""
    if span.begins is None:
        return "Overdue"
    if span.ends is None:
        return f"In more than {length(span.begins)}"
    return f"In {length(span.begins)} to {length(span.ends)}" if span.begins else f"Within {length(span.ends)}"


FILTERS = {function.__name__: function for function in (bars, share, recently, number, due)}
