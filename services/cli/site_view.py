"""The state of a site as it is shown to people and to programs."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from services.cli.showing import print_table
from services.cli.site import Site, late_by
from shared.broker.lookout import Depth
from shared.readable import printable
from shared.store.backlog import COUNTED_AT_MOST, Due
from shared.store.glance import FAILURES, MOST, Glance
from shared.times import iso


def tell(site: Site) -> None:
    print_table(
        ("service", "state", "at", "detail"),
        ((one.address.service, one.health, one.address.url, one.detail) for one in site.services),
    )
    print()
    if isinstance(site.queues, str):
        print(f"queues: {printable(site.queues)}")
    else:
        print_table(("queue", "messages", "consumers"), ((one.queue, one.ready, one.consumers) for one in site.queues))
    print()
    for line in [site.store] if isinstance(site.store, str) else _store_lines(site.store):
        print(printable(line))
    print(f"clock: MongoDB's is {site.offset_seconds:+.3f} s from this machine's")
    troubles = list(site.troubles())
    print()
    for trouble in troubles:
        print(f"trouble: {printable(trouble)}")
    print("unhealthy" if troubles else "healthy")


def _store_lines(store: Glance) -> Iterable[str]:
    yield f"due now: {_count(store.due[0].deliveries, COUNTED_AT_MOST)}{_late(store)}"
    yield f"due later: {_later(store.due[1:])}"
    yield f"with the broker: {_oldest_handed(store)}"
    yield f"dead letters: {_count(store.dead, MOST)}"
    yield f"webhooks that failed {FAILURES} times or more in a row: {_count(store.failing, MOST)}"


def _count(number: int, most: int) -> str:
    return f"{number} or more" if number >= most else str(number)


def _late(store: Glance) -> str:
    late = late_by(store.oldest_due, store.at) if store.oldest_due else timedelta(0)
    return f", the oldest since {late.total_seconds():.1f} s" if late else ""


def _later(spans: Sequence[Due]) -> str:
    return ", ".join(f"{_count(one.deliveries, COUNTED_AT_MOST)} {_span(one)}" for one in spans)


def _span(due: Due) -> str:
    return f"within {_hours(due.ends)}" if due.ends else "after that"


def _hours(span: timedelta) -> str:
    minutes = span // timedelta(minutes=1)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h"


def _oldest_handed(store: Glance) -> str:
    if store.oldest_handed is None:
        return "nothing"
    return f"the oldest since {late_by(store.oldest_handed, store.at).total_seconds():.1f} s"


def as_dict(site: Site) -> dict[str, Any]:
    troubles = list(site.troubles())
    return {
        "healthy": not troubles,
        "troubles": troubles,
        "services": [
            {
                "service": one.address.service,
                "url": str(one.address.url) if one.address.url else None,
                "state": one.health,
                "detail": one.detail,
            }
            for one in site.services
        ],
        "queues": None if isinstance(site.queues, str) else [_depth(one) for one in site.queues],
        "parked": site.parked,
        "store": None if isinstance(site.store, str) else _store(site.store),
        "clock_offset_seconds": site.offset_seconds,
    }


def _depth(one: Depth) -> dict[str, Any]:
    return {"queue": one.queue, "messages": one.ready, "consumers": one.consumers}


def _store(store: Glance) -> dict[str, Any]:
    return {
        "due_now": store.due[0].deliveries,
        "due_later": sum(one.deliveries for one in store.due[1:]),
        "oldest_due_at": iso(store.oldest_due) if store.oldest_due else None,
        "oldest_handed_at": iso(store.oldest_handed) if store.oldest_handed else None,
        "dead_letters": store.dead,
        "failing_webhooks": store.failing,
    }
