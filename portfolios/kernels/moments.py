"""Means and covariances of funds."""

from collections.abc import Mapping

import numpy as np

from portfolios.kernels.errors import DataError
from portfolios.kernels.returns import weekly_returns
from portfolios.kernels.types import FloatArray, Moments, ReturnMatrix

MIN_WEEKS = 52  # a fund with fewer weekly returns than this has no covariance worth the name
_MIN_OVERLAP = 26


def class_moments(matrix: ReturnMatrix, means: Mapping[str, float], weeks: int = 1) -> Moments:
    """Estimate the moments of advice: the class's assumed mean for each fund, a shrunk covariance of `weeks`-week returns.

    `means` maps fund code to its class's annual mean: the historical mean is barred from advice. Funds with fewer than
    `MIN_WEEKS` weekly returns, and funds that stopped publishing, are left out with a note. Raises DataError if none is left.
    """
    returns, periods = weekly_returns(matrix, weeks)
    long_enough = np.isfinite(returns).sum(axis=0) >= MIN_WEEKS
    alive = np.isfinite(matrix.values[-1])
    notes = [f"short_history:{code}" for code, ok in zip(matrix.codes, long_enough, strict=True) if not ok]
    notes += [f"stale:{code}" for code, ok, live in zip(matrix.codes, long_enough, alive, strict=True) if ok and not live]
    keep = np.flatnonzero(long_enough & alive)
    if not len(keep):
        raise DataError("no_history")
    codes = tuple(matrix.codes[i] for i in keep)
    cov, shrinkage, unequal = shrunk_covariance(returns[:, keep])
    cov, repaired = nearest_psd(cov * periods)
    if unequal:
        notes.append("unequal_histories")
    if repaired:
        notes.append("repaired_to_psd")
    versions = {
        "mean": "class_assumptions",
        "cov": "ledoit_wolf_constant_correlation",
        "weeks": weeks,
        "n_weeks": len(returns),
        "shrinkage": round(shrinkage, 6),
        "periods_a_year": round(periods, 6),
    }
    return Moments(codes, np.array([means[code] for code in codes]), cov, versions, tuple(notes))


def shrunk_covariance(returns: FloatArray) -> tuple[FloatArray, float, bool]:
    """Shrink the sample covariance of returns (T, n) towards constant correlation; return it, the intensity, and if NaN occurred.

    Ledoit and Wolf, "Honey, I Shrunk the Sample Covariance Matrix", J. Portfolio Management 30 (2004), appendix B.
    Unlike the identity target it leaves each fund's own variance alone, which a money-market fund needs. NaN marks a
    day before a fund's start: variances then come from each fund's own rows and covariances from common rows, so the
    result may need `nearest_psd`. Funds of zero variance are valid and stay uncorrelated.
    """
    known = np.isfinite(returns)
    count = known.T.astype(float) @ known
    centred = np.where(known, returns - np.nanmean(returns, axis=0), 0.0)
    shared = np.maximum(count, 1.0)
    sample = np.where(count >= _MIN_OVERLAP, centred.T @ centred / shared, 0.0)
    variance = np.diag(sample).copy()
    deviation = np.sqrt(variance)
    target = _constant_correlation(sample, deviation, count >= _MIN_OVERLAP)
    squared = centred**2
    pi = squared.T @ squared / shared - sample**2
    theta = (centred**3).T @ centred / shared - variance[:, None] * sample
    np.fill_diagonal(theta, 0.0)
    ratio = np.divide(deviation[None, :], deviation[:, None], out=np.zeros_like(sample), where=deviation[:, None] > 0)
    mean_correlation = _mean_correlation(sample, deviation, count >= _MIN_OVERLAP)
    rho = np.trace(pi) + mean_correlation * float((ratio * theta).sum())
    distance = float(((sample - target) ** 2).sum())
    n_rows = float(np.median(count))
    shrinkage = float(np.clip((pi.sum() - rho) / distance / n_rows, 0.0, 1.0)) if distance > 0 else 0.0
    shrunk = shrinkage * target + (1.0 - shrinkage) * np.where(count >= _MIN_OVERLAP, sample, target)
    return shrunk * n_rows / (n_rows - 1.0), shrinkage, not known.all()


def _mean_correlation(sample: FloatArray, deviation: FloatArray, usable: np.ndarray) -> float:
    outer = np.outer(deviation, deviation)
    pairs = usable & (outer > 0) & ~np.eye(len(sample), dtype=bool)
    return float((sample[pairs] / outer[pairs]).mean()) if pairs.any() else 0.0


def _constant_correlation(sample: FloatArray, deviation: FloatArray, usable: np.ndarray) -> FloatArray:
    target = _mean_correlation(sample, deviation, usable) * np.outer(deviation, deviation)
    np.fill_diagonal(target, deviation**2)
    return target


def nearest_psd(cov: FloatArray) -> tuple[FloatArray, bool]:
    """Return the covariance with negative eigenvalues cut to zero and its variances kept, and whether it needed it."""
    cov = (cov + cov.T) / 2.0
    values, vectors = np.linalg.eigh(cov)
    if values[0] >= -1e-12 * max(values[-1], 1e-300):
        return cov, False
    repaired = (vectors * np.maximum(values, 0.0)) @ vectors.T
    deviation = np.sqrt(np.diag(cov))
    now = np.sqrt(np.maximum(np.diag(repaired), 1e-300))
    scale = deviation / now
    return repaired * np.outer(scale, scale), True


def pick(moments: Moments, codes: tuple[str, ...]) -> Moments:
    """Return the moments of some funds, in the order asked; raises DataError naming a fund that has none."""
    place = {code: i for i, code in enumerate(moments.codes)}
    for code in codes:
        if code not in place:
            raise DataError("fund_without_moments", fund=code)
    at = np.array([place[code] for code in codes], int)
    return Moments(codes, moments.mean[at], moments.cov[np.ix_(at, at)], moments.versions, moments.notes)
