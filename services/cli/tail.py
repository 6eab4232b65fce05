"""Shows events, and deliveries if wanted, as they come: what the API lists, read again and again."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from services.cli.client import Client, path
from services.cli.delivery_view import last_answer, why
from services.cli.following import Entry, Following
from services.cli.pace import pause
from services.cli.refusal import Missing
from services.cli.running import complain
from services.cli.showing import print_line
from shared.contracts.delivery import LIVE
from shared.errors import DependencyUnavailable
from shared.readable import printable

_LOOK_SECONDS = 1
_LOOKED_AT_AGAIN = 4
_ALL = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """`since` None: what comes from now on."""

    tenant_id: str | None
    event_type: str | None
    since: str | None
    deliveries: bool
    as_json: bool


async def tail(api: Client, wanted: Wanted) -> None:
    """Until it is stopped: raises Interrupted. An API that is away is waited for."""
    followed = [_Followed(api, wanted, "events", Following(mark=lambda _: None, since=wanted.since))]
    if wanted.deliveries:
        following = Following(mark=_state, goes_on=lambda entry: entry["status"] in LIVE, since=wanted.since)
        followed.append(_Followed(api, wanted, "deliveries", following))
    if wanted.since is None:
        for one in followed:
            await one.begin()
    complain("following; Ctrl-C ends it")
    away = False
    while True:
        try:
            for one in followed:
                await one.look()
            away = False
        except DependencyUnavailable as error:
            if not away:
                complain(f"{error}; trying again")
            away = True
        await pause(_LOOK_SECONDS, api.stopped)


class _Followed:
    """One list."""

    def __init__(self, api: Client, wanted: Wanted, name: str, following: Following) -> None:
        self._api = api
        self._wanted = wanted
        self._name = name
        self._following = following
        self._narrowed = partial(api.rows, path(name), name, tenant_id=wanted.tenant_id, event_type=wanted.event_type)

    async def begin(self) -> None:
        """What is there already is not shown."""
        self._following.fresh((await self._narrowed(1)).rows)
        self._following.fresh((await self._narrowed(_ALL, since=self._following.since)).rows)

    async def look(self) -> None:
        again = [await self._again(one) for one in self._following.going_on(_LOOKED_AT_AGAIN)]
        found = (await self._narrowed(_ALL, since=self._following.since)).rows
        for entry in self._following.fresh([*found, *filter(None, again)]):
            self._show(entry)

    async def _again(self, delivery_id: str) -> Entry | None:
        try:
            detail = (await self._api.get(path(self._name, delivery_id))).json
        except Missing:  # erased meanwhile
            self._following.lose(delivery_id)
            return None
        del detail["body"]
        return detail

    def _show(self, entry: Entry) -> None:
        kind = "event" if self._name == "events" else "delivery"
        if self._wanted.as_json:
            print_line({"kind": kind, **entry})
        else:
            cells = _event_cells(entry) if kind == "event" else _delivery_cells(entry)
            print(*(printable(str(cell)) for cell in cells if cell is not None), sep="  ", flush=True)


def _state(delivery: Entry) -> tuple[Any, ...]:
    return delivery["status"], delivery["round"], delivery["attempt_count"], delivery["waiting_for"]


def _event_cells(event: Entry) -> tuple[Any, ...]:
    return event["created_at"], "event", event["event"], event["id"]


def _delivery_cells(delivery: Entry) -> tuple[Any, ...]:
    attempts = delivery["attempt_count"] and f"attempt {delivery['attempt_count']}"
    fields = ("created_at", "event", "id", "webhook_id", "status")
    made, event, *rest = (delivery[name] for name in fields)
    return made, "delivery", event, *rest, why(delivery), attempts or None, last_answer(delivery)
