"""Covariances of funds from their returns: sample, shrunk, weighted by age, denoised; whole or with unequal histories."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FloatArray

BoolArray = NDArray[np.bool_]

COVARIANCES = ("ledoit_wolf", "ledoit_wolf_identity", "oas", "ewma", "denoised", "sample")
UNEQUAL = ("pairwise", "em")
HALF_LIFE_WEEKS = 52.0
_LEAST_HALF_LIFE = 1  # row: with less, the newest few returns are all that counts
_MIN_OVERLAP = 26  # two funds with fewer common rows than this have no covariance of their own
_EM_TOLERANCE, _EM_ROUNDS = 1e-9, 2_000
_ROUNDING = 1e-12  # of the largest eigenvalue: what floating-point arithmetic leaves of a zero
_NO_VARIANCE = 1e-24  # a deviation of 1e-12 a period: what it leaves of none


@dataclass(frozen=True)
class CovarianceMethod:
    """How to estimate: one of `COVARIANCES`, one of `UNEQUAL`, half-life in rows (ewma), and weeks a return spans (overlap)."""

    name: str = "ledoit_wolf"
    unequal: str = "pairwise"
    half_life: float = HALF_LIFE_WEEKS
    weeks: int = 1

    def __post_init__(self) -> None:
        if self.name not in COVARIANCES:
            raise DataError("unknown_covariance", name=self.name, known=", ".join(COVARIANCES))
        if self.unequal not in UNEQUAL:
            raise DataError("unknown_unequal", name=self.unequal, known=", ".join(UNEQUAL))
        if not (np.isfinite(self.half_life) and self.half_life > 0):
            raise DataError("half_life_not_positive", value=self.half_life)
        if self.half_life < _LEAST_HALF_LIFE:
            raise DataError("half_life_too_short", value=self.half_life, least=_LEAST_HALF_LIFE)
        if self.weeks not in (1, 2):
            raise DataError("weeks_not_1_or_2", value=self.weeks)


@dataclass(frozen=True)
class Sample:
    """Mean (n,) and covariance (n, n) of the rows, dividing by their number.

    `count` (n, n) rows that two funds share; `usable` (n, n) whether their covariance was estimated; notes where rows lack values.
    """

    mean: FloatArray
    cov: FloatArray
    count: FloatArray
    usable: BoolArray
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> float:
        return float(np.median(self.count))


@dataclass(frozen=True)
class Covariance:
    """An estimated covariance (n, n) a row's period, symmetric; `shrinkage` towards its target where it has one."""

    cov: FloatArray
    shrinkage: float | None
    notes: tuple[str, ...] = ()


def estimate_covariance(returns: FloatArray, method: CovarianceMethod) -> Covariance:
    """Estimate the covariance a period of returns (T, n) by the method named; NaN marks rows before a fund's start.

    The result is symmetric and unbiased in scale (T - 1); with pairwise unequal histories it may need `nearest_psd`.
    Funds of zero variance are valid.
    """
    weights = age_weights(len(returns), method.half_life) if method.name == "ewma" else None
    sample = sample_moments(returns, weights, method.unequal)
    n_free = max(sample.n_rows / method.weeks - 1.0, 1.0)
    scale = sample.n_rows / (sample.n_rows - 1.0)
    shrinkage: float | None = None
    if method.name == "ledoit_wolf":
        cov, shrinkage = _towards_constant_correlation(returns, sample)
    elif method.name == "ledoit_wolf_identity":
        cov, shrinkage = _towards_identity(returns, sample)
    elif method.name == "oas":
        shrinkage = oas_shrinkage(sample.cov, n_free)
        cov = scale * _mixed_with_identity(sample.cov, shrinkage)
    elif method.name == "denoised":
        cov = scale * denoised(sample.cov, n_free)
    elif weights is not None:
        cov = sample.cov / (1.0 - float((weights**2).sum()))
    else:
        cov = scale * sample.cov
    return Covariance((cov + cov.T) / 2.0, shrinkage, sample.notes)


def age_weights(n_rows: int, half_life: float) -> FloatArray:
    """Return weights (T,) that halve every `half_life` rows into the past and sum to 1; the last row is the newest."""
    weights = 0.5 ** (np.arange(n_rows)[::-1] / half_life)
    return weights / weights.sum()


