"""What behaviour is held against: equal-weighted indices, the falls of classes, and the categories that rose most."""

from calendar import monthrange
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import numpy as np

from advisor.kernels.behaviour_types import BehaviourRules, BoolArray, FloatArray, IntArray

_ROUNDING = 1e-12


def months_before(day: date, months: int) -> date:
    """The same day of the month so many months earlier, or the last day of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def finished_months(as_of: date, n: int) -> list[date]:
    """The first days of the last `n` finished months, and of the month after them: n + 1 days.

    The month of `as_of` is finished where no weekday of it is left.
    """
    following = as_of + timedelta(days=1 if as_of.weekday() < 4 else 7 - as_of.weekday())
    end = (as_of if following.month == as_of.month else following).replace(day=1)
    return [months_before(end, k) for k in range(n, -1, -1)]


def numbered(names: Sequence[str]) -> tuple[IntArray, tuple[str, ...]]:
    """The place of each name among the different ones, -1 for an empty one."""
    known = tuple(sorted(set(names) - {""}))
    places = {name: place for place, name in enumerate(known)}
    return np.array([places.get(name, -1) for name in names], np.int64), known


def carried(days: IntArray, dates: IntArray, values: FloatArray) -> FloatArray:
    """Put a history on other days, each with the last value there is; before the first it is that one."""
    return values[np.maximum(np.searchsorted(dates, days, side="right") - 1, 0)]


def fresh(days: IntArray, dates: IntArray, values: FloatArray, most_days: int) -> FloatArray:
    """Put a history on other days, each with the last value where that is at most `most_days` old, else NaN."""
    at = np.searchsorted(dates, days, side="right") - 1
    there = (at >= 0) & (days - dates[np.maximum(at, 0)] <= most_days)
    return np.where(there, values[np.maximum(at, 0)], np.nan)


def equal_weighted(total_returns: Iterable[FloatArray], n_days: int) -> FloatArray:
    """Grow 1 by the mean return of the funds that have a price on a day and the day before; returns (n_days,).

    Each item is a block (T, n) of total-return indices, NaN where a fund has no price. Before the first return it is NaN.
    """
    sums, counts = np.zeros(max(n_days - 1, 0)), np.zeros(max(n_days - 1, 0))
    for block in total_returns:
        steps = block[1:] / block[:-1] - 1.0
        known = np.isfinite(steps)
        sums += np.where(known, steps, 0.0).sum(axis=1)
        counts += known.sum(axis=1)
    index = np.cumprod(np.concatenate([[1.0], 1.0 + sums / np.maximum(counts, 1.0)]))[:n_days]
    begins = int(np.argmax(counts > 0)) if (counts > 0).any() else n_days
    index[:begins] = np.nan
    return index


def indices(total_return: FloatArray, group: IntArray, n: int) -> FloatArray:
    """The index (T, n) of each group of columns of (T, F) fresh total-return indices."""
    made = [equal_weighted([total_return[:, group == k]], len(total_return)) for k in range(n)]
    return np.stack(made, axis=1) if made else np.empty((len(total_return), 0))


def crossings(index: FloatArray, dates: IntArray, rules: BehaviourRules) -> BoolArray:
    """Mark the days (T, n) on which an index comes to stand `fall` below its high of the last `fall_months`.

    The day before it stood above that line. An index younger than `fall_months` is held against the high it has.
    """
    starts = _starts(dates, rules.fall_months)
    high = np.full(index.shape, np.nan)
    for t, start in enumerate(starts.tolist()):
        high[t] = np.fmax.reduce(index[start : t + 1], axis=0)
    below = index <= high * (1.0 - rules.fall + _ROUNDING)
    crossed = np.zeros(index.shape, bool)
    crossed[1:] = below[1:] & ~below[:-1]
    return crossed


def top_categories(index: FloatArray, dates: IntArray, rules: BehaviourRules) -> tuple[BoolArray, BoolArray]:
    """Return which categories (T, n) a purchase of each day can be held against, and which of them were at the top.

    A category's return runs over `chasing_months` up to the day before, which is what a buyer could know. At the top are
    as many as `top_share` of those known that day, one at least; a tie for the last place leaves all of its own out.
    """
    n_days, n = index.shape
    rise = np.full(index.shape, np.nan)
    before = np.arange(n_days) - 1
    then = np.array([_on_or_before(dates, months_before(date.fromordinal(day), rules.chasing_months)) for day in dates.tolist()], np.int64)
    usable = (then >= 0) & (before > then)
    rise[usable] = index[before[usable]] / index[then[usable]] - 1.0
    known = np.isfinite(rise)
    n_known = known.sum(axis=1)
    known[n_known < 2] = False
    places = np.maximum(1, np.floor(rules.top_share * n_known + 0.5))
    top = np.zeros(index.shape, bool)
    for column in range(n):
        rivals = known & (rise >= rise[:, [column]])
        top[:, column] = known[:, column] & (rivals.sum(axis=1) <= places)
    return known, top


def _starts(dates: IntArray, months: int) -> IntArray:
    days = [months_before(date.fromordinal(day), months).toordinal() for day in dates.tolist()]
    return np.searchsorted(dates, np.array(days, np.int64)).astype(np.int64)


def _on_or_before(dates: IntArray, day: date) -> int:
    return int(np.searchsorted(dates, day.toordinal(), side="right")) - 1
