"""Decides which of a tenant's webhooks an event goes to. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import from_json

from shared import filters
from shared.contracts.webhook import Webhook
from shared.filters import Predicate, comparable, compile_filter, look_up


def type_matches(pattern: str, event_type: str) -> bool:
    """`*` is every type, `session.*` every type below `session`, anything else itself."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return event_type.startswith(pattern[:-1])
    return pattern == event_type


def why_not(webhook: Webhook, event_type: str, data: Any) -> list[str]:
    """Every reason for which this event does not go to this webhook; none when it does."""
    reasons = []
    if not webhook.is_active:
        reasons.append(f"the webhook is inactive: {webhook.disabled_reason}")
    if not any(type_matches(pattern, event_type) for pattern in webhook.event_types):
        reasons.append(f"event_types: {event_type} is not among {', '.join(webhook.event_types)}")
    return reasons + list(filters.why_not(webhook.filter, data) if webhook.filter else ())


class _Interested:
    """The webhooks of one event type. Filters that name the values of a field are found by value, not one by one."""

    def __init__(self, webhooks: Iterable[Webhook]) -> None:
        self._unfiltered: list[Webhook] = []
        self._by_value: defaultdict[str, defaultdict[Any, list[Webhook]]] = defaultdict(lambda: defaultdict(list))
        self._predicates: list[tuple[Predicate, Webhook]] = []
        for webhook in webhooks:
            self._add(webhook)

    def _add(self, webhook: Webhook) -> None:
        match webhook.filter:
            case None:
                self._unfiltered.append(webhook)
            case {"field": field, "eq": value}:
                self._by_value[field][comparable(value)].append(webhook)
            case {"field": field, "in": values}:
                for value in {comparable(value) for value in values}:
                    self._by_value[field][value].append(webhook)
            case tree:
                self._predicates.append((compile_filter(tree), webhook))

    def match(self, data: bytes) -> list[Webhook]:
        if not self._by_value and not self._predicates:
            return self._unfiltered
        return [*self._unfiltered, *self._filtered(from_json(data))]  # the parser that validated it

    def _filtered(self, data: Any) -> Iterator[Webhook]:
        for field, values in self._by_value.items():
            yield from values.get(comparable(look_up(data, field)), ())
        for predicate, webhook in self._predicates:
            if predicate(data):
                yield webhook


class Subscriptions:
    """A tenant's webhooks, ready to be matched: by event type first, then by payload filter."""

    def __init__(self, webhooks: Iterable[Webhook]) -> None:
        self.by_id = {webhook.id: webhook for webhook in webhooks}
        self.rate_limits = {webhook.id: webhook.rate_limit for webhook in self.by_id.values() if webhook.rate_limit}
        self._by_type: dict[str, _Interested] = {}

    def match(self, event_type: str, data: bytes) -> list[Webhook]:
        """Active webhooks that want this event; `data` is parsed only if one of them filters on it."""
        interested = self._by_type.get(event_type)
        if interested is None:
            interested = self._by_type[event_type] = _Interested(self._of_type(event_type))
        return interested.match(data)

    def _of_type(self, event_type: str) -> Iterator[Webhook]:
        for webhook in self.by_id.values():
            if webhook.is_active and any(type_matches(pattern, event_type) for pattern in webhook.event_types):
                yield webhook
