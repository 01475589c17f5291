"""The daily watch: what a fund's figure is against the limit of each kind of alarm, for a whole pool at once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.types import FloatArray, IntArray, ReturnMatrix

VOLATILITY, DRAWDOWN, STALE_NAV = "volatility", "drawdown", "stale_nav"
STYLE_DRIFT, SIZE_COLLAPSE, SUSPENSION = "style_drift", "size_collapse", "suspension"
RECENT_RETURNS = 20
LEAST_RETURNS = 250  # a year of days, before a fund has a usual volatility
YEAR_DAYS = 365
DAYS_A_YEAR = 252
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class WatchRules:
    """Limits: figures above them are alarms. An alarm that is on lasts until its figure is at most `over_below` of the limit."""

    volatility_ratio: float
    least_volatility: float  # a year; recent volatility below it is no alarm, however many times the usual
    drawdown: Mapping[int, float]  # by risk grade, below the highest of a year
    stale_days: int
    style_drift: float
    style_variance: float  # how many times the variance the earlier style must leave: less is noise of the estimate
    size_collapse: float
    over_below: float


@dataclass(frozen=True)
class FundStates:
    """Funds in one order, arrays (n,): what is watched beside prices; NaN for what is not known."""

    grade: IntArray
    days_without_nav: FloatArray  # working days whose NAV should be public
    size: FloatArray  # of the last published quarter
    size_before: FloatArray  # of the quarter before
    is_suspended: BoolArray
    style_shift: FloatArray  # L1 distance of the last year's style weights from those before
    style_ratio: FloatArray  # variance left by the earlier style over that left by the recent one


@dataclass(frozen=True)
class Watch:
    """One kind of alarm: figure and limit of each fund (n,), whether it is raised, and whether one that is on lasts.

    A figure that is not known (NaN) raises nothing, and ends nothing.
    """

    kind: str
    value: FloatArray
    limit: FloatArray
    is_raised: BoolArray
    lasts: BoolArray


def watch_funds(volatility: tuple[FloatArray, FloatArray], fall: FloatArray, states: FundStates, rules: WatchRules) -> list[Watch]:
    """Hold each fund against each limit; `volatility` is the recent and the usual one, `fall` that below the year's highest."""
    n_funds = len(states.grade)
    recent, usual = volatility
    ratio = _ratio(recent, usual)
    ratio = np.where(np.isfinite(ratio) & (recent < rules.least_volatility), 0.0, ratio)
    drift = np.where(states.style_ratio > rules.style_variance, states.style_shift, 0.0)
    drift = np.where(np.isfinite(states.style_shift + states.style_ratio), drift, np.nan)
    by_grade = np.array([rules.drawdown[grade] for grade in states.grade.tolist()])
    figures = {
        VOLATILITY: (ratio, np.full(n_funds, rules.volatility_ratio)),
        DRAWDOWN: (fall, by_grade),
        STALE_NAV: (states.days_without_nav, np.full(n_funds, float(rules.stale_days))),
        STYLE_DRIFT: (drift, np.full(n_funds, rules.style_drift)),
        SIZE_COLLAPSE: (1.0 - _ratio(states.size, states.size_before), np.full(n_funds, rules.size_collapse)),
        SUSPENSION: (states.is_suspended.astype(np.float64), np.zeros(n_funds)),
    }
    return [_watch(kind, value, limit, rules.over_below) for kind, (value, limit) in figures.items()]


def _watch(kind: str, value: FloatArray, limit: FloatArray, over_below: float) -> Watch:
    return Watch(kind, value, limit, value > limit, ~(value <= limit * over_below))


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """NaN where either is not known or the lower one is nothing."""
    known = np.isfinite(above) & np.isfinite(below) & (below > 0)
    return np.where(known, above / np.where(known, below, 1.0), np.nan)


def recent_and_usual_volatility(matrix: ReturnMatrix) -> tuple[FloatArray, FloatArray]:
    """Annual volatility (n,) of the last 20 daily returns, and of all; NaN where one of the 20 or a year of returns is missing.

    The matrix holds working days only: a weekend's zero return would make every fund calmer.
    """
    n_funds = matrix.values.shape[1]
    if len(matrix.dates) <= RECENT_RETURNS:
        return np.full(n_funds, np.nan), np.full(n_funds, np.nan)
    returns = np.diff(np.log(matrix.values), axis=0)
    known = np.isfinite(returns)
    n_known = known.sum(axis=0)
    mean = np.where(known, returns, 0.0).sum(axis=0) / np.maximum(n_known, 1)
    squares = np.where(known, returns - mean, 0.0) ** 2
    usual = np.sqrt(squares.sum(axis=0) / np.maximum(n_known - 1, 1) * DAYS_A_YEAR)
    last = returns[-RECENT_RETURNS:]
    recent = last.std(axis=0, ddof=1) * np.sqrt(DAYS_A_YEAR)
    return recent, np.where(n_known >= LEAST_RETURNS, usual, np.nan)


def fall_from_years_high(matrix: ReturnMatrix) -> FloatArray:
    """How far the last value of each fund (n,) lies below its highest of a year, a positive fraction; NaN without a last value."""
    if not len(matrix.dates):
        return np.full(matrix.values.shape[1], np.nan)
    year = matrix.values[matrix.dates > matrix.dates[-1] - YEAR_DAYS]
    highest = np.where(np.isfinite(year), year, -np.inf).max(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(year[-1]), 1.0 - year[-1] / highest, np.nan)
