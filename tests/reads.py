"""Requests that only read, made from the table of routes: a new parameter needs a value here, a new route nothing."""

from collections.abc import Iterable, Iterator, Sequence

from shared.contracts.listing import Listing, Position
from shared.routes import Route
from shared.times import iso
from tests.seed import Owner, Seeded

Query = dict[str, str]
_NO_FILTERS = {"tenant_id", "limit", "cursor"}


def read_routes(routes: Iterable[Route]) -> list[Route]:
    """All that answer GET; what is served under two prefixes, once."""
    gets = [route for route in routes if route.method == "GET"]
    return list({route.do: route for route in reversed(gets)}.values())[::-1]


def is_list(route: Route) -> bool:
    return issubclass(route.query, Listing)


def path(route: Route, owner: Owner, number: int = 0) -> str:
    """To the first of what the owner has, or to another."""
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    return route.path.format(**{name: owner.ids[name][number % len(owner.ids[name])] for name in names})


def queries(route: Route, owner: Owner, seeded: Seeded) -> Iterator[Query]:
    return each_and_all(route.query.model_fields.keys() - _NO_FILTERS, owner, seeded)


def each_and_all(filters: Iterable[str], owner: Owner, seeded: Seeded) -> Iterator[Query]:
    """No filter, each value of each filter alone, all filters together."""
    given = {name: _values(name, owner, seeded) for name in sorted(filters)}
    yield {}
    for name, values in given.items():
        yield from ({name: value} for value in values)
    if len(given) > 1:
        yield {name: values[0] for name, values in given.items()}


def _values(name: str, owner: Owner, seeded: Seeded) -> Sequence[str]:
    span = seeded.ends - seeded.begins
    found = {
        "status": ("dead", "succeeded", "folded"),  # some, most, none
        "event_type": ("session.completed",),
        "response_status": ("5xx", "500", "timeout"),
        "since": (iso(seeded.begins + span / 5),),
        "until": (iso(seeded.ends - span / 5),),
        "webhook_id": (owner.ids["webhook_id"][0], owner.ids["webhook_id"][-1]),
        "which": ("failed", "all"),
    }
    assert name in found, f"{name} needs values"
    return found[name]


def cursors(seeded: Seeded) -> Iterator[str]:
    """To the middle of any list, and ever nearer to its oldest entry."""
    left = (seeded.ends - seeded.begins) / 2
    while left.total_seconds() > 1:
        yield Position(seeded.begins + left, "~").cursor()
        left /= 8
