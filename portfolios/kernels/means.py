"""Means read off past returns, for analysis only: no module on the path of advice imports this one (a test says so)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.covariances import HALF_LIFE_WEEKS, Sample, age_weights, nearest_psd, sample_moments
from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FloatArray

PAST_MEANS = ("historical", "james_stein", "bayes_stein", "ewma")


@dataclass(frozen=True)
class PastMean:
    """A mean (n,) a period of the returns, its shrinkage where it has one, and notes on how it was made."""

    mean: FloatArray
    shrinkage: float | None = None
    notes: tuple[str, ...] = ()


def past_mean(name: str, returns: FloatArray, unequal: str = "pairwise", half_life: float = HALF_LIFE_WEEKS) -> PastMean:
    """Return one of `PAST_MEANS` of returns (T, n) a period; NaN marks rows before a fund's start.

    The shrinking ones need T > n + 2 rows that the youngest fund has too; raises DataError("too_few_weeks_to_shrink") else.
    """
    if name not in PAST_MEANS:
        raise DataError("unknown_mean", name=name, known=", ".join(PAST_MEANS))
    sample = sample_moments(returns, age_weights(len(returns), half_life) if name == "ewma" else None, unequal)
    if name in ("historical", "ewma"):
        return PastMean(sample.mean, None, sample.notes)
    error, repaired = _error_of_the_mean(sample)
    shrink = james_stein_mean if name == "james_stein" else bayes_stein_mean
    mean, shrinkage = shrink(sample.mean, error)
    return PastMean(mean, shrinkage, (*sample.notes, "error_of_mean_repaired_to_psd") if repaired else sample.notes)


def _error_of_the_mean(sample: Sample) -> tuple[FloatArray, bool]:
    """Covariance (n, n) of the sample means, n_ij / (n_i n_j) of the covariance; its inverse unbiased as in Jorion (1986)."""
    n, own = len(sample.mean), np.diag(sample.count)
    n_rows = float(own.min())
    if n_rows <= n + 2:
        raise DataError("too_few_weeks_to_shrink", n_weeks=int(n_rows), needed=n + 3)
    error = sample.cov * n_rows / (n_rows - n - 2.0) * sample.count / np.outer(own, own)
    return nearest_psd(error)


def james_stein_mean(mean: FloatArray, error: FloatArray) -> tuple[FloatArray, float]:
    """Shrink means (n,) with covariance `error` (n, n) to their grand mean m: by min(1, (n - 3) / ((x - m)' error^-1 (x - m))).

    James and Stein (1961) with the grand mean of Lindley; Efron and Morris, "Stein's Paradox in Statistics", Scientific
    American 236 (1977). Up to three means are left alone. A mean without error keeps its value and does not count.
    """
    risky = np.flatnonzero(np.diag(error) > 0)
    if len(risky) <= 3:
        return mean.copy(), 0.0
    grand = float(mean[risky].mean())
    return _shrunk(mean, risky, grand, _weight(len(risky) - 3.0, _distance(mean[risky] - grand, error[np.ix_(risky, risky)])))


def bayes_stein_mean(mean: FloatArray, error: FloatArray) -> tuple[FloatArray, float]:
    """Shrink means (n,) with covariance `error` (n, n) to that of the minimum-variance portfolio, by (n + 2) / (n + 2 + d).

    Jorion, "Bayes-Stein Estimation for Portfolio Analysis", J. Financial and Quantitative Analysis 21 (1986), equations 14
    and 17, where error = S / T and d = (x - m)' error^-1 (x - m). A fund without variance is that portfolio.
    """
    calm = np.diag(error) <= 0
    risky = np.flatnonzero(~calm)
    if not len(risky):
        return mean.copy(), 0.0
    own = error[np.ix_(risky, risky)]
    holding = np.linalg.pinv(own, hermitian=True).sum(axis=1)
    centre = float(mean[calm].mean()) if calm.any() else float(holding @ mean[risky] / holding.sum())
    n = len(risky) + 2.0
    return _shrunk(mean, risky, centre, n / (n + _distance(mean[risky] - centre, own)))


def _distance(apart: FloatArray, error: FloatArray) -> float:
    return float(apart @ np.linalg.pinv(error, hermitian=True) @ apart)


def _weight(wanted: float, distance: float) -> float:
    return min(1.0, wanted / distance) if distance > 0 else 1.0


def _shrunk(mean: FloatArray, risky: NDArray[np.intp], centre: float, weight: float) -> tuple[FloatArray, float]:
    shrunk = mean.copy()
    shrunk[risky] = (1.0 - weight) * mean[risky] + weight * centre
    return shrunk, weight
