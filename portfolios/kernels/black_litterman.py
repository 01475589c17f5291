"""Means that do not come from past returns: class assumptions, equilibrium, and views on either (Black and Litterman)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FloatArray

# He and Litterman, "The Intuition Behind Black-Litterman Model Portfolios" (1999), take 2.5 for the world's average.
RISK_AVERSION = 2.5
TAU = 0.025  # Idzorek's example; with his confidences it does not show in the means
# What a fund's screen score may say of its mean, at most.
SCREEN_MAX_EDGE, SCREEN_MAX_CONFIDENCE = 0.005, 0.25
_EXACT = 1e-9


@dataclass(frozen=True)
class View:
    """The weighted sum of the named funds' annual returns is `expected`, with a confidence of 0 (no view) to 1 (certain).

    Weights that sum to 1 make an absolute view, to 0 a relative one: {"A": 1, "B": -1} at 0.02 says A beats B by two points.
    """

    funds: Mapping[str, float]
    expected: float
    confidence: float

    def __post_init__(self) -> None:
        if not any(self.funds.values()):
            raise DataError("view_without_fund")
        if not all(math.isfinite(number) for number in (*self.funds.values(), self.expected)):
            raise DataError("view_not_finite", funds=", ".join(self.funds))
        if not 0.0 <= self.confidence <= 1.0:
            raise DataError("confidence_out_of_range", funds=", ".join(self.funds), value=self.confidence)


def class_assumption_mean(class_mean: FloatArray, cash_rate: float, beta: FloatArray | float = 1.0) -> FloatArray:
    """Return annual means (n,): cash plus each fund's style beta times the premium of its class over cash; alpha is 0."""
    return cash_rate + beta * (class_mean - cash_rate)


def equilibrium_mean(cov: FloatArray, reference: FloatArray, cash_rate: float = 0.0, risk_aversion: float = RISK_AVERSION) -> FloatArray:
    """Return the annual means (n,) at which holding `reference` (n,) is optimal: cash + risk_aversion * cov @ reference.

    Reverse optimisation, Black and Litterman, "Global Portfolio Optimization", Financial Analysts Journal 48 (1992).
    """
    if not (math.isfinite(risk_aversion) and risk_aversion > 0):
        raise DataError("risk_aversion_not_positive", value=risk_aversion)
    return cash_rate + risk_aversion * (cov @ reference)


def reference_weights(classes: Sequence[str], mix: Mapping[str, float]) -> tuple[FloatArray, tuple[str, ...]]:
    """Spread a mix of classes evenly over the funds (n,) of each; return weights that sum to 1, and the classes without a fund.

    What a class without a fund had goes to the others in proportion. Raises DataError("reference_mix_without_fund") where
    none of the mix has a fund.
    """
    missing = tuple(sorted(name for name, share in mix.items() if share > 0 and name not in classes))
    weights = np.array([mix.get(name, 0.0) / classes.count(name) for name in classes])
    if weights.sum() <= 0:
        raise DataError("reference_mix_without_fund", classes=", ".join(sorted(mix)))
    return weights / weights.sum(), missing


def screen_view(fund: str, prior: float, edge: float, confidence: float) -> View:
    """Return what a screen score may say of a fund: its prior annual mean and an edge of at most half a point, either way.

    The confidence is at most a quarter, so on its own it moves the fund's mean by at most 0.125 point.
    """
    held = min(max(edge, -SCREEN_MAX_EDGE), SCREEN_MAX_EDGE)
    return View({fund: 1.0}, prior + held, min(confidence, SCREEN_MAX_CONFIDENCE))


def black_litterman(codes: Sequence[str], prior: FloatArray, cov: FloatArray, views: Sequence[View], tau: float = TAU) -> FloatArray:
    """Return the annual means (n,) of a prior (n,) with covariance `cov` (n, n) after views with Idzorek's confidences.

    prior + tau S P' (P tau S P' + Omega)^-1 (q - P prior), with Omega of `idzorek_omega`. A confidence of 0 leaves the
    prior, one of 1 makes the view hold exactly; a view on its own moves the means by its confidence of the way to
    certainty. Views that speak of the same thing share the move. Raises DataError: "unknown_view_fund"; "views_contradict"
    where certain views exclude each other; "view_without_variance" where a view speaks of what cannot move.
    """
    if not (math.isfinite(tau) and tau > 0):
        raise DataError("tau_not_positive", value=tau)
    held = [view for view in views if view.confidence > 0]
    pick = _pick_matrix(codes, views)[[view.confidence > 0 for view in views]]
    if not held:
        return prior.copy()
    omega = idzorek_omega(pick, cov, np.array([view.confidence for view in held]), tau)
    surprise = np.array([view.expected for view in held]) - pick @ prior
    reach = tau * cov @ pick.T
    # In units of each view's own deviation, by the pseudo-inverse: two certain views may say the same thing twice.
    unit = np.sqrt(np.maximum(np.diag(pick @ reach), 0.0))
    for view, own in zip(held, unit, strict=True):
        if own == 0:
            raise DataError("view_without_variance", funds=", ".join(view.funds))
    middle = (pick @ reach + np.diag(omega)) / np.outer(unit, unit)
    posterior = prior + (reach / unit) @ (np.linalg.pinv(middle, rcond=1e-12, hermitian=True) @ (surprise / unit))
    _prove_certain_views_hold(held, pick, posterior)
    return posterior


def idzorek_omega(pick: FloatArray, cov: FloatArray, confidence: FloatArray, tau: float = TAU) -> FloatArray:
    """Return the variances (k,) of views that give each its confidence (k,), in (0, 1]: (1 - c) / c * tau p S p'.

    Idzorek, "A Step-by-Step Guide to the Black-Litterman Model" (2005), finds them by search; the closed form is Walters',
    "The Black-Litterman Model in Detail" (2014).
    """
    return (1.0 - confidence) / confidence * tau * np.einsum("kn,nm,km->k", pick, cov, pick)


def _pick_matrix(codes: Sequence[str], views: Sequence[View]) -> FloatArray:
    place = {code: i for i, code in enumerate(codes)}
    pick = np.zeros((len(views), len(codes)))
    for row, view in enumerate(views):
        for fund, weight in view.funds.items():
            if fund not in place:
                raise DataError("unknown_view_fund", fund=fund)
            pick[row, place[fund]] = weight
    return pick


def _prove_certain_views_hold(views: Sequence[View], pick: FloatArray, posterior: FloatArray) -> None:
    for view, said in zip(views, pick @ posterior, strict=True):
        if view.confidence == 1.0 and abs(said - view.expected) > _EXACT * max(1.0, abs(view.expected)):
            raise DataError("views_contradict", funds=", ".join(view.funds))
