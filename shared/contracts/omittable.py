"""A field that may be left out but not null, in models and in their JSON schemas."""

from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

T = TypeVar("T")


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError("may be left out but not null")
    return value


def _without_null(schema: dict[str, Any]) -> None:
    [kept] = [one for one in schema.pop("anyOf") if one != {"type": "null"}]
    schema.update(kept)
    schema.pop("default", None)


Omittable = Annotated[T | None, BeforeValidator(_given), Field(json_schema_extra=_without_null)]
"""Needs the default None, which says that it was left out."""
