"""Evaluates a webhook's payload filter. Pure: a filter becomes a predicate over `data` once, events run it often."""

import json
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from operator import ge, gt, le, lt
from typing import Any

Predicate = Callable[[Any], bool]

ABSENT = object()
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


def why_not(tree: dict[str, Any], data: Any, at: str = "filter") -> Iterator[str]:
    """A sentence for each condition that keeps `data` from passing; nothing when it passes."""
    if compile_filter(tree)(data):
        return
    match tree:
        case {"all": parts} | {"any": parts}:
            (name,) = tree
            for number, part in enumerate(parts):
                yield from why_not(part, data, f"{at}.{name}.{number}")
        case {"not": _}:
            yield f"{at}.not: what must not hold does hold"
        case _:
            yield f"{at}: {_shortfall(tree, look_up(data, tree['field']))}"


def _shortfall(condition: dict[str, Any], found: Any) -> str:
    ((operator, operand),) = ((name, value) for name, value in condition.items() if name != "field")
    is_now = "is absent" if found is ABSENT else f"is {json.dumps(found, ensure_ascii=False):.200}"
    return f"data.{condition['field']} {is_now}, needed: {operator} {json.dumps(operand, ensure_ascii=False):.200}"


def look_up(data: Any, field: str) -> Any:
    """The value at a dotted path, or ABSENT."""
    for name in field.split("."):
        if not isinstance(data, dict):
            return ABSENT
        data = data.get(name, ABSENT)
    return data


def comparable(value: Any) -> Hashable:
    """Two values are the same in a filter when this is: JSON's true is not 1, Python's is."""
    if isinstance(value, bool):
        return ("bool", value)
    return value if isinstance(value, Hashable) else ABSENT


def _condition(tree: dict[str, Any]) -> Predicate:
    ((operator, operand),) = ((name, value) for name, value in tree.items() if name != "field")
    find = partial(look_up, field=tree["field"])
    match operator:
        case "eq":
            wanted = comparable(operand)
            return lambda data: comparable(find(data)) == wanted
        case "in":
            allowed = {comparable(item) for item in operand}
            return lambda data: comparable(find(data)) in allowed
        case "exists":
            return lambda data: (find(data) is not ABSENT) == operand
        case _:
            compare = _ORDER[operator]
            return lambda data: _is_number(value := find(data)) and bool(compare(value, operand))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
