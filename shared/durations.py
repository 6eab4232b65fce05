"""How long something takes, as people read it. Pure."""

from datetime import timedelta

STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def length(time: timedelta) -> str:
    return duration(time // timedelta(milliseconds=1))


def duration(milliseconds: int) -> str:
    """Below a minute exact enough to compare; above in its two largest units."""
    if milliseconds < 1_000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1_000:.1f} s"
    seconds = milliseconds // 1_000
    at = next(number for number, (size, _) in enumerate(STEPS) if seconds >= size)
    (large, large_unit), (small, small_unit) = STEPS[at : at + 2]
    rest = seconds % large // small
    return f"{seconds // large} {large_unit}" + (f" {rest} {small_unit}" if rest else "")
