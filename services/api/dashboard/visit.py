"""One request of somebody who is signed in, and what a page answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import aiohttp_jinja2
from aiohttp import web
from aiohttp_session import Session, get_session
from multidict import MultiDictProxy

from services.api.dashboard.session import PATH, csrf_token, holds_csrf_token
from shared.errors import Refused
from shared.limiter import Limiter
from shared.routes import Q, Scope, path_of, query_of
from shared.store.keys import ApiKey, Keys

Form = MultiDictProxy[Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Visit:
    """`key` speaks for the tenant that the operator picked, if one was. `form` is empty for GET."""

    request: web.Request
    session: Session
    key: ApiKey
    operator: bool
    path: Mapping[str, str]
    form: Form

    @property
    def may_write(self) -> bool:
        return not self.key.scopes.isdisjoint(("write", "admin"))

    def page(self, template: str, *, status: int = 200, **context: Any) -> web.Response:
        note = self.session.pop("note", None)
        shown = {"visit": self, "csrf": csrf_token(self.session), "note": note, **context}
        return aiohttp_jinja2.render_template(template, self.request, shown, status=status)

    def to(self, path: str, note: str, secret: str | None = None) -> web.Response:
        """Another page, which shows the note once, and a secret if one was made."""
        self.session["note"] = {"text": note, "secret": secret}
        return redirect(path)

    def asked(self, model: type[Q], **defaults: str) -> Q:
        """The parameters of a page; a filter that was left empty does not narrow."""
        filled = [(name, value) for name, value in self.request.query.items() if value]
        return query_of(self.request.clone(rel_url=self.request.rel_url.with_query(filled)), model, **defaults)


@dataclass(frozen=True, slots=True)
class View:
    """A page, or what a form of one does. `operator`: for the operator only."""

    method: str
    path: str
    do: Callable[[Visit], Awaitable[web.StreamResponse]]
    scope: Scope = "read"
    operator: bool = False


def redirect(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": PATH + path})


def serve(view: View, keys: Keys, limiter: Limiter) -> web.RouteDef:
    async def handle(request: web.Request) -> web.StreamResponse:
        session = await get_session(request)
        form = await checked_form(request, session)
        key = await _holder(session, keys)
        if key is None:
            return redirect(f"/sign-in?next={quote(request.path_qs)}" if request.method == "GET" else "/sign-in")
        await limiter.count(key)
        key.need(view.scope)
        if view.operator and key.tenant_id is not None:
            raise Refused(403, "FORBIDDEN", "only the operator may look at this: it is about all tenants")
        tenant_id = session.get("tenant_id") if key.tenant_id is None else key.tenant_id
        visit = Visit(
            request=request,
            session=session,
            key=replace(key, tenant_id=tenant_id),
            operator=key.tenant_id is None,
            path=path_of(request),
            form=form,
        )
        return await view.do(visit)

    return web.route(view.method, view.path, handle)


async def checked_form(request: web.Request, session: Session) -> Form:
    """Raises Refused for a form that none of this session's pages held."""
    try:
        form = await request.post()
    except (ValueError, LookupError):  # no text, or in no encoding that there is
        raise Refused(400, "INVALID_REQUEST", "the form is not encoded as its headers say") from None
    if request.method == "POST":
        given = form.get("csrf", "")
        if not isinstance(given, str) or not holds_csrf_token(session, given):
            raise Refused(403, "FORBIDDEN", "this form is too old or not from here: reload its page, try again")
    return form


async def _holder(session: Session, keys: Keys) -> ApiKey | None:
    """Whose key this session was opened with, if it still is one."""
    if "key" not in session:
        return None
    try:
        return await keys.holder(session["key"])
    except Refused:
        session.invalidate()
        return None
