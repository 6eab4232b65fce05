"""Refuses JSON that two parsers might read differently: a name given twice, NaN, nesting without end. Pure."""

import json
from collections import Counter
from typing import Any

from shared.errors import InvalidMessage


class _Twice(ValueError):
    pass


def check(raw: bytes) -> None:
    """Raises InvalidMessage."""
    try:
        json.loads(raw, object_pairs_hook=_object, parse_constant=_constant, parse_int=str, parse_float=str)
    except _Twice as error:
        raise InvalidMessage(str(error)) from None
    except RecursionError:
        raise InvalidMessage("nested too deeply") from None
    except ValueError as error:  # also what is no text
        raise InvalidMessage(f"not JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise _Twice(f"{twice!r:.60} is given twice in one object")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")
