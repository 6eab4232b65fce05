"""A route says of itself who may ask, for what, and what is answered. What serves it and the document read the same."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from shared import unambiguous
from shared.contracts.event import invalid
from shared.contracts.ids import FORMS
from shared.contracts.listing import Query
from shared.errors import InvalidMessage, Refused
from shared.limiter import Limiter
from shared.store.keys import ApiKey, Keys
from shared.web import json, read_body

MAX_BODY_BYTES = 64 * 1024

Scope = Literal["read", "write", "admin"]
Method = Literal["GET", "POST", "PATCH", "DELETE"]
Q = TypeVar("Q", bound=Query)
B = TypeVar("B")


class Nothing(Query):
    """No parameters."""


@dataclass(frozen=True, slots=True)
class Ask(Generic[Q, B]):
    """A request whose key, path, parameters and body are known to be good."""

    key: ApiKey
    path: Mapping[str, str]
    query: Q
    body: B
    headers: Mapping[str, str]
    count: Callable[[int], Awaitable[None]]
    """Counts so many more against the key's limit."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` None: there is none. Fields of a model that were not set are not shown."""

    body: BaseModel | dict[str, Any] | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Header:
    """A header that a route looks at."""

    name: str
    description: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, kw_only=True)
class Route:
    """`name` is the operation's id. `body` may be left out by the caller when its model has no required field."""

    name: str
    method: Method
    path: str
    scope: Scope
    summary: str
    do: Callable[[Ask[Any, Any]], Awaitable[Reply]]
    query: type[Query] = Nothing
    body: type[BaseModel] | None = None
    raw_body: int = 0  # bytes: taken as it comes, at most so long, and checked by the service
    answer: type[BaseModel] | None = None
    answer_headers: tuple[str, ...] = ()  # beside those that every answer has
    status: int = 200
    refusals: tuple[int, ...] = ()
    headers: tuple[Header, ...] = ()
    description: str = ""
    missing: str = "INVALID_REQUEST"  # the code of 404
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Operations that go on from this answer: name → parameter → expression."""


def serve(routes: Iterable[Route], *, keys: Keys, limiter: Limiter) -> list[web.RouteDef]:
    return [web.route(route.method, route.path, _handler(route, keys, limiter)) for route in routes]


def _handler(route: Route, keys: Keys, limiter: Limiter) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        key = await _authenticate(request, keys)
        limits = await limiter.count(key)
        try:
            response = await answer(request, key, limits)
        except Refused as refused:
            refused.headers = {**limits, **refused.headers}
            raise
        response.headers.update(limits)
        return response

    async def answer(request: web.Request, key: ApiKey, limits: dict[str, str]) -> web.Response:
        async def count(cost: int) -> None:
            limits.update(await limiter.count(key, cost))

        key.need(route.scope)
        path, query, body = path_of(request, route.missing), query_of(request, route.query), await _body(request, route)
        return _response(await route.do(Ask(key, path, query, body, request.headers, count)))

    return handle


async def _authenticate(request: web.Request, keys: Keys) -> ApiKey:
    bearer = request.headers.get("Authorization", "")
    given = request.headers.get("X-API-Key") or (bearer[7:].strip() if bearer[:7].lower() == "bearer " else None)
    return await keys.identify(given)


def path_of(request: web.Request, missing: str = "INVALID_REQUEST") -> dict[str, str]:
    """The ids in it. What has not the form of one is not there: Refused with the code `missing`."""
    for name, value in request.match_info.items():
        if not re.fullmatch(FORMS[name][1:-1], value):
            raise Refused(404, missing, f"there is no {name.removesuffix('_id')} {value!r:.60}")
    return dict(request.match_info)


def query_of(request: web.Request, model: type[Q], **defaults: str) -> Q:
    """Its parameters, with these defaults. Raises Refused."""
    given = request.query
    if len(set(given)) < len(given):
        twice = next(name for name in given if len(given.getall(name)) > 1)
        raise Refused(400, "INVALID_REQUEST", f"{twice:.60}: given twice", field=twice[:60])
    try:
        return model.model_validate({**defaults, **given})
    except ValidationError as failure:
        raise refused(invalid(failure)) from None


async def _body(request: web.Request, route: Route) -> Any:
    if route.raw_body:
        return await read_body(request, route.raw_body)
    if route.body is None:
        return None
    optional = not any(made.is_required() for made in route.body.model_fields.values())
    raw = b"{}" if optional and not request.can_read_body else await read_body(request, MAX_BODY_BYTES)
    try:
        unambiguous.check(raw)
        return route.body.model_validate_json(raw)
    except ValidationError as failure:
        raise refused(invalid(failure)) from None
    except InvalidMessage as error:
        raise refused(error) from None


def refused(error: InvalidMessage) -> Refused:
    """Input that cannot be used, in the words of the HTTP API."""
    details: dict[str, Any] = {"field": error.field} if error.field else {}
    return Refused(400, "INVALID_REQUEST", str(error), **details)


def _response(reply: Reply) -> web.Response:
    body = reply.body
    if isinstance(body, BaseModel):
        body = body.model_dump(exclude_unset=True, by_alias=True)
    if body is None:
        return web.Response(status=204, headers=reply.headers)
    response = json(body, reply.status)
    response.headers.update(reply.headers)
    return response
