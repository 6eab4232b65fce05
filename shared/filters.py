"""Evaluates a webhook's payload filter. Pure: a filter becomes a predicate over `data` once, events run it often."""

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any

Predicate = Callable[[Any], bool]

_ABSENT = object()
_ORDER = {"gt": gt, "gte": ge, "lt": lt, "lte": le}


def compile_filter(tree: dict[str, Any]) -> Predicate:
    """`tree` is a valid filter (`shared.contracts.filter`) as JSON."""
    match tree:
        case {"all": parts}:
            predicates = [compile_filter(part) for part in parts]
            return lambda data: all(predicate(data) for predicate in predicates)
        case {"any": parts}:
            predicates = [compile_filter(part) for part in parts]
            return lambda data: any(predicate(data) for predicate in predicates)
        case {"not": part}:
            predicate = compile_filter(part)
            return lambda data: not predicate(data)
        case _:
            return _condition(tree)


def _condition(tree: dict[str, Any]) -> Predicate:
    look_up = _path(tree["field"].split("."))
    ((operator, operand),) = ((name, value) for name, value in tree.items() if name != "field")
    match operator:
        case "eq":
            return lambda data: _same(look_up(data), operand)
        case "in":
            return lambda data: any(_same(look_up(data), item) for item in operand)
        case "exists":
            return lambda data: (look_up(data) is not _ABSENT) == operand
        case _:
            compare = _ORDER[operator]
            return lambda data: _is_number(value := look_up(data)) and bool(compare(value, operand))


def _path(names: list[str]) -> Callable[[Any], Any]:
    def look_up(data: Any) -> Any:
        for name in names:
            if not isinstance(data, dict):
                return _ABSENT
            data = data.get(name, _ABSENT)
        return data

    return look_up


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(value: Any, operand: Any) -> bool:
    # JSON's true is not 1, Python's is.
    return value == operand and isinstance(value, bool) == isinstance(operand, bool)
