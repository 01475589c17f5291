"""Figures of a portfolio from its moments."""

from collections.abc import Mapping

import numpy as np

from portfolios.kernels.types import FloatArray, Moments

# Expected shortfall at 95 % of a standard normal: phi(1.644854) / 0.05.
NORMAL_CVAR_95 = 2.062713


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
