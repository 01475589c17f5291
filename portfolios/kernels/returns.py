"""From total-return indices to weekly returns, and the growth of a portfolio."""

from collections.abc import Mapping

import numpy as np

from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FloatArray, FundHistory, Growth, IntArray, ReturnMatrix

DAYS_A_YEAR = 365.25
# A fund that has not published for longer than this is not carried forward: a constant price would look like safety.
STALE_AFTER_DAYS = 14
_MIN_WEEKS = 13
_EPOCH = 719_163  # ordinal of 1970-01-01


def align(codes: tuple[str, ...], histories: Mapping[str, FundHistory]) -> ReturnMatrix:
    """Put histories on the union of their dates, carrying the last value forward at most `STALE_AFTER_DAYS` days."""
    known = [histories[code].dates for code in codes if code in histories]
    dates = np.unique(np.concatenate(known)).astype(np.int64) if known else np.empty(0, np.int64)
    values = np.full((len(dates), len(codes)), np.nan)
    for column, code in enumerate(codes):
        if code in histories and len(histories[code].dates):
            history = histories[code]
            at = np.searchsorted(history.dates, dates, side="right") - 1
            fresh = (at >= 0) & (dates - history.dates[np.maximum(at, 0)] <= STALE_AFTER_DAYS)
            values[fresh, column] = history.total_return[at[fresh]]
    return ReturnMatrix(codes, dates, values)


def weekly_returns(matrix: ReturnMatrix, weeks: int = 1) -> tuple[FloatArray, float]:
    """Return simple returns over `weeks` weeks, shape (m, n), and their number a year.

    The grid runs back from the last date in steps of seven calendar days, whatever the source's own calendar is
    (exchange days, or the 261 weekdays of a vendor that repeats holidays). With `weeks` = 2 the returns overlap by a
    week: the two-week form for markets that close at different hours.
    """
    if len(matrix.dates) < 2:
        raise DataError("no_history")
    grid = np.arange(matrix.dates[-1], matrix.dates[0] - 1, -7)[::-1]
    at = np.searchsorted(matrix.dates, grid, side="right") - 1
    values = matrix.values[at]
    if len(values) <= weeks:
        raise DataError("no_history")
    return values[weeks:] / values[:-weeks] - 1.0, DAYS_A_YEAR / (7 * weeks)


def annual_volatility(matrix: ReturnMatrix) -> FloatArray:
    """Annualised volatility of weekly returns, shape (n,); NaN for a fund with fewer than 13 of them."""
    if len(matrix.dates) < 2 or matrix.dates[-1] - matrix.dates[0] < 7 * _MIN_WEEKS:
        return np.full(len(matrix.codes), np.nan)
    returns, periods = weekly_returns(matrix)
    enough = np.isfinite(returns).sum(axis=0) >= _MIN_WEEKS
    volatility = np.full(len(matrix.codes), np.nan)
    volatility[enough] = np.nanstd(returns[:, enough], axis=0, ddof=1) * np.sqrt(periods)
    return volatility


def years_of(dates: IntArray) -> IntArray:
    """Calendar year of each ordinal."""
    return (dates - _EPOCH).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


def months_of(dates: IntArray) -> IntArray:
    """Months since 1970 of each ordinal."""
    return (dates - _EPOCH).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def portfolio_growth(matrix: ReturnMatrix, weights: FloatArray) -> Growth:
    """Grow 1 in weights (n,) that are set back on the first date of each month; starts where every fund has a value."""
    whole = np.isfinite(matrix.values).all(axis=1)
    if whole.sum() < 2:
        raise DataError("no_common_history")
    dates, values = matrix.dates[whole], matrix.values[whole]
    starts = np.flatnonzero(np.diff(months_of(dates), prepend=-1))
    growth = np.empty(len(dates))
    level = 1.0
    for start, end in zip(starts, [*starts[1:], len(dates) - 1], strict=True):
        growth[start : end + 1] = level * ((values[start : end + 1] / values[start]) @ weights)
        level = growth[end]
    return Growth(dates, growth, growth / np.maximum.accumulate(growth) - 1.0)
