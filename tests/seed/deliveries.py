"""Events and their deliveries, in every state that a delivery can be in but `folded`."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import orjson
from bson.binary import Binary

from shared.contracts.delivery import Attempt, Outcome, Status, WaitingFor
from shared.contracts.event_types import EVENT_TYPES, GUIDE_TYPES
from shared.contracts.failure import ErrorKind
from shared.ids import delivery_id, event_key
from shared.store import deliveries, events
from shared.store.mongo import Document
from shared.store.steps import attempt_document
from shared.times import iso
from tests.seed.plan import KEPT, Tenants, evenly

EVENTS = 110_000
_BURST = 20  # events of one millisecond
_WITHOUT_DELIVERY = 11  # one event of so many matched no webhook, each of the others two


class Fate(NamedTuple):
    """What became of a delivery, and what each attempt was answered."""

    status: Status
    answers: tuple[int | ErrorKind, ...]


FATES = {  # of a hundred deliveries
    Fate(Status.SUCCEEDED, (200,)): 68,
    Fate(Status.SUCCEEDED, (204,)): 6,
    Fate(Status.SUCCEEDED, (503, ErrorKind.TIMEOUT, 200)): 8,
    Fate(Status.DEAD, (500,) * 5): 4,
    Fate(Status.DEAD, (ErrorKind.TIMEOUT, 503, ErrorKind.TIMEOUT)): 2,
    Fate(Status.DEAD, (404,)): 1,
    Fate(Status.WAITING, (503, 500)): 3,
    Fate(Status.WAITING, (ErrorKind.TIMEOUT,)): 1,
    Fate(Status.PENDING, ()): 4,
    Fate(Status.CANCELLED, (ErrorKind.CONNECT, 500)): 2,
    Fate(Status.CANCELLED, ()): 1,
}


class Happening(NamedTuple):
    """An event, and the webhooks that it went to."""

    tenant_id: str
    event_id: str
    event: str
    created_at: datetime
    webhooks: tuple[str, ...]


def happenings(
    tenants: Tenants, webhooks: Mapping[str, Sequence[str]], begins: datetime, dice: random.Random
) -> list[Happening]:
    owners = dice.choices(list(tenants), [shares.events for shares in tenants.values()], k=EVENTS)
    kinds = GUIDE_TYPES
    return [
        Happening(
            tenant,
            f"event_{number:032x}",
            kinds[number % len(kinds)],
            evenly(begins, number - number % _BURST, EVENTS),
            _two(webhooks[tenant], dice) if number % _WITHOUT_DELIVERY else (),
        )
        for number, tenant in enumerate(owners)
    ]


def _two(webhooks: Sequence[str], dice: random.Random) -> tuple[str, str]:
    """The first has by far the most."""
    one = int(len(webhooks) * dice.random() ** 4)
    other = (one + dice.randrange(1, len(webhooks))) % len(webhooks)
    return webhooks[one], webhooks[other]


def event_document(happening: Happening) -> Document:
    return {
        "_id": event_key(happening.tenant_id, happening.event_id),
        "v": events.VERSION,
        "tenant_id": happening.tenant_id,
        "event_id": happening.event_id,
        "event": happening.event,
        "timestamp": iso(happening.created_at),
        "data": Binary(orjson.dumps(EVENT_TYPES[happening.event].example)),
        "trace": None,
        "created_at": happening.created_at,
        "expires_at": happening.created_at + KEPT,
    }


def delivery_documents(happenings: Iterable[Happening], dice: random.Random) -> Iterator[Document]:
    fates = dice.choices(list(FATES), list(FATES.values()), k=2 * EVENTS)
    for happening in happenings:
        for webhook_id in happening.webhooks:
            yield _delivery(happening, webhook_id, fates.pop())


def _delivery(happening: Happening, webhook_id: str, fate: Fate) -> Document:
    identity = delivery_id(happening.tenant_id, happening.event_id, webhook_id)
    attempts = _attempts(fate.answers, happening.created_at)
    document: Document = {
        "_id": identity,
        "v": deliveries.VERSION,
        "tenant_id": happening.tenant_id,
        "webhook_id": webhook_id,
        "event_id": happening.event_id,
        "event": happening.event,
        "status": fate.status,
        "turn": max(1, len(attempts)),
        "round": 1,
        "faults": 0,
        "attempt_count": len(attempts),
        "attempts": attempts,
        "created_at": happening.created_at,
        "handed_at": happening.created_at,
    }
    if fate.answers:
        document["answered"] = fate.answers[-1]
    if fate.status is Status.WAITING:
        return document | {"due_at": happening.created_at + KEPT, "waiting_for": WaitingFor.RETRY}
    if fate.status is not Status.PENDING:
        document |= {"ended_at": happening.created_at, "expires_at": happening.created_at + KEPT}
    return document


@lru_cache(len(FATES))  # those of a burst are alike
def _attempts(answers: tuple[int | ErrorKind, ...], begun: datetime) -> list[Document]:
    return [attempt_document(_attempt(n, begun, answer)) for n, answer in enumerate(answers, 1)]


def _attempt(n: int, begun: datetime, answer: int | ErrorKind) -> Attempt:
    error = answer if isinstance(answer, ErrorKind) else None if answer < 300 else ErrorKind.HTTP_STATUS
    return Attempt(
        key=f"{begun}-{n}",
        n=n,
        turn=n,
        round=1,
        at=begun + timedelta(seconds=5 * n),
        duration_ms=40,
        outcome=Outcome.RETRY if error else Outcome.SUCCEEDED,
        status_code=None if isinstance(answer, ErrorKind) else answer,
        error=error,
        detail=f"the endpoint answered {answer}" if error else None,
        answer=b'{"ok":true}',
    )
