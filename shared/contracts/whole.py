"""A whole number as JSON has it: 3.0 is one, and no text is."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Stands behind the bounds: pydantic writes only those into the JSON schema that it meets before a validator."""
Whole = Annotated[int, Field(strict=True), WHOLE]
