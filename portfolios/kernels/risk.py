"""Figures of a portfolio: from its moments, and by the estimator of record from what its funds really did."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FloatArray, IntArray, Moments

# Expected shortfall at 95 % of a standard normal: phi(1.644854) / 0.05.
NORMAL_CVAR_95 = 2.062713
# A path is drawn in whole weeks; moments are annualised by the exact 365.25 / 7 (`kernels.returns`), a third of a percent more.
WEEKS_A_YEAR = 52
MEAN_BLOCK_WEEKS = 8.0
MIN_RECORD_WEEKS = 104


def normal_cvar(expected_return: float, volatility: float) -> float:
    """Return the mean loss of the worst 5 % of years under a normal law, positive = loss: 2.062713 vol - mean.

    This is the form in which the gamma rule and `cvar_limit` are written; the bootstrap estimator of record judges
    approved models and is not this function.
    """
    return NORMAL_CVAR_95 * volatility - expected_return


def figures(moments: Moments, weights: FloatArray) -> tuple[float, float, float]:
    """Return expected return, volatility and normal CVaR a year of weights (n,) in the order of `moments.codes`."""
    expected_return = float(moments.mean @ weights)
    volatility = float(np.sqrt(max(float(weights @ moments.cov @ weights), 0.0)))
    return expected_return, volatility, normal_cvar(expected_return, volatility)


def grade_of_volatility(volatility: float, bands: Mapping[int, float]) -> int:
    """Return the lowest grade whose band lies above an annual volatility; an unknown one (NaN) gets the highest grade."""
    return next((grade for grade in sorted(bands) if volatility < bands[grade]), max(bands))


@dataclass(frozen=True)
class Record:
    """The estimator of record's inputs besides weights: weekly total returns (T, n), NaN before a fund's start, and the draw.

    `cash_rate` bounds the mean: no portfolio is credited with more than cash plus `premium_cap` a year.
    """

    weekly: FloatArray
    cash_rate: float
    premium_cap: float = 0.03
    n_paths: int = 20_000
    seed: int = 2026


def cvar_of_record(record: Record, weights: FloatArray, expected_return: float, annual_costs: float = 0.0) -> float:
    """Return the one-year 95 % CVaR (loss positive) of weights (n,) by a stationary block bootstrap of their weekly returns.

    Weeks in which every held fund has a return are drawn in blocks of geometric length, mean 8 weeks, into one-year paths;
    weights are set back every week. The weekly mean is moved to the given annual mean, at most cash + 3 points, less costs:
    so the estimate speaks of the shape and persistence of losses, not of the luck of the sample. Raises
    DataError("too_few_common_weeks") below two years of them. Source: Politis and Romano, "The Stationary Bootstrap", J. American
    Statistical Association 89 (1994); expected shortfall as the mean of the worst 5 % of paths.
    """
    held = np.flatnonzero(weights)
    known = np.isfinite(record.weekly[:, held]).all(axis=1)
    if known.sum() < MIN_RECORD_WEEKS:
        raise DataError("too_few_common_weeks", n_weeks=int(known.sum()), needed=MIN_RECORD_WEEKS)
    portfolio = record.weekly[known][:, held] @ weights[held]
    mean = min(expected_return, record.cash_rate + record.premium_cap) - annual_costs
    moved = portfolio - portfolio.mean() + (1.0 + mean) ** (1.0 / WEEKS_A_YEAR) - 1.0
    draws = stationary_draws(len(moved), record.n_paths, WEEKS_A_YEAR, record.seed)
    years = np.expm1(np.log1p(np.maximum(moved, -0.999999))[draws].sum(axis=1))
    worst = max(1, round(0.05 * record.n_paths))
    return -float(np.partition(years, worst - 1)[:worst].mean())


@lru_cache(maxsize=8)
def stationary_draws(n_weeks: int, n_paths: int, length: int, seed: int) -> IntArray:
    """Indices (n_paths, length) into n_weeks weeks on a circle: each step goes on by a week, or begins anew with chance 1/8."""
    random = np.random.default_rng(seed)
    begins = random.random((n_paths, length)) < 1.0 / MEAN_BLOCK_WEEKS
    begins[:, 0] = True
    starts = random.integers(0, n_weeks, (n_paths, length))
    step = np.arange(length)
    last_start = np.maximum.accumulate(np.where(begins, step, 0), axis=1)
    return np.asarray((np.take_along_axis(starts, last_start, axis=1) + step - last_start) % n_weeks, dtype=np.int64)
