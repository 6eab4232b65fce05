"""What is counted as what, and from when lateness is measured."""

import ast
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from deploy.local.download import PROJECT
from services.delivery import metrics as delivery
from services.fanout.publication import published_at
from services.ingest import metrics as ingest
from shared import metrics
from shared.broker.consumer import Message
from shared.broker.headers import PUBLISHED_AT
from shared.contracts.delivery import Attempt, Outcome, Status, Step, Succeeded, Wait, WaitingFor
from shared.contracts.failure import ErrorKind
from shared.contracts.message import QueuedDelivery
from shared.errors import Refused

NOW = 1_000_000.0
MOMENT = datetime.fromtimestamp(NOW, UTC)
FIRST, DELIVERED = "dispatcher_publish_to_first_attempt_seconds", "dispatcher_publish_to_delivered_seconds"


def counted(name: str, **labels: str) -> float:
    value = REGISTRY.get_sample_value(name, labels)
    assert value is not None, f"{name}{labels} is not there"
    return value


def message(headers: Mapping[str, Any] | None = None, timestamp: float | None = None) -> Message:
    return Message(b"", headers or {}, None, "", False, 1, None, timestamp)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        (message({PUBLISHED_AT: 999_994_750}), NOW - 5.25),
        (message({PUBLISHED_AT: 999_994_750}, timestamp=NOW - 60), NOW - 5.25),
        (message(timestamp=NOW - 60), NOW - 59),
        (message(timestamp=NOW), NOW),
        (message(), NOW),
        (message({PUBLISHED_AT: 1_000_060_000}), NOW),
        (message({PUBLISHED_AT: 910_000_000}), NOW),
        (message({PUBLISHED_AT: 2**63 - 1}), NOW),
        (message({PUBLISHED_AT: "yesterday"}), NOW),
        (message(timestamp=NOW * 1000), NOW),
    ],
)
def test_an_event_was_published_when_somebody_says_who_can_be_right(told: Message, believed: float) -> None:
    assert published_at(told, NOW) == believed


def attempt(n: int = 1, outcome: Outcome = Outcome.SUCCEEDED, error: ErrorKind | None = None) -> Attempt:
    return Attempt("key", n, 1, 1, MOMENT, 20, outcome, error=error)


def queued(published_at: float | None) -> QueuedDelivery:
    names = dict.fromkeys(("id", "tenant_id", "webhook_id", "event_id", "event"), "x")
    return QueuedDelivery(**names, created_at=NOW - 3, body=msgspec.Raw(b"{}"), published_at=published_at)


@pytest.mark.parametrize(
    ("delivery_of", "made", "first_attempts", "delivered_after"),
    [
        (queued(NOW - 10), attempt(), [10], [10]),
        (queued(NOW - 10), attempt(outcome=Outcome.RETRY, error=ErrorKind.DNS), [10], []),
        (queued(NOW - 10), attempt(n=2), [], [10]),
        (queued(None), attempt(), [], [3]),
    ],
)
def test_lateness_is_from_publication_and_of_first_attempts_that_only_we_kept_waiting(
    delivery_of: QueuedDelivery, made: Attempt, first_attempts: list[float], delivered_after: list[float]
) -> None:
    before = {name: (counted(f"{name}_count"), counted(f"{name}_sum")) for name in (FIRST, DELIVERED)}
    delivery.waited(delivery_of, made, MOMENT)
    for name, seconds in ((FIRST, first_attempts), (DELIVERED, delivered_after)):
        count, total = before[name]
        assert counted(f"{name}_count") - count == len(seconds)
        assert counted(f"{name}_sum") - total == pytest.approx(sum(seconds))


def test_steps_are_counted_by_how_they_ended_or_what_they_wait_for() -> None:
    ended = {"status": "succeeded", "reason": "none"}
    before = counted("dispatcher_deliveries_ended_total", **ended)
    waits = counted("dispatcher_deliveries_put_off_total", waiting_for="slot")
    wait = Wait(MOMENT, WaitingFor.SLOT)
    delivery.decided([Step("d", "t", MOMENT, 1, decision) for decision in (Succeeded(), wait, Succeeded())])
    assert counted("dispatcher_deliveries_ended_total", **ended) - before == 2
    assert counted("dispatcher_deliveries_put_off_total", waiting_for="slot") - waits == 1


def test_every_reason_for_which_a_delivery_ends_has_a_series() -> None:
    for status, kind in ((Status.DEAD, "Dead"), (Status.CANCELLED, "Cancelled")):
        for reason in _given(kind):
            counted("dispatcher_deliveries_ended_total", status=status, reason=reason)


def _given(kind: str) -> set[str]:
    """The reasons in the code, as texts or by the names of constants."""
    trees = [
        ast.parse(path.read_text()) for folder in ("services", "shared") for path in PROJECT.glob(f"{folder}/**/*.py")
    ]
    texts = {
        target.id: node.value.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    calls = [
        node.args[0]
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == kind
    ]
    found = {call.value if isinstance(call, ast.Constant) else texts[call.id] for call in calls}
    assert found, f"nobody ends a delivery as {kind}"
    return found


def test_an_end_and_a_refusal_that_nobody_listed_count_as_other() -> None:
    before = counted("dispatcher_deliveries_ended_total", status="dead", reason="other")
    metrics.ended(Status.DEAD, "something new", 3)
    assert counted("dispatcher_deliveries_ended_total", status="dead", reason="other") - before == 3
    before = counted("dispatcher_events_refused_total", code="other")
    ingest.refused([Refused(400, "SOMETHING_NEW", "")])
    assert counted("dispatcher_events_refused_total", code="other") - before == 1
