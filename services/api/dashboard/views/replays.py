"""Again and no more: a window of a webhook's deliveries sent once more, and what waits cancelled."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from pydantic import ValidationError

from services.api.dashboard.forms import problems_of
from services.api.dashboard.live import Live, Look
from services.api.dashboard.visit import View, Visit
from services.api.services import Services
from shared.contracts.event import invalid
from shared.contracts.history import CancelWanted
from shared.contracts.replay import ReplayListing, ReplayWanted
from shared.contracts.webhook import WebhookAnswer
from shared.errors import Refused
from shared.routes import refused

_WEBHOOK = "/webhooks/{webhook_id}"
_ONE = "/replays/{replay_id}"
_FIELDS = ("which", "since", "until", "event_type", "per_second")
_NARROWING = ("status", "event_type", "response_status")
_SHOWN = 10


class ReplayViews:
    """Nothing is sent or cancelled before its count was seen."""

    def __init__(self, does: Services, live: Live) -> None:
        self._does = does
        self._live = live

    def views(self) -> list[View]:
        return [
            View("GET", _WEBHOOK + "/replay", self.ask, "write"),
            View("POST", _WEBHOOK + "/replay", self.start, "write"),
            View("GET", _WEBHOOK + "/cancel", self.ask_cancel, "write"),
            View("POST", _WEBHOOK + "/cancel", self.cancel_waiting, "write"),
            View("GET", _ONE, self.one),
            View("GET", _ONE + "/live", self.follow),
            View("POST", _ONE + "/cancel", self.cancel, "write"),
        ]

    async def ask(self, visit: Visit) -> web.Response:
        """The window may be given by the page before."""
        given = {name: visit.request.query.get(name, "") for name in _FIELDS}
        given |= {name: given[name][:16] for name in ("since", "until")}
        return await self._form(visit, given)

    async def start(self, visit: Visit) -> web.Response:
        """Counted first: only the button that names a count starts it."""
        given = {name: str(visit.form.get(name, "")).strip() for name in _FIELDS}
        counting = visit.form.get("do") != "start"
        try:
            wanted = _wanted(given, dry_run=counting)
            replay = await self._does.replays.start(visit.key, visit.path["webhook_id"], wanted)
        except ValidationError as failure:
            return await self._form(visit, given, problems=problems_of(failure, _FIELDS))
        except Refused as error:
            if error.status != 409:
                raise
            return await self._form(visit, given, problems={"form": f"{error}."})
        if counting:
            return await self._form(visit, given, count=replay.total)
        return visit.to(f"/replays/{replay.id}", "Started. It goes on by itself, also when you leave this page.")

    async def _form(
        self, visit: Visit, given: dict[str, str], *, problems: dict[str, str] | None = None, count: int | None = None
    ) -> web.Response:
        webhook = await self._webhook(visit)
        former = await self._does.replays.page(visit.key, webhook.id, ReplayListing(limit=_SHOWN))
        shown = {"webhook": webhook, "given": given, "problems": problems or {}, "count": count}
        return visit.page("replay_form.html", status=422 if problems else 200, replays=former.replays, **shown)

    async def one(self, visit: Visit) -> web.Response:
        return visit.page("replay.html", **await self._replay(visit))

    async def follow(self, visit: Visit) -> web.StreamResponse:
        async def look() -> Look:
            seen = await self._replay(visit)
            return Look(seen["replay"], seen, over=seen["replay"].status != "running")

        return await self._live.follow(visit, "replay_live.html", look)

    async def _replay(self, visit: Visit) -> dict[str, Any]:
        return {"replay": await self._does.replays.get(visit.key, visit.path["replay_id"])}

    async def cancel(self, visit: Visit) -> web.Response:
        replay = await self._does.replays.cancel(visit.key, visit.path["replay_id"])
        return visit.to(f"/replays/{replay.id}", "Cancelled: nothing more is sent again.")

    async def ask_cancel(self, visit: Visit) -> web.Response:
        webhook, meant = await self._webhook(visit), _meant(visit.request.query)
        wanted = _cancel_wanted({**meant, "dry_run": True})
        counted = await self._does.deliveries.cancel_many(visit.key, webhook.id, wanted)
        return visit.page("cancel.html", webhook=webhook, meant=meant, count=counted.cancelled)

    async def cancel_waiting(self, visit: Visit) -> web.Response:
        """So many as a request has time for; the page says when there are more."""
        webhook_id, meant = visit.path["webhook_id"], _meant(visit.form)
        done = await self._does.deliveries.cancel_many(visit.key, webhook_id, _cancel_wanted(meant))
        text = f"Cancelled {done.cancelled:,} deliveries."
        if done.more:
            return visit.to(f"/webhooks/{webhook_id}/cancel?{urlencode(meant)}", text + " There are more.")
        return visit.to(f"/webhooks/{webhook_id}", text)

    async def _webhook(self, visit: Visit) -> WebhookAnswer:
        return await self._does.webhooks.answer(await self._does.webhooks.get(visit.key, visit.path["webhook_id"]))


def _meant(given: Mapping[str, Any]) -> dict[str, str]:
    """What narrows those that are to be cancelled, as the webhook's page gave it."""
    return {name: str(given[name]) for name in _NARROWING if given.get(name)}


def _cancel_wanted(asked: Mapping[str, Any]) -> CancelWanted:
    """Raises Refused."""
    try:
        return CancelWanted.model_validate(asked)
    except ValidationError as failure:
        raise refused(invalid(failure)) from None


def _wanted(given: dict[str, str], *, dry_run: bool) -> ReplayWanted:
    """Raises ValidationError. Moments in forms are UTC, to the minute."""
    asked: dict[str, Any] = {name: value for name, value in given.items() if value}
    for name in asked.keys() & {"since", "until"}:
        asked[name] += "Z"
    if asked.get("per_second", "").isdecimal():
        asked["per_second"] = int(asked["per_second"])
    return ReplayWanted.model_validate({**asked, "dry_run": dry_run})
