"""A moment as it is written in JSON and in queries: ISO 8601 with a time zone."""

import re
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field


def _no_number(value: Any) -> Any:
    """A number might count seconds or milliseconds, from one epoch or another."""
    if isinstance(value, int | float) or (isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]*\.?[0-9]*", value)):
        raise ValueError("a moment is written like 2025-01-15T10:30:00.000Z, not as a number")
    return value


Written = Annotated[AwareDatetime, BeforeValidator(_no_number)]
Shown = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""In answers: always UTC with milliseconds."""
