"""Options that several commands share, declared once: as parameters of the function that makes something of them."""

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def by(made: Callable[..., T]) -> Callable[[Callable[Concatenate[Callable[[], T], P], R]], Callable[P, R]]:
    """The command has the options of `made` as well as its own, and is given what calls `made` with them."""
    theirs = parameters(made)

    def decorate(command: Callable[Concatenate[Callable[[], T], P], R]) -> Callable[P, R]:
        @wraps(command)
        def with_theirs(*args: Any, **given: Any) -> R:
            options = {one.name: given.pop(one.name) for one in theirs}
            return command(lambda: made(**options), *args, **given)

        own = parameters(command)[1:]
        needed = [one for one in own if one.default is Parameter.empty]
        return offer(with_theirs, [*needed, *theirs, *own[len(needed) :]])

    return decorate


def parameters(function: Callable[..., Any]) -> list[Parameter]:
    return list(signature(function).parameters.values())


def offer(command: Callable[..., R], options: Iterable[Parameter]) -> Callable[..., R]:
    """Typer reads a command's options from its signature and its annotations."""
    named = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in options]
    command.__signature__ = Signature(named)  # type: ignore[attr-defined]  # what `inspect` looks at first
    command.__annotations__ = {one.name: one.annotation for one in named}
    return command