def sample_moments(returns: FloatArray, weights: FloatArray | None = None, unequal: str = "pairwise") -> Sample:
    """Return the mean and covariance of returns (T, n) with NaN, each row counting by its weight (T,), and what was done.

    "pairwise": means and variances from each fund's own rows, covariances from common rows; pairs with fewer than 26 common
    rows get none. "em": the maximum-likelihood estimate of a normal law on all that is known (`em_moments`).
    """
    known = np.isfinite(returns)
    count = known.T.astype(float) @ known
    rows = np.ones(len(returns)) if weights is None else weights
    if unequal == "em" and not known.all():
        mean, cov, converged = em_moments(returns, rows)
        said = ("unequal_histories_em",) if converged else ("unequal_histories_em", "em_not_converged")
        return Sample(mean, _without_rounding(cov), count, np.ones_like(known, shape=count.shape), said)
    weighed = known * rows[:, None]
    mean = np.where(known, returns, 0.0).T @ rows / np.maximum(weighed.sum(axis=0), 1e-300)
    centred = np.where(known, returns - mean, 0.0)
    shared = np.maximum(weighed.T @ known, 1e-300)
    usable = count >= min(_MIN_OVERLAP, len(returns))
    cov = np.where(usable, (centred * rows[:, None]).T @ centred / shared, 0.0)
    return Sample(mean, _without_rounding(cov), count, usable, () if known.all() else ("unequal_histories",))


def _without_rounding(cov: FloatArray) -> FloatArray:
    """A fund that grows by the same part every week has no variance, whatever floating point leaves of it."""
    none = np.diag(cov) <= _NO_VARIANCE
    return np.where(none[:, None] | none[None, :], 0.0, cov)


def em_moments(returns: FloatArray, weights: FloatArray | None = None) -> tuple[FloatArray, FloatArray, bool]:
    """Return the maximum-likelihood mean and covariance of a normal law from returns (T, n) with NaN, and whether it settled.

    Dempster, Laird and Rubin (1977); Little and Rubin, "Statistical Analysis with Missing Data", 11.2. What is missing must
    not depend on its value, as with funds of different age. Rows of one pattern of missing values are treated at once; rows
    without any value are dropped. Divides by T. Positive semi-definite by construction. Every fund needs a value.
    """
    known = np.isfinite(returns)
    kept = known.any(axis=1)
    known, values = known[kept], returns[kept]
    rows = np.ones(len(values)) if weights is None else weights[kept]
    rows = rows / rows.sum()
    patterns, which = np.unique(known, axis=0, return_inverse=True)
    groups = [(np.flatnonzero(pattern), np.flatnonzero(~pattern), np.flatnonzero(which == i)) for i, pattern in enumerate(patterns)]
    # In units of each fund's own deviation: a money-market fund is then no rounding error of a share fund.
    middle, unit = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    varies = unit**2 > _NO_VARIANCE
    unit[~varies] = 1.0
    filled = np.where(known & varies, (values - middle) / unit, 0.0)
    mean, cov = _by_regressions(filled, known, rows)
    settled = False
    for _ in range(_EM_ROUNDS):
        unexplained = np.zeros_like(cov)
        for seen, lost, at in groups:
            if not lost.size:
                continue
            slope = cov[np.ix_(lost, seen)] @ np.linalg.pinv(cov[np.ix_(seen, seen)], rcond=_ROUNDING, hermitian=True)
            filled[np.ix_(at, lost)] = mean[lost] + (filled[np.ix_(at, seen)] - mean[seen]) @ slope.T
            unexplained[np.ix_(lost, lost)] += rows[at].sum() * (cov[np.ix_(lost, lost)] - slope @ cov[np.ix_(seen, lost)])
        mean = rows @ filled
        centred = filled - mean
        now = (centred * rows[:, None]).T @ centred + unexplained
        settled = float(np.abs(now - cov).max()) <= _EM_TOLERANCE
        cov = (now + now.T) / 2.0
        if settled:
            break
    return middle + unit * mean, cov * np.outer(unit, unit), settled


