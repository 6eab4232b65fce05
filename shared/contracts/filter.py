"""The payload filter a webhook may carry: conditions on fields of `data`.

    {"field": "score.scaled", "gte": 0.8}
    {"all": [{"field": "package_id", "in": ["pkg_1", "pkg_2"]}, {"not": {"field": "score", "exists": false}}]}

A condition names one field by its dotted path and makes one comparison. `all`, `any` and `not` combine them.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StrictBool,
    Tag,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import TypeAliasType

from shared.contracts.omittable import Omittable

MAX_DEPTH = 8

_MOST = 2**63 - 1  # what the database can hold


def _storable(value: str | float | bool | None) -> str | float | bool | None:
    if isinstance(value, int | float) and not -_MOST <= value <= _MOST:
        raise ValueError("a number needs to fit into 64 bits")
    return value


Scalar = Annotated[
    str | int | float | bool | None,
    AfterValidator(_storable),
    WithJsonSchema({"type": ["string", "number", "boolean", "null"], "minimum": -_MOST, "maximum": _MOST}),
]
Scalars = Annotated[list[Scalar], Field(min_length=1, max_length=100)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def _no_default(schema: dict[str, Any]) -> None:
    """Null is not what stands in for a comparison that is left out: it would be one."""
    del schema["default"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Strict):
    """One comparison. An absent field equals nothing and is in no list; numbers compare only with numbers."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 2, "maxProperties": 2})

    field: str = Field(min_length=1, max_length=200, examples=["score.scaled"])
    eq: Scalar = Field(None, json_schema_extra=_no_default)
    in_: Omittable[Scalars] = Field(None, alias="in")
    exists: Omittable[StrictBool] = None
    gt: Omittable[Number] = None
    gte: Omittable[Number] = None
    lt: Omittable[Number] = None
    lte: Omittable[Number] = None

    @model_validator(mode="after")
    def _one_comparison(self) -> Condition:
        made = self.model_fields_set - {"field"}
        if len(made) != 1:
            raise ValueError("a condition makes exactly one of the comparisons eq, in, exists, gt, gte, lt, lte")
        return self


class All(_Strict):
    all: list[Filter] = Field(min_length=1, max_length=20)


class Any_(_Strict):
    any: list[Filter] = Field(min_length=1, max_length=20)


class Not(_Strict):
    not_: Filter = Field(alias="not")


def _shape(value: Any) -> str:
    keys = value if isinstance(value, dict) else getattr(value, "model_fields_set", ())
    return next((name for name in ("all", "any", "not") if name in keys or f"{name}_" in keys), "field")


Filter = TypeAliasType(
    "Filter",
    Annotated[
        Annotated[Condition, Tag("field")]
        | Annotated[All, Tag("all")]
        | Annotated[Any_, Tag("any")]
        | Annotated[Not, Tag("not")],
        Discriminator(_shape),
    ],
)
All.model_rebuild()
Any_.model_rebuild()
Not.model_rebuild()


def depth(value: JsonValue) -> int:
    """How deep the combinators nest; checked against MAX_DEPTH before anything recurses further."""
    deepest, level = 0, [value]
    while level and deepest <= MAX_DEPTH:
        deepest += 1
        level = [inner for node in level if isinstance(node, dict) for name, inner in _inner(node)]
    return deepest


def _inner(node: dict[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [("not", node["not"])] if "not" in node else []
    for name in ("all", "any"):
        if isinstance(node.get(name), list):
            found += [(name, item) for item in node[name]]
    return found
