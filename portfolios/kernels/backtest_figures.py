"""What a simulated path of wealth amounts to: its figures, its calendar years, its rolling year."""

from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np

from portfolios.kernels.backtest import Walk
from portfolios.kernels.errors import DataError
from portfolios.kernels.returns import DAYS_A_YEAR, weekly_returns, years_of
from portfolios.kernels.types import FloatArray, IntArray, ReturnMatrix

WORST_SHARE = 0.05
FULL_YEAR_DAYS = 360  # from the end of one year to the end of the next, holidays at either end allowed


@dataclass(frozen=True)
class PathFigures:
    """Figures of a path of wealth; losses positive, falls negative. None where the path is too short for one.

    `annual_return` is geometric. `realised_cvar` is the mean loss of the worst 5 % of all rolling twelve months, which overlap.
    `under_water_days` is the longest time between a highest value and the day it was reached again, or the last day.
    """

    years: float
    growth: float
    annual_return: float
    volatility: float
    deepest_fall: float
    under_water_days: int
    worst_rolling_year: float | None
    realised_cvar: float | None
    worst_year: float | None


@dataclass(frozen=True)
class Costs:
    """What a walk cost: fees in money, fees a year as a fraction of mean wealth, and turnover a year (lesser of bought and sold)."""

    purchase_fees: float
    redemption_fees: float
    fees_a_year: float
    turnover_a_year: float
    n_trades: int
    idle_share: float


def drawdown(wealth: FloatArray) -> FloatArray:
    """How far a path (T,) is below its highest value so far, zero or below."""
    return wealth / np.maximum.accumulate(wealth) - 1.0


def rolling_year(dates: IntArray, wealth: FloatArray) -> FloatArray:
    """Return over the twelve months up to each day (T,); NaN in the first year."""
    starts = np.searchsorted(dates, dates - round(DAYS_A_YEAR), side="right") - 1
    found = np.full(len(dates), np.nan)
    whole = starts >= 0
    found[whole] = wealth[whole] / wealth[starts[whole]] - 1.0
    return found


def calendar_years(dates: IntArray, wealth: FloatArray) -> list[tuple[int, float, bool]]:
    """Each calendar year's return and whether the path covers it whole, from the end of the year before."""
    years = years_of(dates)
    ends = np.flatnonzero(np.append(np.diff(years) != 0, True))
    found, start = [], 0
    for end in ends[ends > 0]:  # a path that begins on the last day of a year says nothing of it
        is_whole = dates[end] - dates[start] >= FULL_YEAR_DAYS
        found.append((int(years[end]), float(wealth[end] / wealth[start] - 1.0), bool(is_whole)))
        start = int(end)
    return found


def path_figures(dates: IntArray, wealth: FloatArray) -> PathFigures:
    """Figures of a path (T,) on its dates; raises DataError("path_too_short") below a quarter of a year."""
    length = float(dates[-1] - dates[0]) / DAYS_A_YEAR
    if length < 0.25:
        raise DataError("path_too_short", n_days=int(dates[-1] - dates[0]))
    growth = float(wealth[-1] / wealth[0])
    weekly, periods = weekly_returns(ReturnMatrix(("",), dates, wealth[:, None]))
    rolling = rolling_year(dates, wealth)
    rolling = rolling[np.isfinite(rolling)]
    whole = [value for _, value, is_whole in calendar_years(dates, wealth) if is_whole]
    return PathFigures(
        years=length,
        growth=growth,
        annual_return=growth ** (1.0 / length) - 1.0,
        volatility=float(weekly.std(ddof=1) * np.sqrt(periods)),
        deepest_fall=float(drawdown(wealth).min()),
        under_water_days=_under_water(dates, wealth),
        worst_rolling_year=float(rolling.min()) if len(rolling) else None,
        realised_cvar=_tail(rolling) if len(rolling) else None,
        worst_year=min(whole, default=None),
    )


def _tail(returns: FloatArray) -> float:
    worst = max(1, round(WORST_SHARE * len(returns)))
    return -float(np.partition(returns, worst - 1)[:worst].mean())


def _under_water(dates: IntArray, wealth: FloatArray) -> int:
    """The longest stretch from a highest value to the day it is reached again; one that goes on is counted to the last day."""
    at_peak = np.flatnonzero(wealth >= np.maximum.accumulate(wealth))
    days = np.append(dates[at_peak], dates[-1])
    return int(np.diff(days).max(initial=0))


def costs_of(walk: Walk, dates: IntArray) -> Costs:
    """What a walk's trades cost; `dates` (T,) are those of its rows. The first purchase is no turnover, but its fee counts."""
    length = max(float(dates[-1] - dates[0]) / DAYS_A_YEAR, 1e-9)
    mean = float(walk.wealth.mean())
    bought = sum(trade.amount for trade in walk.trades if trade.units > 0 and trade.row > walk.first_row)
    sold = sum(trade.amount for trade in walk.trades if trade.units < 0)
    purchase = sum(trade.fee for trade in walk.trades if trade.units > 0)
    redemption = sum(trade.fee for trade in walk.trades if trade.units < 0)
    return Costs(
        purchase_fees=purchase,
        redemption_fees=redemption,
        fees_a_year=(purchase + redemption) / mean / length,
        turnover_a_year=min(bought, sold) / mean / length,
        n_trades=len(walk.trades),
        idle_share=float((walk.idle / walk.wealth).mean()),
    )


def category_growth(values: FloatArray, groups: IntArray, months: IntArray) -> FloatArray:
    """Growth of 1 (T,) in the average fund: each group of `groups` (n,) alike, each of its living funds alike, set back monthly.

    An average, not a portfolio that can be bought: no fees, no lags. A fund that ends leaves with its last price.
    """
    level, growth = 1.0, np.ones(len(values))
    starts = [0, *(int(at) for at in np.flatnonzero(np.diff(months)) + 1), len(values) - 1]
    for start, end in pairwise(starts):
        alive = np.flatnonzero(np.isfinite(values[start]))
        if end <= start or not len(alive):
            growth[start : end + 1] = level
            continue
        part = values[start : end + 1, alive] / values[start, alive]
        at = np.maximum.accumulate(np.where(np.isfinite(part), np.arange(len(part))[:, None], 0), axis=0)
        part = np.take_along_axis(part, at, axis=0)
        names, place = np.unique(groups[alive], return_inverse=True)
        weights = 1.0 / (len(names) * np.bincount(place)[place])
        growth[start : end + 1] = level * (part @ weights)
        level = float(growth[end])
    return growth


def spread(dates: IntArray, paths: FloatArray, most: int) -> IntArray:
    """Rows that show paths (T, k) in at most about `most` points: evenly spread, with each path's deepest fall and the peak before."""
    kept = {0, len(dates) - 1}
    for path in paths.T:
        trough = int(drawdown(path).argmin())
        kept |= {trough, int(path[: trough + 1].argmax())}
    even = np.linspace(0, len(dates) - 1, min(most, len(dates))).round().astype(np.int64)
    return np.union1d(even, np.array(sorted(kept), np.int64))


def day(ordinal: int) -> str:
    return date.fromordinal(int(ordinal)).isoformat()
