"""Webhooks: the list, one of them, its form, and what its buttons do."""

import re
from typing import Annotated, Any
from urllib.parse import urlencode

from aiohttp import web
from pydantic import StringConstraints

from services.api.dashboard.figures import WebhookWanted, figures
from services.api.dashboard.forms import NAMES, WebhookForm, field_of
from services.api.dashboard.live import Live, Look
from services.api.dashboard.visit import View, Visit, redirect
from services.api.services import Services
from shared.contracts.delivery import Status
from shared.contracts.event_types import EVENT_TYPES
from shared.contracts.ids import FORMS
from shared.contracts.listing import Cursor, Query, TenantListing
from shared.contracts.webhook import Webhook, WebhookAnswer
from shared.contracts.webhook_requests import Rotation, WebhookCreate, WebhookPatch
from shared.errors import Refused

_ONE = "/webhooks/{webhook_id}"
SHOWN = "25"


class WebhooksWanted(Query):
    """Parameters of the list. `q`: a part of what stands in a webhook's URL, description or id."""

    q: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    cursor: Cursor | None = None


class WebhookViews:
    """Everything is asked of the services that the API asks, with the same key."""

    def __init__(self, does: Services, live: Live) -> None:
        self._does = does
        self._live = live

    def views(self) -> list[View]:
        return [
            View("GET", "/webhooks", self.all),
            View("GET", "/webhooks/new", self.new, "write"),
            View("POST", "/webhooks", self.create, "write"),
            View("POST", "/webhooks/check", self.check, "write"),
            View("GET", _ONE, self.one),
            View("GET", _ONE + "/live", self.follow),
            View("GET", _ONE + "/edit", self.edit, "write"),
            View("POST", _ONE, self.save, "write"),
            View("GET", _ONE + "/delete", self.ask_delete, "write"),
            View("POST", _ONE + "/delete", self.delete, "write"),
            View("POST", _ONE + "/switch", self.switch, "write"),
            View("POST", _ONE + "/test", self.test, "write"),
            View("POST", _ONE + "/rotate-secret", self.rotate, "write"),
            View("POST", _ONE + "/rotate-secret/complete", self.complete_rotation, "write"),
        ]

    async def all(self, visit: Visit) -> web.Response:
        """The operator who has not picked a tenant may only ask for an id: else all there are would be read."""
        wanted = visit.asked(WebhooksWanted)
        if wanted.q and visit.key.tenant_id is None:
            if re.fullmatch(FORMS["webhook_id"][1:-1], wanted.q):
                return redirect(_address(wanted.q))
            return visit.page("webhooks.html", page=None, q=wanted.q)
        page = await self._does.webhooks.page(visit.key, TenantListing(cursor=wanted.cursor), wanted.q)
        recents = await self._does.figures.recent([webhook.id for webhook in page.webhooks])
        return visit.page("webhooks.html", page=page, recents=recents, q=wanted.q, first=not wanted.cursor)

    async def new(self, visit: Visit) -> web.Response:
        return self._form(visit, WebhookForm.empty(), None)

    async def check(self, visit: Visit) -> web.Response:
        """One field while it is typed, which `field` names: what would be wrong with it."""
        name = visit.request.query.get("field", "")
        if name not in NAMES:
            raise Refused(400, "INVALID_REQUEST", f"field: one of {', '.join(NAMES)} is needed")
        sent = WebhookForm.sent(visit.form)
        wanted = sent.request(WebhookCreate)
        form = wanted if isinstance(wanted, WebhookForm) else sent
        if name == "url" and name not in form.problems:
            form = form.with_problems(self._problem_of_url(sent.values["url"]))
        return visit.page("webhook_field.html", name=name, form=form)

    def _problem_of_url(self, url: str) -> dict[str, str]:
        try:
            self._does.webhooks.check_url(url)
        except Refused as error:
            return _problem(error)
        return {}

    async def create(self, visit: Visit) -> web.Response:
        sent = WebhookForm.sent(visit.form)
        wanted = sent.request(WebhookCreate)
        if isinstance(wanted, WebhookForm):
            return self._form(visit, wanted, None)
        try:
            webhook, made = await self._does.webhooks.create(visit.key, wanted)
        except Refused as error:
            return self._form(visit, sent.with_problems(_problem(error)), None)
        text = "Created. Send a sample event to see it arrive."
        return visit.to(_address(webhook.id), text + " The secret is shown only now." * bool(made), made)

    async def one(self, visit: Visit) -> web.Response:
        shown = await self._with_deliveries(visit)
        drawn = await figures(self._does, visit, shown["webhook"], shown["wanted"])
        return visit.page("webhook.html", statuses=list(Status), **shown, **drawn)

    async def follow(self, visit: Visit) -> web.StreamResponse:
        """How it does and its newest deliveries, whenever one of them moves."""

        async def look() -> Look:
            seen = await self._with_deliveries(visit)
            return Look((seen["webhook"], seen["page"]), seen)

        return await self._live.follow(visit, "webhook_live.html", look)

    async def _with_deliveries(self, visit: Visit) -> dict[str, Any]:
        webhook = await self._shown(visit)
        wanted = visit.asked(WebhookWanted, limit=SHOWN)
        page = await self._does.deliveries.of_webhook(visit.key, webhook.id, wanted)
        return {"webhook": webhook, "page": page, "wanted": wanted}

    async def edit(self, visit: Visit) -> web.Response:
        webhook = await self._shown(visit)
        return self._form(visit, WebhookForm.of(webhook), webhook)

    async def save(self, visit: Visit) -> web.Response:
        """At the version that the form was made from, so that nobody's change is overwritten unseen."""
        webhook = await self._shown(visit)
        sent = WebhookForm.sent(visit.form)
        patch = sent.request(WebhookPatch, clearing=True)
        if isinstance(patch, WebhookForm):
            return self._form(visit, patch, webhook)
        version = str(visit.form.get("version", ""))
        try:
            if not re.fullmatch("[0-9]{1,9}", version):
                raise Refused(400, "INVALID_REQUEST", "the version that was edited is missing: reload the page")
            await self._does.webhooks.change(visit.key, webhook.id, patch, int(version))
        except Refused as error:
            return self._form(visit, sent.with_problems(_problem(error)), webhook)
        return visit.to(_address(webhook.id), "Saved. It is in force for new events within a second.")

    async def ask_delete(self, visit: Visit) -> web.Response:
        return visit.page("webhook_delete.html", webhook=await self._shown(visit))

    async def delete(self, visit: Visit) -> web.Response:
        webhook = await self._shown(visit)
        await self._does.webhooks.delete(visit.key, webhook.id)
        return visit.to("/webhooks", f"Deleted {webhook.url}. Its history stays until it expires.")

    async def switch(self, visit: Visit) -> web.Response:
        """Pause, resume, enable or disable: the button says which by its name."""
        patches = {
            "pause": (WebhookPatch(paused=True), "Paused: new deliveries wait."),
            "resume": (WebhookPatch(paused=False), "Resumed: what waited goes now."),
            "enable": (WebhookPatch(is_active=True), "Enabled."),
            "disable": (WebhookPatch(is_active=False), "Disabled: nothing is sent, what waits ends."),
        }
        webhook, wanted = await self._webhook(visit), str(visit.form.get("to", ""))
        if wanted not in patches:
            raise Refused(400, "INVALID_REQUEST", f"to: one of {', '.join(patches)} is needed")
        patch, text = patches[wanted]
        webhook, missed = await self._does.webhooks.change(visit.key, webhook.id, patch, None)
        if missed:
            window = urlencode({"since": missed.since, "until": missed.until})
            text += f" It missed {missed.deliveries:,} deliveries: send them again here, or leave it."
            return visit.to(f"{_address(webhook.id)}/replay?{window}", text)
        return visit.to(_address(webhook.id), text)

    async def test(self, visit: Visit) -> web.Response:
        webhook = await self._webhook(visit)
        sent = await self._does.samples.send(webhook, None)
        return visit.to(f"/deliveries/{sent.delivery_id}", "A sample is on its way: this page shows how it goes.")

    async def rotate(self, visit: Visit) -> web.Response:
        webhook, made = await self._does.webhooks.rotate(visit.key, visit.path["webhook_id"], Rotation())
        text = "Both secrets sign for 24 hours, or until you complete the rotation."
        return visit.to(_address(webhook.id), text, made)

    async def complete_rotation(self, visit: Visit) -> web.Response:
        webhook = await self._does.webhooks.complete_rotation(visit.key, visit.path["webhook_id"])
        return visit.to(_address(webhook.id), "From now on the new secret alone signs.")

    async def _webhook(self, visit: Visit) -> Webhook:
        return await self._does.webhooks.get(visit.key, visit.path["webhook_id"])

    async def _shown(self, visit: Visit) -> WebhookAnswer:
        return await self._does.webhooks.answer(await self._webhook(visit))

    def _form(self, visit: Visit, form: WebhookForm, webhook: WebhookAnswer | None) -> web.Response:
        status = 422 if form.problems else 200
        types = list(EVENT_TYPES.values())
        return visit.page("webhook_form.html", form=form, webhook=webhook, types=types, status=status)


def _problem(error: Refused) -> dict[str, str]:
    named = [error.details[name] for name in ("field",) if name in error.details]
    text = str(error).removeprefix(f"{named[0]}: ") if named else str(error)
    return {field_of(named): text[:1].upper() + text[1:] + "."}


def _address(webhook_id: str) -> str:
    return f"/webhooks/{webhook_id}"
