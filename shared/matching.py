"""Decides which of a tenant's webhooks an event goes to. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic_core import from_json

from shared.contracts.webhook import Webhook
from shared.filters import Predicate, compile_filter


def type_matches(pattern: str, event_type: str) -> bool:
    """`*` is every type, `session.*` every type below `session`, anything else itself."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return event_type.startswith(pattern[:-1])
    return pattern == event_type


@dataclass(frozen=True, slots=True)
class _Candidate:
    webhook: Webhook
    predicate: Predicate | None


class Subscriptions:
    """A tenant's webhooks, ready to be matched: by event type first, then by payload filter."""

    def __init__(self, webhooks: Iterable[Webhook]) -> None:
        self.by_id = {webhook.id: webhook for webhook in webhooks}
        self._candidates = [
            _Candidate(webhook, compile_filter(webhook.filter) if webhook.filter else None)
            for webhook in self.by_id.values()
            if webhook.is_active
        ]
        self._by_type: dict[str, tuple[list[_Candidate], bool]] = {}

    def match(self, event_type: str, data: bytes) -> list[Webhook]:
        """Active webhooks that want this event; `data` is parsed only if one of them filters on it."""
        candidates, filtered = self._by_type.get(event_type) or self._index(event_type)
        if not filtered:
            return [candidate.webhook for candidate in candidates]
        parsed = from_json(data)  # the parser that validated it: what passed there passes here
        return [c.webhook for c in candidates if c.predicate is None or c.predicate(parsed)]

    def _index(self, event_type: str) -> tuple[list[_Candidate], bool]:
        found = [
            candidate
            for candidate in self._candidates
            if any(type_matches(pattern, event_type) for pattern in candidate.webhook.event_types)
        ]
        entry = (found, any(candidate.predicate for candidate in found))
        self._by_type[event_type] = entry
        return entry
