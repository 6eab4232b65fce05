"""The HTTP face of the API, put together: its routes, and the document that is made from them."""

from collections.abc import Sequence

from aiohttp import web

from services.api import documents
from shared.limiter import Limiter
from shared.routes import Route, serve
from shared.store.keys import Keys
from shared.web import errors


def application(keys: Keys, limiter: Limiter, routes: Sequence[Route]) -> web.Application:
    app = web.Application(middlewares=[errors])
    app.add_routes(serve(routes, keys=keys, limiter=limiter))
    app.add_routes(documents.table(routes))
    return app
