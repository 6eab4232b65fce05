"""Says in words what a JSON schema allows. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

Json = dict[str, Any]

_LONGEST_PATTERN = 60  # longer ones are for machines
_RANGES = (
    ("minLength", "maxLength", " characters"),
    ("minimum", "maximum", ""),
    ("minItems", "maxItems", " entries"),
    ("minProperties", "maxProperties", " entries"),
)


@dataclass(frozen=True, slots=True)
class Word:
    """A part of what a type is called; `model` is the name of the model that it stands for."""

    text: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    required: bool
    kind: tuple[Word, ...]
    meaning: str
    choices: tuple[str, ...]
    limits: tuple[str, ...]


class Schemas:
    """The models of a document, by name."""

    def __init__(self, models: Json) -> None:
        self._models = models

    def fields(self, name: str) -> list[Field]:
        model = self._models[name]
        required = model.get("required", ())
        return [
            self.field(field, schema, required=field in required)
            for field, schema in model.get("properties", {}).items()
        ]

    def field(self, name: str, schema: Json, *, required: bool, meaning: str = "") -> Field:
        inner = _unwrapped(schema)
        return Field(
            name=name,
            required=required,
            kind=tuple(self._kind(schema)),
            meaning=meaning or schema.get("description") or inner.get("description", ""),
            choices=tuple(self._choices(schema)),
            limits=(*_default(schema), *self._limits(inner), *_examples(schema)),
        )

    def named(self, schema: Json) -> str | None:
        """The model that a schema refers to; None for one that has no table of its own."""
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        return name if self._models.get(name, {}).get("properties") else None

    def reachable(self, names: Sequence[str]) -> list[str]:
        """These and all that they refer to, by name."""
        found, ahead = set(), list(names)
        while ahead:
            name = ahead.pop()
            if name not in found:
                found.add(name)
                ahead += [inner for schema in _within(self._models[name]) if (inner := self.named(schema))]
        return sorted(found)

    def about(self, name: str) -> str:
        return str(self._models[name].get("description", ""))

    def _resolved(self, schema: Json) -> Json:
        """A reference to what is no model: an enumeration, or anything at all."""
        if "$ref" not in schema or self.named(schema):
            return schema
        found: Json = self._models[schema["$ref"].rpartition("/")[2]]
        return found

    def _kind(self, schema: Json) -> Iterator[Word]:
        schema = self._resolved(schema)
        if name := self.named(schema):
            yield Word(shown(name), name)
        elif options := schema.get("anyOf") or schema.get("oneOf"):
            yield from _joined([list(self._kind(option)) for option in options])
        elif isinstance(schema.get("type"), list):
            yield Word(" or ".join(schema["type"]))
        elif schema.get("type") == "array":
            yield Word("list of ")
            yield from self._kind(schema.get("items", {}))
        elif values := _values(schema):
            yield Word("object of ")
            yield from self._kind(values)
        else:
            yield Word(_plain(schema))

    def _choices(self, schema: Json) -> Iterator[str]:
        schema = self._resolved(schema)
        yield from (str(choice) for choice in schema.get("enum", ()))
        for option in (*schema.get("anyOf", ()), *filter(None, [schema.get("items")])):
            yield from self._choices(option)

    def _limits(self, schema: Json) -> Iterator[str]:
        for least, most, unit in _RANGES:
            if words := _range(schema.get(least), schema.get(most)):
                yield words + unit
        pattern = schema.get("pattern", "")
        if pattern and len(pattern) <= _LONGEST_PATTERN:
            yield f"matches `{pattern}`"
        if "items" in schema:
            yield from (f"each {limit}" for limit in self._limits(_unwrapped(schema["items"])))


def shown(model: str) -> str:
    """A model's name without what kept it apart from a word of the language."""
    return model.rstrip("_")


def _unwrapped(schema: Json) -> Json:
    """What may be there, without the null that may be there in its place."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    return options[0] if len(options) == 1 else schema


def _within(schema: Any) -> Iterator[Json]:
    if isinstance(schema, dict):
        yield schema
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for part in inner:
        yield from _within(part)


def _joined(options: list[list[Word]]) -> Iterator[Word]:
    """`A, B or null`"""
    for n, words in enumerate(options):
        before = "" if n == 0 else " or " if n == len(options) - 1 else ", "
        yield replace(words[0], text=before + words[0].text) if not words[0].model else Word(before)
        yield from words[1:] if not words[0].model else words


def _plain(schema: Json) -> str:
    if schema.get("format") == "date-time":
        return "time"
    return str(schema.get("type", "any JSON"))


def _values(schema: Json) -> Json | None:
    """What the values of an object with free names are, when they are of one type."""
    values = schema.get("additionalProperties")
    return values if isinstance(values, dict) and "type" in values else None


def _examples(schema: Json) -> Iterator[str]:
    if examples := schema.get("examples"):
        yield "such as " + ", ".join(f"`{example}`" for example in examples)


def _default(schema: Json) -> Iterator[str]:
    if schema.get("default") is not None:
        default = schema["default"]
        yield f"`{str(default).lower() if isinstance(default, bool) else default}` when left out"


def _range(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f"{least:,} to {most:,}" if least != most else f"{least:,}"
    if most is not None:
        return f"at most {most:,}"
    return f"at least {least:,}" if least is not None else ""
