"""Annual means and covariances, labelled by fund: those of advice, and the check of those that come from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from portfolios.kernels.covariances import Covariance, CovarianceMethod, estimate_covariance, nearest_psd, shrunk_covariance
from portfolios.kernels.errors import DataError
from portfolios.kernels.returns import weekly_returns
from portfolios.kernels.types import FloatArray, Moments, ReturnMatrix

__all__ = [
    "MIN_WEEKS",
    "Usable",
    "annual_covariance",
    "checked_moments",
    "class_moments",
    "nearest_psd",
    "pick",
    "refuse_gaps",
    "shrunk_covariance",
    "usable_returns",
]

MIN_WEEKS = 52  # a fund with fewer weekly returns than this has no covariance worth the name
# What a covariance from outside may lack and is mended with a note; beyond, it is refused.
SYMMETRY_LIMIT = 1e-6  # of the product of the two funds' deviations
NEGATIVE_LIMIT = 1e-2  # the most negative eigenvalue, of the largest
_ROUNDING = 1e-12  # of the largest variance: no note below it

Labelled = Mapping[str, Any] | Sequence[Any] | np.ndarray


@dataclass(frozen=True)
class Usable:
    """Returns (T, n) of the funds that have enough of them and still publish, their number a year, and who was left out."""

    codes: tuple[str, ...]
    returns: FloatArray
    periods: float
    notes: tuple[str, ...]


def usable_returns(matrix: ReturnMatrix, weeks: int = 1) -> Usable:
    """Return the `weeks`-week returns of funds with at least `MIN_WEEKS` of them that did not stop publishing.

    The others are named in the notes. Raises DataError("no_history") if none is left.
    """
    returns, periods = weekly_returns(matrix, weeks)
    long_enough = np.isfinite(returns).sum(axis=0) >= MIN_WEEKS
    alive = np.isfinite(matrix.values[-1])
    notes = [f"short_history:{code}" for code, ok in zip(matrix.codes, long_enough, strict=True) if not ok]
    notes += [f"stale:{code}" for code, ok, live in zip(matrix.codes, long_enough, alive, strict=True) if ok and not live]
    keep = np.flatnonzero(long_enough & alive)
    if not len(keep):
        raise DataError("no_history")
    return Usable(tuple(matrix.codes[i] for i in keep), returns[:, keep], periods, tuple(notes))


def refuse_gaps(matrix: ReturnMatrix) -> None:
    """Raise DataError("price_missing") naming the first fund and date without a value between days that have one."""
    known = np.isfinite(matrix.values)
    started = np.logical_or.accumulate(known, axis=0)
    goes_on = np.logical_or.accumulate(known[::-1], axis=0)[::-1]
    for column, code in enumerate(matrix.codes):
        lost = np.flatnonzero(started[:, column] & goes_on[:, column] & ~known[:, column])
        if lost.size:
            raise DataError("price_missing", fund=code, date=date.fromordinal(int(matrix.dates[lost[0]])).isoformat())


def class_moments(matrix: ReturnMatrix, means: Mapping[str, float], weeks: int = 1) -> Moments:
    """Estimate the moments of advice: the class's assumed mean for each fund, a shrunk covariance of `weeks`-week returns.

    `means` maps fund code to its class's annual mean. Nothing here reads a mean off past returns, and this module does not
    import the one that does: the historical mean is barred from advice. Funds with fewer than `MIN_WEEKS` weekly returns,
    and funds that stopped publishing, are left out with a note. Raises DataError if none is left.
    """
    usable = usable_returns(matrix, weeks)
    cov, made = annual_covariance(usable, CovarianceMethod(weeks=weeks))
    versions = {
        "mean": "class_assumptions",
        "cov": "ledoit_wolf_constant_correlation",
        "weeks": weeks,
        "n_weeks": len(usable.returns),
        "shrinkage": round(made.shrinkage or 0.0, 6),
        "periods_a_year": round(usable.periods, 6),
    }
    return Moments(usable.codes, np.array([means[code] for code in usable.codes]), cov, versions, (*usable.notes, *made.notes))


def annual_covariance(usable: Usable, method: CovarianceMethod) -> tuple[FloatArray, Covariance]:
    """Return the annual covariance (n, n), positive semi-definite, and how it was made; a repair is among the notes."""
    made = estimate_covariance(usable.returns, method)
    cov, repaired = nearest_psd(made.cov * usable.periods)
    notes = (*made.notes, "repaired_to_psd") if repaired else made.notes
    return cov, Covariance(made.cov, made.shrinkage, notes)


def checked_moments(codes: Sequence[str], mean: Labelled, cov: Labelled) -> Moments:
    """Return annual moments given from outside, proved fit for a solver or mended with a note.

    `mean` is n numbers in the order of `codes`, or maps each fund to its number; `cov` is n rows of n numbers, or maps each
    fund to such a map (so do pandas' labelled forms): labels bind, never the order they come in. The covariance is returned
    exactly symmetric and, to 1e-12 of its largest variance, positive semi-definite; zero variance is valid. Notes:
    "symmetrised" (a difference of at most `SYMMETRY_LIMIT`), "repaired_to_psd" (negative eigenvalues of at most
    `NEGATIVE_LIMIT` of the largest cut to zero, variances kept). Raises DataError naming the fund: "no_fund",
    "duplicate_fund", "labels_differ", "moments_shape", "moments_not_numbers", "mean_not_finite", "cov_not_finite",
    "variance_negative", "cov_not_symmetric", "cov_not_psd".
    """
    codes = tuple(codes)
    if not codes:
        raise DataError("no_fund")
    if len(set(codes)) < len(codes):
        raise DataError("duplicate_fund", fund=next(code for code in codes if codes.count(code) > 1))
    own_mean = _numbers(_in_order(codes, mean))
    rows = _in_order(codes, cov)
    own_cov = _numbers([_in_order(codes, row) for row in rows] if isinstance(rows, list) else rows)
    n = len(codes)
    if own_mean.shape != (n,) or own_cov.shape != (n, n):
        raise DataError("moments_shape", n_funds=n, mean=_shape(own_mean), cov=_shape(own_cov))
    if not np.isfinite(own_mean).all():
        raise DataError("mean_not_finite", fund=codes[int(np.argmin(np.isfinite(own_mean)))])
    if not np.isfinite(own_cov).all():
        row, column = np.argwhere(~np.isfinite(own_cov))[0]
        raise DataError("cov_not_finite", fund=codes[row], other=codes[column])
    variance = own_cov.diagonal()
    if variance.min() < 0:
        raise DataError("variance_negative", fund=codes[int(variance.argmin())], value=float(variance.min()))
    own_cov, notes = _symmetric(codes, own_cov)
    own_cov, repaired = _psd(own_cov)
    return Moments(codes, own_mean, own_cov, {"mean": "given", "cov": "given"}, notes + repaired)


def _in_order(codes: tuple[str, ...], given: Labelled) -> Any:
    """A labelled thing as a list in the order of `codes`; anything else as it is."""
    if hasattr(given, "to_dict"):  # pandas: a Series becomes a map, a DataFrame a map of maps
        given = given.to_dict()
    if not isinstance(given, Mapping):
        return given
    for code in codes:
        if code not in given:
            raise DataError("labels_differ", fund=code)
    for code in given:
        if code not in codes:
            raise DataError("labels_differ", fund=code)
    return [given[code] for code in codes]


def _numbers(given: Any) -> FloatArray:
    """A copy as float64: what the caller changes later must not change what was checked."""
    try:
        return np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("moments_not_numbers") from error


def _shape(array: FloatArray) -> str:
    return " x ".join(str(length) for length in array.shape)


def _symmetric(codes: tuple[str, ...], cov: FloatArray) -> tuple[FloatArray, tuple[str, ...]]:
    if (cov == cov.T).all():
        return cov, ()
    difference = np.abs(cov - cov.T)
    deviation = np.sqrt(cov.diagonal())
    rounding = _ROUNDING * float(deviation.max()) ** 2
    excess = difference - SYMMETRY_LIMIT * np.outer(deviation, deviation)
    if float(excess.max()) > rounding:
        row, column = np.unravel_index(int(excess.argmax()), cov.shape)
        raise DataError("cov_not_symmetric", fund=codes[row], other=codes[column], difference=f"{difference[row, column]:.3g}")
    return (cov + cov.T) / 2.0, ("symmetrised",) if float(difference.max()) > rounding else ()


def _psd(cov: FloatArray) -> tuple[FloatArray, tuple[str, ...]]:
    """Cholesky decides in a twentieth of the time of the eigenvalues, which are asked only where it fails."""
    from scipy.linalg.lapack import dpotrf

    lifted = cov.copy()
    lifted.ravel()[:: len(cov) + 1] += _ROUNDING * float(cov.diagonal().max()) or 1e-300
    _, failed = dpotrf(lifted.T, clean=False, overwrite_a=True)
    if failed:
        values = np.linalg.eigvalsh(cov)
        if values[0] < -NEGATIVE_LIMIT * values[-1]:
            raise DataError("cov_not_psd", smallest=f"{values[0]:.3g}", largest=f"{values[-1]:.3g}") from None
        mended, repaired = nearest_psd(cov)
        return mended, ("repaired_to_psd",) if repaired else ()
    return cov, ()


def pick(moments: Moments, codes: tuple[str, ...]) -> Moments:
    """Return the moments of some funds, in the order asked; raises DataError naming a fund that has none."""
    if codes == moments.codes:
        return moments
    place = {code: i for i, code in enumerate(moments.codes)}
    for code in codes:
        if code not in place:
            raise DataError("fund_without_moments", fund=code)
    at = np.array([place[code] for code in codes], int)
    return Moments(codes, moments.mean[at], moments.cov[at[:, None], at], moments.versions, moments.notes)
