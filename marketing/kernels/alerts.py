"""When a metric is beyond its limit, and when it has come back for good."""

from collections.abc import Sequence
from dataclasses import dataclass

CLOSE_AFTER = 3  # days in a row within the limit before an alert closes: a value that hops about it makes one alert, not ten
FEWEST_DAYS = 7  # of the 28 before: fewer say nothing of what is usual


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the alert is open, how many days in a row the value has been back within the limit, and what it was held against."""

    is_open: bool
    n_days_back: int
    usual: float | None


def usual_value(before: Sequence[float | None]) -> float | None:
    """The mean of the values of the days before, or None where fewer than seven are known."""
    known = [value for value in before if value is not None]
    return sum(known) / len(known) if len(known) >= FEWEST_DAYS else None


def is_beyond(kind: str, limit: float, value: float, usual: float | None) -> bool | None:
    """Say whether a value is above, below, or (change) at least the fraction `limit` away from what is usual; None: cannot be said."""
    if kind == "above":
        return value > limit
    if kind == "below":
        return value < limit
    if usual is None or usual == 0:
        return None
    return abs(value / usual - 1) >= limit


def next_standing(kind: str, limit: float, value: float | None, before: Sequence[float | None], now: Standing) -> Standing:
    """Where the alert stands after a day: open at once, closed after three days in a row within the limit.

    A day whose value is unknown, or cannot be held against anything, changes nothing.
    """
    usual = usual_value(before) if kind == "change" else None
    beyond = None if value is None else is_beyond(kind, limit, value, usual)
    if beyond is None:
        return Standing(now.is_open, now.n_days_back, usual)
    if beyond:
        return Standing(True, 0, usual)
    n_days_back = now.n_days_back + 1 if now.is_open else 0
    return Standing(now.is_open and n_days_back < CLOSE_AFTER, n_days_back if n_days_back < CLOSE_AFTER else 0, usual)
