"""Dead letters of all tenants: a list, and to send again or give up one, or all that are meant."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import urlencode

from aiohttp import web

from services.api.dashboard.narrowing import fields, narrowing
from services.api.dashboard.outcomes import act_on, left_alone, number, outcome
from services.api.dashboard.views.webhooks import SHOWN
from services.api.dashboard.visit import View, Visit
from services.api.dead_letters import AT_ONCE, COUNTED_AT_MOST, Batch, DeadLetterService, DeadLettersListing
from shared.contracts.event_types import EVENT_TYPES

_LIST = "/dead-letters"
_REASONS = ("attempts_exhausted", "expired", "gone", "webhook_inactive", "internal", "event_missing")
_DONE = {"retry": "sent again", "discard": "discarded"}


class DeadLetterViews:
    """For the operator only. Work on many is asked about first, and goes on a thousand at a time."""

    def __init__(self, service: DeadLetterService, clock: Callable[[], datetime]) -> None:
        self._service = service
        self._clock = clock

    def views(self) -> list[View]:
        return [
            View("GET", _LIST, self.all, operator=True),
            View("GET", _LIST + "/retry", self.ask_retry, "write", operator=True),
            View("POST", _LIST + "/retry", self.retry, "write", operator=True),
            View("GET", _LIST + "/discard", self.ask_discard, "write", operator=True),
            View("POST", _LIST + "/discard", self.discard, "write", operator=True),
        ]

    async def all(self, visit: Visit) -> web.Response:
        wanted = self._wanted(visit)
        page = await self._service.page(wanted)
        return visit.page(
            "dead_letters.html",
            page=page,
            total=number(page.total, COUNTED_AT_MOST),
            narrowed=fields(wanted, "cursor"),
            reasons=_REASONS,
            types=list(EVENT_TYPES),
        )

    async def ask_retry(self, visit: Visit) -> web.Response:
        return await self._ask(visit, "retry", self._service.retry)

    async def ask_discard(self, visit: Visit) -> web.Response:
        return await self._ask(visit, "discard", self._service.discard)

    async def retry(self, visit: Visit) -> web.Response:
        return await self._do(visit, "retry", self._service.retry)

    async def discard(self, visit: Visit) -> web.Response:
        return await self._do(visit, "discard", self._service.discard)

    def _wanted(self, visit: Visit) -> DeadLettersListing:
        """Of the tenant that the operator picked, unless another is named."""
        picked = {"tenant_id": visit.key.tenant_id} if visit.key.tenant_id else {}
        return narrowing(visit, DeadLettersListing, self._clock(), limit=SHOWN, **picked)

    async def _ask(self, visit: Visit, action: str, act: Callable[..., Awaitable[Batch]]) -> web.Response:
        wanted = self._wanted(visit)
        batch = await act(wanted, dry_run=True)
        counts = batch.counts
        of_many = f"of the next {AT_ONCE:,}, oldest first, " if batch.following or wanted.cursor else ""
        return visit.page(
            "ask.html",
            section="dead-letters",
            heading={"retry": "Send dead letters again?", "discard": "Discard dead letters?"}[action],
            told=[
                f"{number(counts.before, COUNTED_AT_MOST)} match; {of_many}{counts.done:,} would be {_DONE[action]}.",
                *(f"Left alone would be {reason}." for reason in left_alone(counts)),
                {
                    "retry": "Each begins a new round of attempts, due now.",
                    "discard": "They end as cancelled and stay in the history until they expire.",
                }[action],
            ],
            action=f"/dashboard{_LIST}/{action}",
            fields=fields(wanted),
            label=act_on(action, counts.done),
            skip=f"?{urlencode({**fields(wanted), 'cursor': batch.following})}" if batch.following else None,
            back=_address("", fields(wanted, "cursor", "ids"), outside=True),
        )

    async def _do(self, visit: Visit, action: str, act: Callable[..., Awaitable[Batch]]) -> web.Response:
        wanted = self._wanted(visit)
        batch = await act(wanted)
        note, meant = outcome(batch.counts, _DONE[action], COUNTED_AT_MOST), fields(wanted, "cursor", "ids")
        if batch.following and not wanted.ids:
            more = {**meant, "cursor": batch.following}
            return visit.to(_address("/" + action, more), note + " There are more: go on here.")
        return visit.to(_address("", meant), note)


def _address(action: str, meant: dict[str, str], *, outside: bool = False) -> str:
    return f"{'/dashboard' if outside else ''}{_LIST}{action}{'?' + urlencode(meant) if meant else ''}"