def _by_regressions(values: FloatArray, known: BoolArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Each fund regressed on those with more rows: where histories differ by their start only, the maximum already.

    Stambaugh, "Analyzing Investments Whose Histories Differ in Length", J. Financial Economics 45 (1997). From here the
    iteration settles at once on such histories; from nothing it took 461 rounds on 37 funds of 10 to 23 years.
    """
    n = values.shape[1]
    mean, cov = np.zeros(n), np.zeros((n, n))
    order = np.argsort(-known.sum(axis=0), kind="stable")
    for position, fund in enumerate(order):
        longer = order[:position]
        at = known[:, fund] & known[:, longer].all(axis=1)
        if at.sum() <= position + 1:
            longer, at = longer[:0], known[:, fund]
        weights = rows[at] / rows[at].sum()
        own, others = values[at, fund], values[np.ix_(at, longer)]
        own_mean, others_mean = weights @ own, weights @ others
        centred = (others - others_mean) * weights[:, None]
        slope = np.linalg.pinv(centred.T @ (others - others_mean), rcond=_ROUNDING, hermitian=True) @ (centred.T @ (own - own_mean))
        rest = own - own_mean - (others - others_mean) @ slope
        mean[fund] = own_mean + slope @ (mean[longer] - others_mean)
        shared = cov[np.ix_(longer, longer)] @ slope
        cov[fund, longer] = cov[longer, fund] = shared
        cov[fund, fund] = weights @ rest**2 + slope @ shared
    return mean, cov


def shrunk_covariance(returns: FloatArray) -> tuple[FloatArray, float, bool]:
    """Shrink the sample covariance of returns (T, n) towards constant correlation; return it, the intensity, and if NaN occurred.

    Ledoit and Wolf, "Honey, I Shrunk the Sample Covariance Matrix", J. Portfolio Management 30 (2004), appendix B.
    Unlike the identity target it leaves each fund's own variance alone, which a money-market fund needs. NaN marks a
    day before a fund's start: variances then come from each fund's own rows and covariances from common rows, so the
    result may need `nearest_psd`. Funds of zero variance are valid and stay uncorrelated.
    """
    sample = sample_moments(returns)
    cov, shrinkage = _towards_constant_correlation(returns, sample)
    return cov, shrinkage, bool(sample.notes)


def _towards_constant_correlation(returns: FloatArray, made: Sample) -> tuple[FloatArray, float]:
    sample, usable = made.cov, made.usable
    centred = np.nan_to_num(returns - made.mean, nan=0.0)
    shared = np.maximum(made.count, 1.0)
    variance = np.diag(sample).copy()
    deviation = np.sqrt(variance)
    target = _constant_correlation(sample, deviation, usable)
    squared = centred**2
    pi = squared.T @ squared / shared - sample**2
    theta = (centred**3).T @ centred / shared - variance[:, None] * sample
    np.fill_diagonal(theta, 0.0)
    ratio = np.divide(deviation[None, :], deviation[:, None], out=np.zeros_like(sample), where=deviation[:, None] > 0)
    mean_correlation = _mean_correlation(sample, deviation, usable)
    rho = np.trace(pi) + mean_correlation * float((ratio * theta).sum())
    distance = float(((sample - target) ** 2).sum())
    shrinkage = float(np.clip((pi.sum() - rho) / distance / made.n_rows, 0.0, 1.0)) if distance > 0 else 0.0
    shrunk = shrinkage * target + (1.0 - shrinkage) * np.where(usable, sample, target)
    return shrunk * made.n_rows / (made.n_rows - 1.0), shrinkage


def _mean_correlation(sample: FloatArray, deviation: FloatArray, usable: BoolArray) -> float:
    outer = np.outer(deviation, deviation)
    pairs = usable & (outer > 0) & ~np.eye(len(sample), dtype=bool)
    return float((sample[pairs] / outer[pairs]).mean()) if pairs.any() else 0.0


def _constant_correlation(sample: FloatArray, deviation: FloatArray, usable: BoolArray) -> FloatArray:
    target = _mean_correlation(sample, deviation, usable) * np.outer(deviation, deviation)
    np.fill_diagonal(target, deviation**2)
    return target


def _towards_identity(returns: FloatArray, made: Sample) -> tuple[FloatArray, float]:
    """Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", J. Multivariate Analysis 88 (2004)."""
    squared = np.nan_to_num(returns - made.mean, nan=0.0) ** 2
    noise = float((squared.T @ squared / np.maximum(made.count, 1.0) - made.cov**2).sum()) / made.n_rows
    distance = float(((made.cov - np.eye(len(made.cov)) * np.trace(made.cov) / len(made.cov)) ** 2).sum())
    shrinkage = float(np.clip(noise / distance, 0.0, 1.0)) if distance > 0 else 0.0
    return _mixed_with_identity(made.cov, shrinkage) * made.n_rows / (made.n_rows - 1.0), shrinkage


def oas_shrinkage(sample: FloatArray, n_free: float) -> float:
    """Return the oracle-approximating intensity towards the identity for a sample covariance (p, p) of `n_free` free rows.

    Chen, Wiesel, Eldar and Hero, "Shrinkage Algorithms for MMSE Covariance Estimation", IEEE Trans. Signal Processing 58
    (2010), equation 23, which knows the mean: with an estimated mean, T rows leave T - 1 free.
    """
    p = len(sample)
    own, squared = float((sample**2).sum()), float(np.trace(sample) ** 2)
    distance = own - squared / p
    if distance <= _ROUNDING * own:
        return 1.0 if own > 0 else 0.0
    return min(1.0, ((1.0 - 2.0 / p) * own + squared) / ((n_free + 1.0 - 2.0 / p) * distance))


def _mixed_with_identity(sample: FloatArray, shrinkage: float) -> FloatArray:
    n = len(sample)
    return (1.0 - shrinkage) * sample + shrinkage * np.trace(sample) / n * np.eye(n)


def denoised(sample: FloatArray, n_free: float) -> FloatArray:
    """Replace the eigenvalues of the correlation that noise alone explains by their mean; variances (n,) stay as they are.

    The edge of noise is Marchenko and Pastur's, s2 (1 + sqrt(n / T))^2, with s2 the mean of the eigenvalues below it, found
    by iteration. Lopez de Prado, "Machine Learning for Asset Managers" (2020), 2.5.1, constant residual eigenvalue; s2 as
    Laloux, Cizeau, Bouchaud and Potters (1999) take it, not by a fitted density. Funds of zero variance stay apart.
    """
    deviation = np.sqrt(np.diag(sample))
    live = np.flatnonzero(deviation > 0)
    if len(live) < 2:
        return sample.copy()
    outer = np.outer(deviation[live], deviation[live])
    values, vectors = np.linalg.eigh(sample[np.ix_(live, live)] / outer)
    widest = (1.0 + np.sqrt(len(live) / n_free)) ** 2
    noise = np.ones(len(live), dtype=bool)
    while True:
        inside = values <= max(values[noise].mean(), 0.0) * widest
        inside[0] = True
        if (inside == noise).all():
            break
        noise = inside  # without the largest the mean falls, so only ever fewer: the search ends
    values = np.where(noise, values[noise].mean(), values)
    mended = (vectors * values) @ vectors.T
    own = np.sqrt(np.maximum(np.diag(mended), _ROUNDING))
    cov = np.zeros_like(sample)
    cov[np.ix_(live, live)] = mended / np.outer(own, own) * outer
    return cov


def square_root(cov: FloatArray) -> FloatArray:
    """Return R (n, n) with R'R = cov, which may be singular: |R w| keeps the digits that w'Sw loses where it is near zero."""
    values, vectors = np.linalg.eigh(cov)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))).T)


def nearest_psd(cov: FloatArray) -> tuple[FloatArray, bool]:
    """Return the covariance with negative eigenvalues cut to zero and its variances kept, and whether it needed it."""
    cov = (cov + cov.T) / 2.0
    values, vectors = np.linalg.eigh(cov)
    if values[0] >= -_ROUNDING * max(values[-1], 1e-300):
        return cov, False
    repaired = (vectors * np.maximum(values, 0.0)) @ vectors.T
    deviation = np.sqrt(np.diag(cov))
    now = np.sqrt(np.maximum(np.diag(repaired), 1e-300))
    scale = deviation / now
    return repaired * np.outer(scale, scale), True
