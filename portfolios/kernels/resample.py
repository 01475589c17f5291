"""How far the weights of a portfolio depend on the sample: its optimum on moments drawn again and again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from portfolios.kernels.batch import Investors, solve_batch
from portfolios.kernels.covariances import CovarianceMethod
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.moments import Usable, annual_covariance
from portfolios.kernels.risk import stationary_draws
from portfolios.kernels.standard import standardise
from portfolios.kernels.types import FloatArray, Moments

RANGE = (5.0, 95.0)  # percentiles of a fund's weights over the draws
CALM_SHARE = 1.0 / 6.0  # a class's assumption is off by this part of its volatility, and never by more than `mean_error`
_MIN_ROWS = 26  # of a fund in one draw: with fewer its covariances of the record stand


@dataclass(frozen=True)
class WeightRange:
    """Of each fund (n,): the 5th and 95th percentile of its weights over the draws, and the share of draws that hold it."""

    low: FloatArray
    high: FloatArray
    held_share: FloatArray


def draw_moments(moments: Moments, weekly: FloatArray, classes: Sequence[str], mean_error: float, draw: tuple[int, int]) -> list[Moments]:
    """Return moments drawn anew, `draw` = (how many, seed): the covariance by bootstrap, the mean by chance.

    Covariance: the weeks (T, n) of the record, drawn in the blocks of the estimator of record, and the same shrinkage on them
    (two-week returns where the moments rest on such). Mean: class assumptions are no sample, so each class, not each fund, is
    off by a normal error of a sixth of the class's median volatility, at most `mean_error`. `classes` (n,) names each fund's.
    """
    n_draws, seed = draw
    if not n_draws:
        return []
    random = np.random.default_rng([seed, 1])
    of_class = _class_errors(moments, classes, mean_error)
    names = sorted(of_class)
    errors = random.standard_normal((n_draws, len(names))) * np.array([of_class[name] for name in names])
    column = [names.index(name) for name in classes]
    weeks = stationary_draws(len(weekly), n_draws, len(weekly), seed)
    return [
        replace(moments, mean=moments.mean + error[column], cov=_drawn_covariance(moments, weekly[rows]))
        for error, rows in zip(errors, weeks, strict=True)
    ]


def _class_errors(moments: Moments, classes: Sequence[str], mean_error: float) -> dict[str, float]:
    volatility = np.sqrt(np.maximum(moments.cov.diagonal(), 0.0))
    named = np.array(classes)
    return {name: min(mean_error, CALM_SHARE * float(np.median(volatility[named == name]))) for name in sorted(set(classes))}


def _drawn_covariance(moments: Moments, rows: FloatArray) -> FloatArray:
    """The estimator of advice on drawn weeks (T, n); funds with too few of them keep the covariances they have."""
    overlap = int(moments.versions.get("weeks", 1))
    if overlap == 2:
        rows = (1.0 + rows[1:]) * (1.0 + rows[:-1]) - 1.0
    known = np.isfinite(rows).sum(axis=0) >= _MIN_ROWS
    used = Usable(
        tuple(code for code, ok in zip(moments.codes, known, strict=True) if ok),
        rows[:, known],
        float(moments.versions["periods_a_year"]),
        (),
    )
    if not known.any():
        return moments.cov
    drawn, _ = annual_covariance(used, CovarianceMethod(weeks=overlap))
    if known.all():
        return drawn
    cov = moments.cov.copy()
    cov[np.ix_(known, ~known)] = cov[np.ix_(~known, known)] = 0.0  # of two estimates, no cross term: the whole stays semidefinite
    cov[np.ix_(known, known)] = drawn
    return cov


def resampled_weights(draws: Sequence[Moments], mandate: Mandate, gammas: FloatArray, horizon_years: FloatArray) -> FloatArray:
    """Return the optimum on each draw at each risk aversion and horizon (b,): weights (draws, b, n), NaN where not proven.

    The mandate's own risk aversion and horizon are not read; all that share a draw are solved together.
    """
    investors = Investors(1.0 / gammas, np.zeros((len(gammas), len(mandate.funds))), horizon_years)
    weights = np.full((len(draws), len(gammas), len(mandate.funds)), np.nan)
    for place, moments in enumerate(draws):
        found = solve_batch(standardise(moments, mandate), investors)
        weights[place] = np.where(found.proven[:, None], found.weights, np.nan)
    return weights


def weight_range(weights: FloatArray, least: float) -> WeightRange:
    """Return each fund's range over draws (d, n), of those that were proven; a fund counts as held from the weight `least` on."""
    proven = weights[np.isfinite(weights).all(axis=1)]
    if not len(proven):
        nothing = np.full(weights.shape[1], np.nan)
        return WeightRange(nothing, nothing, nothing)
    low, high = np.percentile(proven, RANGE, axis=0)
    return WeightRange(low, high, (proven >= least).mean(axis=0))


def turnover(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Return half the sum of |after - before| over all funds of either."""
    return sum(abs(after.get(code, 0.0) - before.get(code, 0.0)) for code in before.keys() | after.keys()) / 2.0
