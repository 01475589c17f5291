"""Roots on a straight piece of the efficient path, where mean is linear and variance quadratic; coefficients lowest power first."""

import numpy as np

from portfolios.kernels.risk import NORMAL_CVAR_95
from portfolios.kernels.types import FloatArray


def real_roots(polynomial: FloatArray) -> list[float]:
    """Return the real roots, rising, of c + b u + a u^2 given as (3,), without the loss of digits of the schoolbook formula."""
    c, b, a = (float(x) for x in polynomial)
    if a == 0.0:
        return [-c / b] if b != 0.0 else []
    under = b * b - 4.0 * a * c
    if under < 0.0:
        return []
    q = -(b + np.copysign(np.sqrt(under), b)) / 2.0
    return sorted([float(q / a), float(c / q)]) if q != 0.0 else [0.0]


def cvar_roots(variance: FloatArray, mean: FloatArray, limit: float) -> list[float]:
    """Return where 2.062713^2 variance (3,) = (limit + mean)^2: there the CVaR equals the limit, or limit + mean is below 0."""
    c, b = limit + mean[0], mean[1]
    return real_roots(NORMAL_CVAR_95**2 * variance - np.array([c**2, 2.0 * c * b, b**2]))
