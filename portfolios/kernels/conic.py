"""The last digits of a conic mandate: Newton's method on the face where an interior point ended, then a proof.

At the optimum of a mandate with a CVaR limit, a target volatility or a robust mean, the gradient of each curved term is that
of a quadratic one: volatility has the gradient S w / volatility. With the multipliers and volatilities of the optimum
the mandate is therefore a quadratic programme with the same optimum, and what proves that one proves the mandate.
"""

from dataclasses import dataclass, replace

import numpy as np

from portfolios.kernels.active_set import polish
from portfolios.kernels.faces import FREE, Face, Optimum, equalities_on, fixed_weights, linear_gain
from portfolios.kernels.risk import NORMAL_CVAR_95
from portfolios.kernels.standard import Quadratic
from portfolios.kernels.types import FloatArray, IntArray

_STEPS = 12
_SETTLED = 1e-12
_KEPT = 1e-10


@dataclass(frozen=True)
class Conic:
    """min variance_weight/2 w'Sw - gain'w + costs + sqrt(w' shortfall w), with cvar <= cvar_limit and volatility <= max_volatility.

    `problem` holds the gain, the costs and the linear limits; `mean` (n,) is the one in the CVaR; None for no such limit.
    """

    problem: Quadratic
    mean: FloatArray
    variance_weight: float
    shortfall: FloatArray | None
    cvar_limit: float | None
    max_volatility: float | None


@dataclass(frozen=True)
class Sharp:
    """The proven optimum, the quadratic programme that shares it, and the multipliers of the curved limits (>= 0)."""

    optimum: Optimum
    problem: Quadratic
    cvar_price: float
    volatility_price: float


def sharpened(conic: Conic, face: Face, weights: FloatArray, cvar_price: float, volatility_price: float) -> Sharp | None:
    """Return the exact optimum near weights (n,) and multipliers on the face where they lie, or None where that is not the one.

    Unknowns are the free weights and the multipliers of what holds; each step solves the linearised optimality conditions
    (Nocedal and Wright, "Numerical Optimization", chapter 18). A curved limit without a multiplier is left out and must
    hold by itself.
    """
    problem = conic.problem
    free = np.flatnonzero(face.funds == FREE)
    fixed = fixed_weights(problem, face)
    normals, wanted, _ = equalities_on(problem, face, fixed)
    curved = [conic.cvar_limit is not None and cvar_price > 0.0, conic.max_volatility is not None and volatility_price > 0.0]
    prices = np.array([cvar_price, volatility_price]) * curved
    held = _Held(free, normals, wanted + normals @ fixed, linear_gain(problem, face), curved)
    at = np.where(face.funds == FREE, weights, fixed)
    for _ in range(_STEPS):
        step = _newton(conic, held, at, prices)
        at[free] += step[: len(free)]
        prices[curved] += step[len(free) + len(normals) :]
        if not np.isfinite(at).all() or (prices < 0.0).any():
            return None
        if np.abs(step[: len(free)]).max(initial=0.0) <= _SETTLED:
            return _proof(conic, face, at, prices)
    return None


def _volatility(cov: FloatArray, weights: FloatArray) -> float:
    return float(np.sqrt(max(float(weights @ cov @ weights), 1e-300)))


@dataclass(frozen=True)
class _Held:
    """What holds on a face: its free funds, the rows and what they sum to, the gain less costs, and which curved limits."""

    free: IntArray
    normals: FloatArray
    wanted: FloatArray
    gain: FloatArray
    curved: list[bool]


def _newton(conic: Conic, held: _Held, at: FloatArray, prices: FloatArray) -> FloatArray:
    """The step of the free weights, the new multipliers of the rows, and the step of the curved limits' multipliers."""
    cov, free, normals = conic.problem.cov, held.free, held.normals
    risk = _volatility(cov, at)
    slope = cov @ at / risk
    on_volatility = NORMAL_CVAR_95 * prices[0] + prices[1]
    hessian = conic.variance_weight * cov + on_volatility / risk * (cov - np.outer(slope, slope))
    gradient = conic.variance_weight * cov @ at - held.gain + on_volatility * slope - prices[0] * conic.mean
    if conic.shortfall is not None:
        short = _volatility(conic.shortfall, at)
        along = conic.shortfall @ at / short
        gradient += along
        hessian = hessian + (conic.shortfall - np.outer(along, along)) / short
    bends = np.array([NORMAL_CVAR_95 * slope - conic.mean, slope])[held.curved]
    missed = np.array(
        [
            (conic.cvar_limit or 0.0) - (NORMAL_CVAR_95 * risk - float(conic.mean @ at)),
            (conic.max_volatility or 0.0) - risk,
        ]
    )[held.curved]
    sides = np.vstack([-normals, bends])[:, free]
    k = len(sides)
    matrix = np.block([[hessian[np.ix_(free, free)], sides.T], [np.vstack([normals, bends])[:, free], np.zeros((k, k))]])
    right = np.concatenate([-gradient[free], held.wanted - normals @ at, missed])
    # Least squares: where funds tie, or more limits meet than a corner needs, any step will do, for the polish settles ties.
    return np.asarray(np.linalg.lstsq(matrix, right, rcond=1e-13)[0], float)


def _proof(conic: Conic, face: Face, at: FloatArray, prices: FloatArray) -> Sharp | None:
    problem, risk = conic.problem, _volatility(conic.problem.cov, at)
    cov = (conic.variance_weight + (NORMAL_CVAR_95 * prices[0] + prices[1]) / risk) * problem.cov
    if conic.shortfall is not None:
        cov = cov + conic.shortfall / _volatility(conic.shortfall, at)
    same = replace(problem, cov=cov, gain=problem.gain + prices[0] * conic.mean)
    optimum = polish(same, face)
    if optimum is None:
        return None
    # Ties may have moved the weights: with the same volatilities the gradients, and so the programme, are still the same.
    moved = [abs(_volatility(cov, optimum.weights) - _volatility(cov, at)) for cov in (problem.cov, conic.shortfall) if cov is not None]
    if max(moved) > _KEPT:
        return None
    risk = _volatility(problem.cov, optimum.weights)
    over = np.array(
        [
            -np.inf if conic.cvar_limit is None else NORMAL_CVAR_95 * risk - float(conic.mean @ optimum.weights) - conic.cvar_limit,
            -np.inf if conic.max_volatility is None else risk - conic.max_volatility,
        ]
    )
    # A curved limit is kept, and one that has a price is reached.
    if over.max() > _KEPT or (over[prices > 0.0] < -_KEPT).any():
        return None
    optimum = replace(optimum, residual=max(optimum.residual, float(over.max())))
    return Sharp(optimum, same, float(prices[0]), float(prices[1]))
