"""What a history looks like beyond its single rows: jumps nothing explains, gaps, staleness, days nobody traded, twins."""

import hashlib
import re
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.types import FloatArray, FundHistory, IntArray

LONG_GAP_DAYS = 14  # Chinese holidays close the market for at most eleven days
STALE_DAYS = 14
# Of real ETFs' 92 steps beyond 11 % in 2000-2023 the largest was 7.7 times the deviation of the twenty before, 6.4 times their second.
TURMOIL_DAYS, OF_DEVIATION, OF_SECOND = 20, 8.0, 7.0
TWIN_FROM = 60  # rows two funds must share before they are said to be one
_MICRO = 1e6


@dataclass(frozen=True)
class Jump:
    """A step of the total return beyond the limit: the NAVs on both sides in units, and what it is as a fraction."""

    day: date
    from_day: date
    from_nav: float
    to_nav: float
    step: float
    limit: float


def jumps(history: FundHistory, limit: float, is_news: NDArray[np.bool_]) -> list[Jump]:
    """Steps of the total return beyond the limit of one day, times the root of the weekdays they span.

    In turmoil that had begun before the step, the limit is eight times the standard deviation of the twenty steps before it,
    and at most seven times the second largest of them: a wrong NAV comes out of a calm, the great falls of markets do not, and
    one step alone, an error or accepted, is no turmoil.
    Distributions, splits and income are in the total return: what they explain is no jump. Only steps of `is_news` (n - 1,)
    count, so that what a person accepted is not asked again.
    """
    steps = history.total_return[1:] / history.total_return[:-1] - 1.0
    span = np.sqrt(np.maximum(_weekdays_between(history.dates), 1))
    nav, found = history.nav_micro / _MICRO, []
    for at in np.flatnonzero((np.abs(steps) > limit * span) & is_news).tolist():
        allowed = max(limit, _turmoil_before(steps / span, at)) * float(span[at])
        if abs(steps[at]) > allowed:
            days, navs = (_day(history, at + 1), _day(history, at)), (float(nav[at]), float(nav[at + 1]))
            found.append(Jump(*days, *navs, float(steps[at]), allowed))
    return found


def _turmoil_before(steps: FloatArray, at: int) -> float:
    """What the twenty steps (of one day each) before one allow it; 0 where there are fewer."""
    if at < TURMOIL_DAYS:
        return 0.0
    before = steps[at - TURMOIL_DAYS : at]
    return float(min(OF_DEVIATION * before.std(), OF_SECOND * np.sort(np.abs(before))[-2]))


def news(whole: FundHistory, before: FundHistory | None) -> NDArray[np.bool_]:
    """Which steps (n - 1,) of a history were not in the one before it, or were other ones."""
    if before is None:
        return np.ones(max(0, len(whole.dates) - 1), bool)
    at = np.minimum(np.searchsorted(before.dates, whole.dates), len(before.dates) - 1)
    was_there = before.dates[at] == whole.dates
    was = before.total_return[at]
    same = np.isclose(whole.total_return[1:] / whole.total_return[:-1], was[1:] / was[:-1], rtol=1e-9, atol=0)
    return ~(was_there[1:] & was_there[:-1] & same)


def _weekdays_between(dates: IntArray) -> FloatArray:
    """How many weekdays lie between each day and the next, the latter included. Ordinal 1 was a Monday."""
    before = (dates - 1) // 7 * 5 + np.minimum((dates - 1) % 7 + 1, 5)
    return np.diff(before).astype(float)


def _day(history: FundHistory, at: int) -> date:
    return date.fromordinal(int(history.dates[at]))


def digest_of(found: list[Jump]) -> str:
    """What makes two quarantined histories the same question: their jumps, day by day and NAV by NAV."""
    text = ";".join(f"{jump.from_day}:{jump.from_nav:.6f}:{jump.day}:{jump.to_nav:.6f}" for jump in found)
    return hashlib.sha256(text.encode()).hexdigest()


def notes_on(history: FundHistory, last_day: int, closed_days: IntArray) -> list[str]:
    """Notes: gaps longer than two weeks, an end long before `last_day`, and rows on days on which the exchange was closed."""
    notes = []
    gaps = np.diff(history.dates)
    if (gaps > LONG_GAP_DAYS).any():
        longest = int(gaps.argmax())
        notes.append(f"gaps:{int((gaps > LONG_GAP_DAYS).sum())} · {_day(history, longest)} – {_day(history, longest + 1)}")
    if last_day - int(history.dates[-1]) > STALE_DAYS:
        notes.append(f"series_ends:{_day(history, -1)}")
    n_closed = int(np.isin(history.dates, closed_days).sum())
    return [*notes, f"closed_days:{n_closed}"] if n_closed else notes


def fingerprint(history: FundHistory) -> str | None:
    """The same for two codes with the same days and NAVs; None for too short a series or one that never moves."""
    if len(history.dates) < TWIN_FROM or history.nav_micro.max() == history.nav_micro.min():
        return None
    return hashlib.sha256(history.dates.tobytes() + history.nav_micro.tobytes()).hexdigest()


_SHARE_CLASS = re.compile(r"(.{4,}?)[\s\-_(（]*(?<![A-Za-z])([A-FHIY])[)）]?(?:类|类份额|份额|人民币)?")


def share_class_of(name: str) -> tuple[str, str] | None:
    """The name of the portfolio and the letter of the share class, for a name that ends in one: “… 混合A”, “… 债券 (C)”."""
    match = _SHARE_CLASS.fullmatch(name.strip())
    return (match[1].strip(), match[2]) if match else None
