"""Mandates of linear limits solved exactly, with a limit on volatility or CVaR or the highest ratio as a root on the efficient path."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from portfolios.kernels.errors import DataError, InfeasibleError, SolverError
from portfolios.kernels.faces import Face, Optimum, is_last, line_on, linear_gain
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.polynomials import cvar_roots, real_roots
from portfolios.kernels.quadratic import optimum_of, solver_name
from portfolios.kernels.risk import NORMAL_CVAR_95
from portfolios.kernels.solution import solution_of
from portfolios.kernels.standard import Quadratic, Standard, standardise
from portfolios.kernels.types import FloatArray, Moments, Solution

_STEP_UP = 8.0
_MAX_STEPS = 12  # to 7e10 times the scale of theta: what is still undecided there differs by less than rounding
_MAX_ROOT = 200
_NEARLY_NONE = 1e-9
_NOTHING = 1e-20  # of the scale of theta: the root is at 0, which halving never reaches
_SAME_RATE = 1e-12  # annual returns this near to each other are the same


def is_direct(mandate: Mandate) -> bool:
    """Return whether `solve_direct` solves a mandate exactly; the others need cvxpy or branch and bound.

    A CVaR limit is a root on the efficient path only where the objective counts no costs: the limit does not.
    """
    if mandate.max_funds is not None or mandate.min_weight_if_held is not None or mandate.robust is not None:
        return False
    counts_costs = mandate.kind in ("utility", "target_volatility") and bool(mandate.buy_cost or mandate.sell_cost)
    return mandate.cvar_limit is None or not counts_costs


def solve_direct(moments: Moments, mandate: Mandate) -> Solution:
    """Return the proven optimum of a mandate for which `is_direct` holds, on annual moments that name all its funds.

    Weights sum to 1 within 1e-12, keep their bounds exactly and satisfy the optimality conditions within 1e-10; ties go to
    the least sum of squares. Every optimum lies on the efficient path w(theta) of min 1/2 w'Sw - theta (mean'w - costs a
    year), which is piecewise linear (Markowitz, "Portfolio Selection", 1959): a limit on volatility or CVaR, or the
    highest ratio, is a root of a quadratic on one of its pieces. Raises InfeasibleError("limits_contradict"),
    DataError("no_positive_excess" or "ratio_without_limit") and SolverError.
    """
    standard = standardise(moments, mandate)
    path = _Path(_counted(standard))
    if mandate.kind == "max_sharpe":
        point = _highest_ratio(path, float(mandate.risk_free or 0.0))
    elif mandate.kind == "target_volatility":
        point = _within_volatility(path, float(mandate.target_volatility or 0.0))
    else:
        point = path.at(1.0 / mandate.risk_aversion if mandate.kind == "utility" and mandate.risk_aversion else 0.0)
    if mandate.cvar_limit is not None:
        point = _within_cvar(path, point, mandate.cvar_limit, may_rise=mandate.kind != "target_volatility")
    return solution_of(standard, point.optimum, point.theta, solver_name(len(mandate.funds)))


def _counted(standard: Standard) -> Quadratic:
    """The arrays with the costs that the objective counts."""
    unit = standard.unit
    if standard.mandate.kind in ("min_volatility", "target_return"):
        return replace(unit, buy=np.zeros_like(unit.buy), sell=np.zeros_like(unit.sell))
    return unit


@dataclass(frozen=True)
class _Point:
    """The optimum at one theta of a path, its variance, and its mean after the costs that count."""

    theta: float
    optimum: Optimum
    unit: Quadratic

    @cached_property
    def variance(self) -> float:
        weights = self.optimum.weights
        return max(float(weights @ self.unit.cov @ weights), 0.0)

    @cached_property
    def net(self) -> float:
        unit, weights = self.unit, self.optimum.weights
        trade = weights - unit.current
        return float(unit.gain @ weights - unit.buy @ np.maximum(trade, 0.0) - unit.sell @ np.maximum(-trade, 0.0))


@dataclass
class _Path:
    """The efficient path of one mandate; each optimum is first sought on the face of the one before."""

    unit: Quadratic
    face: Face | None = field(default=None)

    def at(self, theta: float) -> _Point:
        found = optimum_of(self.unit.scaled(theta), self.face)
        self.face = found.face
        return _Point(theta, found, self.unit)

    @property
    def scale(self) -> float:
        """A theta at which return and risk weigh about the same."""
        unit = self.unit
        return unit.largest_variance / (float(np.ptp(unit.gain)) or float(np.abs(unit.gain).max()) or 1.0)


def _piece(unit: Quadratic, face: Face) -> tuple[FloatArray, FloatArray] | None:
    """Variance (3,) and net mean (2,) on a face as polynomials in theta, lowest power first."""
    line = line_on(unit, face)
    if line is None:
        return None
    gain = linear_gain(unit, face)
    paid = np.where(face.trades > 0, unit.buy, 0.0) - np.where(face.trades < 0, unit.sell, 0.0)
    along = unit.cov @ line.step
    variance = np.array([line.start @ unit.cov @ line.start, 2.0 * line.start @ along, line.step @ along])
    return variance, np.array([gain @ line.start + paid @ unit.current, gain @ line.step])


Gap = Callable[[_Point], float]
OnPiece = Callable[[FloatArray, FloatArray], Sequence[float]]


def _root(path: _Path, low: _Point, high: _Point, gap: Gap, on_piece: OnPiece) -> _Point:
    """Where on the path a gap that is at most 0 at `low` and above 0 at `high` turns: exact on its piece.

    Each step tries the root on the piece at hand, which is the answer once that piece holds it; halving is the way out
    where it lies outside the bracket. Returns a point where the gap is at most rounding. Raises
    SolverError("not_proven_optimal") where the bracket has not closed in so many steps.
    """
    below, above, last = low, high, high
    for count in range(_MAX_ROOT):
        piece = _piece(path.unit, last.optimum.face)
        tried = [theta for theta in on_piece(*piece) if below.theta < theta < above.theta] if piece is not None else []
        middle = 0.5 * (below.theta + above.theta) if below.theta == 0.0 or count % 2 else float(np.sqrt(below.theta * above.theta))
        # Every eighth step halves all the same: roots of far pieces may creep towards the answer from one side only.
        theta = tried[0] if tried and count % 8 != 7 else middle
        if not below.theta < theta < above.theta or above.theta <= _NOTHING * path.scale:
            break
        last = path.at(theta)
        if gap(last) <= 0.0:
            below = last
        else:
            above = last
        if tried and theta == tried[0] and _holds(path, last, theta, on_piece):
            return last
    else:
        raise SolverError("not_proven_optimal", theta=above.theta)
    return below if below.theta > 0.0 or gap(below) < 0.0 else above


def _holds(path: _Path, point: _Point, theta: float, on_piece: OnPiece) -> bool:
    """Whether the piece at a point has its root at that very point."""
    piece = _piece(path.unit, point.optimum.face)
    return piece is not None and any(abs(root - theta) <= 1e-13 * theta for root in on_piece(*piece))


def _upward(path: _Path, reached: Callable[[_Point], bool]) -> tuple[_Point, bool]:
    """The first of ever larger thetas at which something is reached; or the end of the path, and False.

    Beyond `_MAX_STEPS` steps the last point counts as the end: risk weighs nothing there that rounding would leave.
    """
    theta = path.scale
    for _ in range(_MAX_STEPS):
        point = path.at(theta)
        if reached(point):
            return point, True
        line = line_on(path.unit, point.optimum.face)
        if line is not None and is_last(path.unit, point.optimum.face, line):
            break
        theta *= _STEP_UP
    return point, False


def _within_volatility(path: _Path, limit: float) -> _Point:
    """The highest net mean at a volatility of at most `limit`: the last point of the path that keeps it."""
    least = path.at(0.0)
    room = _room(path)
    if least.variance > limit**2 + room:
        raise InfeasibleError("limits_contradict")
    end, exceeds = _upward(path, lambda point: point.variance > limit**2)
    if not exceeds:
        return end
    if least.variance >= limit**2 - room:
        # Of all portfolios of least variance the path at 0 has the most even one; the best of them is its limit from above.
        best = path.at(_NEARLY_NONE * path.scale)
        # Where risk is left, that is the optimum of no finite risk aversion, and the price of its limits has no bound.
        return best if least.variance <= room else replace(best, theta=0.0)
    return _root(
        path,
        least,
        end,
        lambda point: point.variance - limit**2,
        lambda variance, _: real_roots(variance - [limit**2, 0.0, 0.0]),
    )


def _highest_ratio(path: _Path, risk_free: float) -> _Point:
    """The highest (net mean - risk_free)/volatility: where theta (net mean - risk_free) = variance, the tangent from cash."""

    def gap(point: _Point) -> float:
        return point.theta * (point.net - risk_free) - point.variance

    least = path.at(0.0)
    end, positive = _upward(path, lambda point: gap(point) > 0.0)
    if not positive:
        if end.net <= risk_free:
            raise DataError("no_positive_excess")
        return path.at(end.variance / (end.net - risk_free))
    if least.variance <= _room(path):
        shared = _ratio_of_cash(path, end, risk_free, gap)
        if shared is not None:
            return shared
    return _root(path, least, end, gap, lambda variance, net: _tangent(variance, net, risk_free))


def _tangent(variance: FloatArray, net: FloatArray, risk_free: float) -> list[float]:
    return real_roots(np.array([-variance[0], net[0] - risk_free - variance[1], net[1] - variance[2]]))


def _ratio_of_cash(path: _Path, end: _Point, risk_free: float, gap: Gap) -> _Point | None:
    """Where weights without any risk can be had: an error if they earn more than the risk-free rate, None if they earn less.

    If they earn just that, all that mixes them with the best risky weights has the same ratio: a whole piece of the path,
    of which the weights of least sum of squares are taken.
    """
    first = path.at(_NEARLY_NONE * path.scale)
    piece, line = _piece(path.unit, first.optimum.face), line_on(path.unit, first.optimum.face)
    if piece is None or line is None or piece[1][0] > risk_free + _SAME_RATE:
        raise DataError("ratio_without_limit")
    if piece[1][0] < risk_free - _SAME_RATE:
        return None
    room = _room(path)
    evenest = -float(line.start @ line.step) / (float(line.step @ line.step) or 1.0)
    if first.theta < evenest < end.theta:
        point = path.at(evenest)
        if gap(point) <= room:
            return point
    return _root(path, first, end, lambda point: gap(point) - room, lambda variance, net: _tangent(variance, net, risk_free))


def _room(path: _Path) -> float:
    """A variance that is rounding."""
    return 1e-14 * float(path.unit.cov.diagonal().max())


def _cvar_gap(limit: float) -> tuple[Gap, OnPiece]:
    def gap(point: _Point) -> float:
        return NORMAL_CVAR_95 * float(np.sqrt(point.variance)) - point.net - limit

    def on_piece(variance: FloatArray, net: FloatArray) -> list[float]:
        return [theta for theta in cvar_roots(variance, net, limit) if limit + net[0] + net[1] * theta >= 0.0]

    return gap, on_piece


def _within_cvar(path: _Path, found: _Point, limit: float, *, may_rise: bool) -> _Point:
    """The point nearest to the one found whose CVaR keeps the limit; along the path the CVaR falls, then rises."""
    gap, on_piece = _cvar_gap(limit)
    if gap(found) <= 1e-13:
        return found
    least = _least_cvar(path, found, may_rise=may_rise)
    if gap(least) > 1e-10:
        raise InfeasibleError("limits_contradict")
    if gap(least) >= -1e-13:
        return least
    if least.theta < found.theta:
        return _root(path, least, found, gap, on_piece)
    return _root(path, found, least, lambda point: -gap(point), on_piece)


def _least_cvar(path: _Path, found: _Point, *, may_rise: bool) -> _Point:
    """The least CVaR on the path: where 2.062713 theta = volatility, sought on the side of `found` to which the CVaR falls."""

    def gap(point: _Point) -> float:
        return NORMAL_CVAR_95 * point.theta - float(np.sqrt(point.variance))

    def on_piece(variance: FloatArray, _: FloatArray) -> list[float]:
        return real_roots(np.array([0.0, 0.0, NORMAL_CVAR_95**2]) - variance)

    if gap(found) > 0.0:
        return _root(path, path.at(0.0), found, gap, on_piece)
    if not may_rise:
        return found
    end, beyond = _upward(path, lambda point: gap(point) > 0.0)
    return _root(path, found, end, gap, on_piece) if beyond else end
