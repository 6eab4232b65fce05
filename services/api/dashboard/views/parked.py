"""Parked messages: the first of them, one with its body, and to send again or discard one, or all that are meant."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import urlencode

from aiohttp import web

from services.api.dashboard.bodies import shown_body
from services.api.dashboard.narrowing import fields, narrowing
from services.api.dashboard.outcomes import act_on, left_alone, outcome
from services.api.dashboard.visit import View, Visit
from services.api.parked import SHOWN, ParkedAsked, ParkedLook, ParkedRow, ParkedService
from services.api.queues import QueueService
from shared.broker.topology import WORK
from shared.counts import Counts
from shared.errors import Refused
from shared.readable import plain

_LIST = "/parked"
_DONE = {"retry": "sent again", "discard": "discarded"}
_Act = Callable[..., Awaitable[tuple[Counts, ParkedLook]]]


class ParkedViews:
    """For the operator only. Of very many the first thousand are looked at; the command line goes through all."""

    def __init__(self, service: ParkedService, queues: QueueService, clock: Callable[[], datetime]) -> None:
        self._service = service
        self._queues = queues
        self._clock = clock

    def views(self) -> list[View]:
        return [
            View("GET", _LIST, self.all, operator=True),
            View("GET", _LIST + "/message", self.one, operator=True),
            View("GET", _LIST + "/retry", self.ask_retry, "write", operator=True),
            View("POST", _LIST + "/retry", self.retry, "write", operator=True),
            View("GET", _LIST + "/discard", self.ask_discard, "write", operator=True),
            View("POST", _LIST + "/discard", self.discard, "write", operator=True),
        ]

    async def all(self, visit: Visit) -> web.Response:
        asked = self._asked(visit)
        look = await self._service.look(asked.wanted())
        depths = await self._queues.depths()
        narrowed = fields(asked, "id")
        return visit.page("parked.html", look=look, narrowed=narrowed, shown=SHOWN, queues=WORK, depths=depths)

    async def one(self, visit: Visit) -> web.Response:
        asked = self._asked(visit)
        if asked.id is None:
            raise Refused(400, "INVALID_REQUEST", "id: needed, of the parked message")
        look = await self._service.look(asked.wanted())
        if look.first is None:
            words = f"there is no parked message {asked.id} among the first {look.looked:,} of {look.there:,}"
            raise Refused(404, "INVALID_REQUEST", words)
        return visit.page(
            "parked_message.html",
            row=ParkedRow.of(look.first),
            message=look.first,
            headers={name: str(plain(value)) for name, value in look.first.headers.items()},
            body=shown_body(look.first.body),
            equal=look.matching,
        )

    async def ask_retry(self, visit: Visit) -> web.Response:
        return await self._ask(visit, "retry", self._service.send_again)

    async def ask_discard(self, visit: Visit) -> web.Response:
        return await self._ask(visit, "discard", self._service.discard)

    async def retry(self, visit: Visit) -> web.Response:
        return await self._do(visit, "retry", self._service.send_again)

    async def discard(self, visit: Visit) -> web.Response:
        return await self._do(visit, "discard", self._service.discard)

    def _asked(self, visit: Visit) -> ParkedAsked:
        """Of all tenants, whichever was picked: many cannot be read, and so are nobody's."""
        return narrowing(visit, ParkedAsked, self._clock())

    async def _ask(self, visit: Visit, action: str, act: _Act) -> web.Response:
        asked = self._asked(visit)
        counts, look = await act(asked.wanted(), dry_run=True)
        of_many = f" of the first {look.looked:,}" if look.looked < look.there else ""
        return visit.page(
            "ask.html",
            section="parked",
            heading={"retry": "Send parked messages again?", "discard": "Discard parked messages for good?"}[action],
            told=[
                f"{look.there:,} are parked; {look.matching:,}{of_many} match, "
                f"and {counts.done:,} would be {_DONE[action]}.",
                *(f"Left alone would be {reason}." for reason in left_alone(counts)),
                {
                    "retry": "Each goes to the queue it came from. What still cannot be used is parked again.",
                    "discard": "They are gone then: there is no copy. The command line can save one first.",
                }[action],
            ],
            action=f"/dashboard{_LIST}/{action}",
            fields=fields(asked),
            label=act_on(action, counts.done),
            skip=None,
            back="/dashboard" + _address("", fields(asked, "id")),
        )

    async def _do(self, visit: Visit, action: str, act: _Act) -> web.Response:
        asked = self._asked(visit)
        counts, look = await act(asked.wanted())
        note, meant = outcome(counts, _DONE[action]), fields(asked, "id")
        if counts.done and look.looked < look.there and not asked.id:
            return visit.to(_address("/" + action, meant), note + " Not all were looked at: go on here.")
        return visit.to(_address("", meant), note)


def _address(action: str, meant: dict[str, str]) -> str:
    return f"{_LIST}{action}{'?' + urlencode(meant) if meant else ''}"
