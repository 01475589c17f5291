"""The exact efficient frontier: every turning point, and whatever lies between them in closed form."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from portfolios.kernels.critical_line import Course, Place, Shape, settled, start, trace, within
from portfolios.kernels.errors import DataError, InfeasibleError, SolverError
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.polynomials import cvar_roots, real_roots
from portfolios.kernels.risk import NORMAL_CVAR_95
from portfolios.kernels.standard import Standard, standardise
from portfolios.kernels.types import FloatArray, Moments

_STRAIGHT = 1e-13  # a corner this near to the line between its neighbours turns nothing
# What to add to every variance, as a part of the largest, and where to begin, in scaled risk tolerance: any place will do.
_STARTS = ((0.0, 0.381966), (0.0, 1.7320508), (1e-8, 0.381966), (1e-7, 0.381966), (1e-7, 0.0577216))
_KEPT = 1e-11  # how far rounding may carry the sum of a row beyond its limit before the path counts as lost
_ZERO = 1e-12  # scaled risk tolerance that counts as none: what lies below is rounding


@dataclass(frozen=True)
class FrontierPoint:
    """An efficient portfolio and the risk aversion at which it is reached, None where only an infinite one reaches it."""

    risk_aversion: float | None
    expected_return: float
    volatility: float
    weights: FloatArray


@dataclass(frozen=True)
class _Pieces:
    """The straight pieces in order of rising theta: from `low` on, each figure as a polynomial in u = theta - low[i].

    Mean and return after costs: [:, 0] + u [:, 1]; variance: [:, 0] + u [:, 1] + u^2 [:, 2].
    """

    low: FloatArray
    high: FloatArray
    mean: FloatArray
    net: FloatArray
    variance: FloatArray


@dataclass(frozen=True)
class Frontier:
    """All efficient portfolios: turning points (k,) from highest return to least variance, straight lines between them.

    Weights (k, n) in the order of `codes` are linear in `thetas` = 1/gamma, which fall to 0. Above the first theta nothing
    changes any more. `expected_returns` are before costs, `net_returns` after costs a year. `ridge` is the variance that had
    to be added to every fund to tell nearly equal ones apart. It is 0 for all but covariances on the brink of being singular;
    where it is not, the weights are the optimum with that variance added, and every figure is theirs without it.
    """

    codes: tuple[str, ...]
    thetas: FloatArray
    weights: FloatArray
    expected_returns: FloatArray
    net_returns: FloatArray
    volatilities: FloatArray
    standard: Standard
    ridge: float = 0.0

    def at(self, gamma: float) -> FloatArray:
        """Return the weights (n,) at a risk aversion, which may be infinite; raises DataError where it is not above 0."""
        if not gamma > 0:
            raise DataError("risk_aversion_not_positive", value=gamma)
        return self.at_theta(1.0 / gamma)

    def at_theta(self, theta: float) -> FloatArray:
        """Return the weights (n,) at a risk tolerance theta = 1/gamma >= 0."""
        rising = self.thetas[::-1]
        upper = int(np.searchsorted(rising, theta, side="left"))
        if upper == 0 or upper == len(rising):
            return self.weights[-1 if upper == 0 else 0].copy()
        below, above = self.weights[len(rising) - upper], self.weights[len(rising) - upper - 1]
        share = (theta - rising[upper - 1]) / (rising[upper] - rising[upper - 1])
        return (1.0 - share) * below + share * above

    def point(self, theta: float) -> FrontierPoint:
        """Return the efficient portfolio at a risk tolerance."""
        weights = self.at_theta(theta)
        unit = self.standard.unit
        return FrontierPoint(
            risk_aversion=1.0 / theta if theta > 0 else None,
            expected_return=float(unit.gain @ weights),
            volatility=float(np.sqrt(max(float(weights @ unit.cov @ weights), 0.0))),
            weights=weights,
        )

    def turning_points(self) -> list[FrontierPoint]:
        """Return the turning points from highest return to least variance; the last has no finite risk aversion."""
        return [self.point(float(theta)) for theta in self.thetas]

    def points(self, n: int) -> list[FrontierPoint]:
        """Return n efficient portfolios, their returns after costs evenly spaced from the highest to that of least variance."""
        wanted = np.linspace(self.net_returns[0], self.net_returns[-1], n)
        thetas = [self._theta_of_net(float(net)) for net in wanted[1:-1]]
        return [self.point(theta) for theta in [float(self.thetas[0]), *thetas, 0.0][:n]]

    def theta_at_cvar(self, limit: float, low: float = 0.0, high: float = np.inf) -> float | None:
        """Return the largest theta in [low, high] whose normal CVaR (2.062713 volatility - mean) is at most `limit`, or None."""
        if self._cvar(high) <= limit:
            return high
        p = self._pieces
        for i in np.flatnonzero((p.low < high) & (p.high > low))[::-1]:
            least, most = max(low, p.low[i]) - p.low[i], min(high, p.high[i]) - p.low[i]
            for u in sorted([most, *cvar_roots(p.variance[i], p.mean[i], limit), least], reverse=True):
                if least <= u <= most and self._cvar(float(p.low[i] + u)) <= limit + 1e-15:
                    return float(p.low[i] + u)
        return low if self._cvar(low) <= limit else None

    def least_cvar(self, low: float, high: float) -> float:
        """Return the least normal CVaR that any theta in [low, high] reaches."""
        p = self._pieces
        tried = [low, high, *(float(theta) for theta in self.thetas if low < theta < high)]
        square = NORMAL_CVAR_95**2
        for i in np.flatnonzero((p.low < high) & (p.high > low)):
            c, b, a = p.variance[i]
            slope = p.mean[i, 1]
            # 2.062713 sqrt(c + b u + a u^2) falls as fast as the mean does where its derivative equals the slope of the mean.
            steep = [square * b**2 - 4 * slope**2 * c, 4 * square * a * b - 4 * slope**2 * b, 4 * square * a**2 - 4 * slope**2 * a]
            tried += [float(p.low[i] + u) for u in real_roots(np.array(steep)) if low <= p.low[i] + u <= min(high, p.high[i])]
        return min(self._cvar(theta) for theta in tried)

    def _cvar(self, theta: float) -> float:
        found = self.point(theta)
        return NORMAL_CVAR_95 * found.volatility - found.expected_return

    def _theta_of_net(self, net: float) -> float:
        rising = self.net_returns[::-1]
        i = int(np.clip(np.searchsorted(rising, net, side="right") - 1, 0, max(len(rising) - 2, 0)))
        p = self._pieces
        if not len(p.low) or p.net[i, 1] <= 0.0:
            return float(self.thetas[::-1][i])
        return float(np.clip(p.low[i] + (net - p.net[i, 0]) / p.net[i, 1], p.low[i], p.high[i]))

    @cached_property
    def _pieces(self) -> _Pieces:
        thetas, weights, unit = self.thetas[::-1], self.weights[::-1], self.standard.unit
        width = np.diff(thetas)
        rate = np.diff(weights, axis=0) / width[:, None]
        risk = rate @ unit.cov
        net = self.net_returns[::-1]
        variance = [self.volatilities[::-1][:-1] ** 2, 2.0 * (risk * weights[:-1]).sum(axis=1), (risk * rate).sum(axis=1)]
        return _Pieces(
            low=thetas[:-1],
            high=thetas[1:],
            mean=np.column_stack([weights[:-1] @ unit.gain, rate @ unit.gain]),
            net=np.column_stack([net[:-1], np.diff(net) / width]),
            variance=np.column_stack(variance),
        )


def exact_frontier(moments: Moments, mandate: Mandate) -> Frontier:
    """Return all optima of theta (mean'w - costs/horizon_years) - w'Sw/2 for theta from infinity to 0, by critical lines.

    The mandate's objective and risk aversion are not read; bounds, overlapping groups, locked and excluded funds, grades,
    cash, and costs of buying and selling against `current` are kept. Equal funds tie to the least sum of squares; the last
    point is the limit for theta towards 0: of all portfolios of least variance the one of highest return. Every piece
    keeps its optimality conditions to 1e-9 of the largest variance, or to its `ridge`. Raises DataError("not_linear")
    naming a limit that no straight line follows, InfeasibleError("limits_contradict"), SolverError where the path is lost
    (report it).
    Markowitz, Naval Research Logistics Quarterly 3 (1956); Niedermayer and Niedermayer, in: Handbook of Portfolio
    Construction (2010); Bailey and Lopez de Prado, Algorithms 6 (2013).
    """
    _refuse_curves(mandate)
    standard = standardise(moments, mandate)
    unit = standard.unit
    if (unit.low > unit.high).any():
        raise InfeasibleError("limits_contradict")
    middle = (float(unit.gain.max()) + float(unit.gain.min())) / 2.0
    scale = float(np.diag(unit.cov).max()) or 1.0
    reach = max(float(np.abs(unit.gain - middle).max()), float(unit.buy.max()), float(unit.sell.max())) or 1.0
    path, ridge = _path(standard, (unit.gain - middle) / reach, scale, reach)
    thetas, weights = _turning([theta * scale / reach for theta, _ in path], [found for _, found in path])
    mean = weights @ unit.gain
    return Frontier(
        codes=mandate.funds,
        thetas=thetas,
        weights=weights,
        expected_returns=mean,
        net_returns=mean - np.array([standard.costs(found) for found in weights]) / mandate.horizon_years,
        volatilities=np.sqrt(np.maximum(((weights @ unit.cov) * weights).sum(axis=1), 0.0)),
        standard=standard,
        ridge=ridge,
    )


def _refuse_curves(mandate: Mandate) -> None:
    limits = {
        "turnover": mandate.max_turnover,
        "cvar": mandate.cvar_limit,
        "target_volatility": mandate.target_volatility,
        "target_return": mandate.target_return,
        "robust": mandate.robust,
        "max_funds": mandate.max_funds,
        "min_weight_if_held": mandate.min_weight_if_held,
    }
    for name, value in limits.items():
        if value is not None:
            raise DataError("not_linear", limit=name)


def _shape(standard: Standard, scale: float, reach: float, ridge: float) -> Shape:
    unit = standard.unit
    n = len(unit.gain)
    buy, sell = unit.buy / reach, unit.sell / reach
    bent = (unit.low < unit.current) & (unit.current < unit.high) & (buy + sell > 0.0)
    inner = np.where(unit.current <= unit.low, buy, -sell)
    fixed = unit.low == unit.high
    knots = np.column_stack([unit.low, np.where(bent, unit.current, unit.high), unit.high])
    left = np.column_stack([np.full(n, -np.inf), np.where(bent, -sell, inner), np.where(bent, buy, -np.inf)])
    right = np.column_stack([np.where(bent, -sell, inner), np.where(bent, buy, np.inf), np.full(n, np.inf)])
    right[fixed, 0] = np.inf
    cov, singular = settled((unit.cov + unit.cov.T) / (2.0 * scale) + ridge * np.eye(n))
    return Shape(cov, unit.rows, unit.row_low, unit.row_high, knots, left, right, singular)


def _path(standard: Standard, gain: FloatArray, scale: float, reach: float) -> tuple[list[tuple[float, FloatArray]], float]:
    """All corners from the highest theta to 0, and the variance added to find them: 0 unless the path is lost without."""
    course = Course(np.column_stack([np.zeros_like(gain), gain]), np.array([0.0, 1.0]))
    failure: SolverError | None = None
    for ridge, theta in _STARTS:
        shape = _shape(standard, scale, reach, ridge)

        def place_at(t: float, shape: Shape = shape) -> Place:
            return start(shape, t * gain, t)

        try:
            place = place_at(theta)
            up = trace(shape, course, (place, None), (theta, np.inf), place_at)
            down = trace(shape, course, (place, None), (theta, _ZERO), place_at)
        except SolverError as error:
            failure = error
            continue
        corners = [*reversed(up.corners), *down.corners, (0.0, within(shape, down.weights[:, 0]))]
        held = np.array([weights for _, weights in corners]) @ shape.rows.T
        if (held - shape.row_high).max() <= _KEPT and (shape.row_low - held).max() <= _KEPT:
            return corners, ridge * scale
    raise failure or SolverError("not_proven_optimal")


def _turning(thetas: list[float], weights: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """The corners where the line turns: without those met at one theta, on a straight line, or beyond the last change."""
    kept: list[int] = []
    last = len(thetas) - 1
    for i in range(len(thetas)):
        if i < last and np.abs(weights[i + 1] - weights[i]).max() <= _STRAIGHT and not kept:
            continue
        if kept and i < last and thetas[kept[-1]] - thetas[i] <= 1e-11 * thetas[i]:
            continue
        while len(kept) >= 2:
            above, at = kept[-2], kept[-1]
            share = (thetas[at] - thetas[i]) / (thetas[above] - thetas[i])
            if np.abs(share * weights[above] + (1 - share) * weights[i] - weights[at]).max() > _STRAIGHT:
                break
            kept.pop()
        kept.append(i)
    return np.array([thetas[i] for i in kept]), np.array([weights[i] for i in kept])
