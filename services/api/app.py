"""The HTTP face of the API, put together."""

from collections.abc import Iterable

from aiohttp import web

from shared.store.keys import Keys
from shared.web import KEYS, errors


def application(keys: Keys, *tables: Iterable[web.RouteDef]) -> web.Application:
    app = web.Application(middlewares=[errors])
    app[KEYS] = keys
    for table in tables:
        app.add_routes(table)
    return app
