"""A sampled efficient frontier for a chart."""

import numpy as np

from portfolios.kernels.mandate import Mandate
from portfolios.kernels.optimise import Optimiser
from portfolios.kernels.types import Moments, Solution


def sampled_frontier(moments: Moments, mandate: Mandate, n_points: int = 16, gammas: tuple[float, float] = (0.5, 2000.0)) -> list[Solution]:
    """Return optima from highest return to lowest risk, at risk aversions evenly spaced in logarithm."""
    optimiser = Optimiser(moments, mandate)
    return [optimiser.solve(float(gamma)) for gamma in np.geomspace(*gammas, n_points)]
