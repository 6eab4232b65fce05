"""Signing in and out, and the operator's choice of a tenant."""

import re

import aiohttp_jinja2
from aiohttp import web
from aiohttp_session import get_session, new_session

from services.api.dashboard.session import PATH, csrf_token
from services.api.dashboard.visit import View, Visit, checked_form, redirect
from shared.contracts.ids import FORMS
from shared.errors import Refused
from shared.store.keys import Keys, digest


class Door:
    """A session knows the digest of its key only, and asks for the key's rights with every request."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def table(self) -> list[web.RouteDef]:
        """For those who are not signed in."""
        return [web.get("/sign-in", self.ask), web.post("/sign-in", self.sign_in)]

    def views(self) -> list[View]:
        return [
            View("GET", "", self.home),
            View("GET", "/", self.home),
            View("POST", "/sign-out", self.sign_out),
            View("POST", "/tenant", self.choose_tenant),
        ]

    async def ask(self, request: web.Request) -> web.Response:
        return await self._form(request, request.query.get("next", ""))

    async def sign_in(self, request: web.Request) -> web.Response:
        form = await checked_form(request, await get_session(request))
        given, following = str(form.get("key", "")).strip(), str(form.get("next", ""))
        try:
            (await self._keys.identify(given)).need("read")
        except Refused as refused:
            return await self._form(request, following, problem=str(refused) if given else "Paste an API key.")
        session = await new_session(request)  # nothing of before the signing in is trusted
        session["key"] = digest(given)
        return redirect(_inside(following) or "/overview")

    async def home(self, visit: Visit) -> web.Response:
        return redirect("/overview")

    async def sign_out(self, visit: Visit) -> web.Response:
        visit.session.invalidate()
        return redirect("/sign-in")

    async def choose_tenant(self, visit: Visit) -> web.Response:
        """Empty: all tenants."""
        tenant_id = str(visit.form.get("tenant_id", "")).strip()
        if not visit.operator:
            raise Refused(403, "FORBIDDEN", "only the operator may look at other tenants")
        if tenant_id and not re.fullmatch(FORMS["tenant_id"][1:-1], tenant_id):
            raise Refused(400, "INVALID_REQUEST", f"{tenant_id!r:.60} is not the id of a tenant")
        visit.session["tenant_id"] = tenant_id or None
        return redirect("/overview")

    async def _form(self, request: web.Request, following: str, problem: str = "") -> web.Response:
        session = await get_session(request)
        shown = {"csrf": csrf_token(session), "next": following, "problem": problem}
        return aiohttp_jinja2.render_template("sign_in.html", request, shown, status=401 if problem else 200)


def _inside(following: str) -> str | None:
    """Only a page of ours is gone back to."""
    found = re.fullmatch(rf"{PATH}(/[\w/?&=.~%-]*)", following)
    return found[1] if found and not found[1].startswith("//") else None
