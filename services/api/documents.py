"""`/openapi.json`, and `/docs`: the same for people."""

import gzip
from collections.abc import Sequence
from functools import cache

from aiohttp import web

from services.api.docs.page import FOLDER, render
from services.api.packed import packed
from shared.openapi import document
from shared.routes import Route
from shared.web import json

TITLE = "Webhooks"
ABOUT = "Manage webhooks, and see what became of every delivery."
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "public, max-age=300",
}


def table(routes: Sequence[Route]) -> list[web.RouteDef]:
    described = document(TITLE, ABOUT, routes)

    @cache
    def page() -> bytes:
        """Made when it is first asked for, which takes a tenth of a second."""
        return gzip.compress(render(described).encode(), mtime=0)

    async def openapi(_: web.Request) -> web.Response:
        return json(described)

    async def docs(request: web.Request) -> web.Response:
        return packed(request, page(), "text/html", PAGE_HEADERS)

    async def style(request: web.Request) -> web.Response:
        return packed(request, _style(), "text/css", PAGE_HEADERS)

    return [web.get("/openapi.json", openapi), web.get("/docs", docs), web.get("/docs/style.css", style)]


@cache
def _style() -> bytes:
    return gzip.compress((FOLDER / "style.css").read_bytes(), mtime=0)
