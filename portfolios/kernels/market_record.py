"""What a screen needs of price histories: values at month ends and week ends, the deepest fall, the last week's return."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from portfolios.kernels.returns import STALE_AFTER_DAYS
from portfolios.kernels.types import FloatArray, IntArray, ReturnMatrix

MONTHS = 60  # the longest window of a score
WINDOW_MONTHS = 36  # the usual one
QUARTERS = 12
WEEKS = 156  # twelve quarters of 13
WEEK_DAYS = 7


@dataclass(frozen=True)
class Grid:
    """The days a screen samples: ends of the last 61 whole months, the last 157 week ends, and the last day of all."""

    month_ends: IntArray
    week_ends: IntArray

    @property
    def last_day(self) -> int:
        return int(self.week_ends[-1])

    @property
    def first_day(self) -> int:
        """The first day whose price is used, two weeks early for a month that ends in a holiday."""
        return int(min(self.month_ends[0], self.week_ends[0])) - STALE_AFTER_DAYS


@dataclass(frozen=True)
class Record:
    """Samples of n funds on a grid: total-return indices at month ends (61, n) and week ends (157, n), NaN where there is none.

    `deepest_fall` (n,) is the largest fall between any two days of the last 36 months, as a positive fraction;
    `seven_day` (n,) the return of the last seven days, a year, compounded. A fund is priced today where its last week end has a value.
    """

    month_values: FloatArray
    week_values: FloatArray
    deepest_fall: FloatArray
    seven_day: FloatArray

    def pick(self, at: IntArray) -> "Record":
        """The same of some of the funds, or of all in another order."""
        return Record(self.month_values[:, at], self.week_values[:, at], self.deepest_fall[at], self.seven_day[at])


def grid_until(last_day: int, last_month_end: int) -> Grid:
    """Lay the grid back from the last day whose prices are public and the end of the last month that is wholly so."""
    month = (np.datetime64(last_month_end - 719_163, "D")).astype("datetime64[M]").astype(np.int64)
    next_months = np.arange(month - MONTHS, month + 1) + 1
    month_ends = next_months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + 719_162
    week_ends = last_day - WEEK_DAYS * np.arange(WEEKS, -1, -1)
    return Grid(month_ends, week_ends)


def record_of(matrix: ReturnMatrix, grid: Grid) -> Record:
    """Sample daily total-return indices (T, n), carried forward over gaps as `returns.align` does, on a grid."""
    n_funds = len(matrix.codes)
    if not len(matrix.dates):
        empty = np.full(n_funds, np.nan)
        return Record(np.full((MONTHS + 1, n_funds), np.nan), np.full((WEEKS + 1, n_funds), np.nan), empty, empty)
    week_values = _values_on(matrix, grid.week_ends)
    window = matrix.values[matrix.dates >= grid.month_ends[-1 - WINDOW_MONTHS]]
    highest = np.fmax.accumulate(window, axis=0)
    falls = np.where(np.isfinite(window), 1.0 - window / highest, 0.0)
    return Record(
        _values_on(matrix, grid.month_ends),
        week_values,
        falls.max(axis=0, initial=0.0),
        (week_values[-1] / week_values[-2]) ** (365.0 / WEEK_DAYS) - 1.0,
    )


def _values_on(matrix: ReturnMatrix, days: IntArray) -> FloatArray:
    at = np.searchsorted(matrix.dates, days, side="right") - 1
    fresh = (at >= 0) & (days - matrix.dates[np.maximum(at, 0)] <= STALE_AFTER_DAYS)
    return np.where(fresh[:, None], matrix.values[np.maximum(at, 0)], np.nan)


def joined(records: Sequence[Record]) -> Record:
    """Records of several sets of funds as one, in their order."""
    return Record(
        np.concatenate([record.month_values for record in records], axis=1),
        np.concatenate([record.week_values for record in records], axis=1),
        np.concatenate([record.deepest_fall for record in records]),
        np.concatenate([record.seven_day for record in records]),
    )


def month_returns(record: Record) -> FloatArray:
    """Simple returns (60, n) of the grid's months."""
    return record.month_values[1:] / record.month_values[:-1] - 1.0


def week_returns(record: Record) -> FloatArray:
    """Simple returns (156, n) of the grid's weeks."""
    return record.week_values[1:] / record.week_values[:-1] - 1.0


def group_means(returns: FloatArray, groups: IntArray, n_groups: int) -> FloatArray:
    """Equal-weight mean return (T, g) of the funds of each group (n,) that have one, whether they are alive today or not."""
    known = np.isfinite(returns)
    member = np.zeros((len(groups), n_groups))
    member[np.arange(len(groups)), groups] = 1.0
    counts = known.astype(np.float64) @ member
    sums = np.where(known, returns, 0.0) @ member
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
