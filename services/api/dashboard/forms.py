"""The form of a webhook: its fields as text, and the request to the API that they make."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from multidict import MultiDictProxy
from pydantic import BaseModel, ValidationError

from shared import unambiguous
from shared.contracts.webhook import WebhookAnswer
from shared.errors import InvalidMessage

M = TypeVar("M", bound=BaseModel)

_TEXTS = ("url", "secret", "description")
_NUMBERS = {"max_attempts": int, "rate_limit": float, "coalesce_seconds": float}
_SHOWN = ("url", "description", *_NUMBERS, "filter")
NAMES = (*_TEXTS, *_NUMBERS, "filter", "headers")
_FIELDS = (*NAMES, "event_types", "ordered")


@dataclass(frozen=True, slots=True)
class WebhookForm:
    """What stands in it, and what is wrong with it: a sentence for each field."""

    values: Mapping[str, str]
    event_types: tuple[str, ...] = ()
    ordered: bool = False
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_more(self) -> bool:
        """Something is wrong with a field that is folded away."""
        return not self.problems.keys().isdisjoint((*_NUMBERS, "filter", "headers", "ordered"))

    @classmethod
    def empty(cls) -> "WebhookForm":
        return cls(dict.fromkeys(NAMES, ""))

    @classmethod
    def of(cls, webhook: WebhookAnswer) -> "WebhookForm":
        """Of a stored one; its secret and the values of its headers are not to be seen."""
        shown = {name: getattr(webhook, name) for name in ("url", "description", *_NUMBERS)}
        values = {
            name: "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
            for name, value in shown.items()
        }
        rule = json.dumps(webhook.filter, ensure_ascii=False, indent=2) if webhook.filter else ""
        return cls({**dict.fromkeys(NAMES, ""), **values, "filter": rule}, tuple(webhook.event_types), webhook.ordered)

    @classmethod
    def sent(cls, form: MultiDictProxy[Any]) -> "WebhookForm":
        values = {name: str(form.get(name, "")).strip() for name in NAMES}
        types = tuple(str(value) for value in form.getall("event_types", ()))
        return cls(values, types, "ordered" in form)

    def with_problems(self, problems: Mapping[str, str]) -> "WebhookForm":
        return WebhookForm(self.values, self.event_types, self.ordered, problems)

    def request(self, model: type[M], *, clearing: bool = False) -> "M | WebhookForm":
        """What the API is to be asked for; this form with its problems when that cannot be said.

        `clearing`: what was left empty is asked to be empty; but for headers, which are not shown and stay as they are.
        """
        asked, problems = self._read()
        cleared = _SHOWN if clearing else ()
        wanted = {name: value for name, value in asked.items() if value is not None or name in cleared}
        try:
            made = model.model_validate(wanted)
        except ValidationError as failure:
            return self.with_problems(problems_of(failure, _FIELDS) | problems)
        return self.with_problems(problems) if problems else made

    def _read(self) -> tuple[dict[str, Any], dict[str, str]]:
        asked: dict[str, Any] = {name: self.values[name] or None for name in _TEXTS}
        problems: dict[str, str] = {} if self.event_types else {"event_types": "Choose at least one."}
        for name, number in _NUMBERS.items():
            try:
                asked[name] = number(self.values[name]) if self.values[name] else None
            except ValueError:
                problems[name] = "A number is needed."
        asked["filter"] = _json(self.values["filter"], problems)
        asked["headers"] = _headers(self.values["headers"], problems)
        return asked | {"event_types": list(self.event_types), "ordered": self.ordered}, problems


def problems_of(failure: ValidationError, fields: Sequence[str]) -> dict[str, str]:
    """A sentence for each field, the first that was said of it."""
    problems: dict[str, str] = {}
    for one in failure.errors(include_url=False, include_input=False):
        within = ".".join(map(str, one["loc"][1:]))
        problems.setdefault(_place(one["loc"][:1], fields), f"{within}{': ' * bool(within)}{_sentence(one['msg'])}")
    return problems


def field_of(named: Sequence[object]) -> str:
    return _place(named, _FIELDS)


def _place(named: Sequence[object], fields: Sequence[str]) -> str:
    """Where a problem is shown: at its field, if the form has that, else above all of them."""
    name = str(named[0]) if named else ""
    return name if name in fields else "form"


def _json(text: str, problems: dict[str, str]) -> Any:
    if not text:
        return None
    try:
        unambiguous.check(text.encode())
    except InvalidMessage as error:
        problems["filter"] = _sentence(str(error))
        return None
    return json.loads(text)


def _headers(text: str, problems: dict[str, str]) -> dict[str, str] | None:
    """One in a line, `Name: value`."""
    found: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon:
            problems["headers"] = f"{line:.40} has no colon: write Name: value, one in a line."
        found[name.strip()] = value.strip()
    return found or None


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ").replace("Field required", "This is needed")
    return text[:1].upper() + text[1:] + "."
