"""What pages say of work on many things: how many there were, were done, were left alone, are left. Pure."""

from shared.counts import Counts
from shared.readable import printable

_REASONS = 3
_NOTE_CHARACTERS = 400
"""A note travels in a cookie, which browsers drop when it has more than 4 KiB."""


def number(count: int, most: int | None = None) -> str:
    """`most`: so far was counted."""
    return f"{count:,} or more" if most is not None and count >= most else f"{count:,}"


def outcome(counts: Counts, done: str, most: int | None = None) -> str:
    """Of work that was done. `done`: what happened to them, "sent again"."""
    said = [f"Before: {number(counts.before, most)}. {done.capitalize()}: {counts.done:,}."]
    if counts.left is not None:
        said.append(f"Left: {number(counts.left, most)}.")
    said += [f"Left alone: {reason}." for reason in left_alone(counts)]
    if counts.failure:
        said.append(f"It ended early ({counts.failure:.120}): what is done is done, try again for the rest.")
    text = printable(" ".join(said))
    return text if len(text) <= _NOTE_CHARACTERS else text[: _NOTE_CHARACTERS - 1] + "…"


def act_on(action: str, count: int) -> str | None:
    """What the button says; None: there is nothing to press it for."""
    words = {"retry": f"Send {count:,} again", "discard": f"Discard {count:,}"}
    return words[action] if count else None


def left_alone(counts: Counts) -> list[str]:
    """How many, and why; the most frequent reasons."""
    found = [f"{count:,} ({reason})" for reason, count in counts.left_alone.most_common(_REASONS)]
    others = len(counts.left_alone) - len(found)
    return [*found, f"and more for {others} other reasons"] if others > 0 else found
