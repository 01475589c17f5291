"""Lower bounds of a quadratic programme with undecided holdings: the perspective relaxation, priced and solved by DAQP."""

from dataclasses import dataclass, replace
from typing import Any

import daqp
import numpy as np

from portfolios.kernels.branching import LONG, NONE, SHORT, BoolArray, Choices, Incumbent, Relaxed
from portfolios.kernels.errors import InfeasibleError
from portfolios.kernels.feasible import FEASIBLE, feasible_weights
from portfolios.kernels.quadratic import DAQP_EQUALITY, DAQP_INFINITE, optimum_of
from portfolios.kernels.standard import Quadratic
from portfolios.kernels.types import FloatArray, IntArray

_SUM_PENALTY = 2.0  # in mean variances; sum(w) = 1 makes it free, and it leaves more variance to each fund alone
_FREE_SLOPE = 1e10  # reciprocal curvature of a bend; DAQP knows no bend without one
_OWN = 1e-6  # of the largest variance: less of its own is none to a fund, and only misleads the prices
_TINY = 1e-100
_NEAR = 1e-8  # of the largest variance: how far off DAQP may find a value
_SOFT = 8  # DAQP's word for a limit that may be broken at a price
_TRADED = 1e-12
_EPSILON = 1e-15  # of what is priced: the rounding of a sum of such prices
_STRICT, _LOOSE = 1e-9, 1e-6  # by how much DAQP may miss a limit
_TRADE_STEPS, _MANY_STEPS = 4, 100  # of the price of trading
_FEW_STEPS, _ROOT_STEPS = 2, 12  # of the price of a fund
_COUNTED = 0.02  # of a fund too many or too few
_WORTH_MOVING = 0.1  # of what a bound misses


@dataclass(frozen=True)
class Prices:
    """What one more held fund costs, and 1.00 more traded: multipliers of the limits that the relaxation moves into the objective."""

    fund: float = 0.0
    trade: float = 0.0


@dataclass(frozen=True)
class _Node:
    """A node at given prices: what each option adds to the bound (3, n); how far the number of funds and the turnover miss their limits."""

    relaxed: Relaxed
    values: FloatArray
    surplus: float
    over: float


class Perspective:
    """Bounds and exact optima of min 1/2 w'Sw - gain'w + trading costs over a quadratic's limits and choices of funds.

    S is split into H + diag(d), both positive semidefinite, and d's part charged as d w^2 / z with z in [0, 1] how much of
    the fund is held: exact at z = 0 and 1, and between them the convex envelope. The number of funds and the turnover are
    priced, so a node is one quadratic programme in w whose bends are soft limits. Every bound is the Lagrangian dual at
    what the solver returned, evaluated in closed form over each fund's own options: it holds however inexact that was.
    Sources: Frangioni and Gentile (2006), Perspective cuts for a class of convex 0-1 mixed integer programs; Zheng, Sun and
    Li (2014), Improving the performance of MIQP solvers for quadratic programs with cardinality and minimum threshold
    constraints.
    """

    def __init__(self, problem: Quadratic, choices: Choices) -> None:
        n = len(problem.gain)
        self.choices = choices
        self.scale = float(np.diag(problem.cov).max()) or 1.0
        scaled = {name: getattr(problem, name) / self.scale for name in ("cov", "gain", "buy", "sell")}
        self.problem = replace(problem, **scaled)
        penalty = _SUM_PENALTY * float(np.trace(self.problem.cov)) / n or 1.0
        full = self.problem.cov + penalty
        self.own = _own_variances(full)
        self.rest = full - np.diag(self.own)
        self.divisor = np.maximum(self.own, _TINY)
        self.linear = -self.problem.gain - penalty
        self.constant = penalty / 2.0
        self.is_limited = bool(np.isfinite(problem.max_trade))
        self.kinks = np.flatnonzero((problem.buy > 0) | (problem.sell > 0) | self.is_limited)
        low, high = choices.hull(choices.allowed)
        self.most_traded = float((np.maximum(-low, high) + np.abs(problem.current)).sum()) if self.is_limited else 0.0
        self.worst = (_worst(self.problem, np.maximum(-low, high)) + _NEAR) * self.scale
        self.both = np.flatnonzero((low < 0) & (high > 0))
        self.taken = (LONG, SHORT) if choices.allowed[SHORT].any() else (LONG,)
        self._sides(low, high)
        self._setup()
        self.tolerance = 0.0
        self.model = self._fresh()

    def _sides(self, low: FloatArray, high: FloatArray) -> None:
        """Least and largest weight held on either side, in absolute terms; 0 for a side a fund does not have."""
        lows, highs = self.choices.lows, self.choices.highs
        long_least = np.maximum(lows[LONG], 0.0)
        short_least = np.where(self.choices.allowed[SHORT], -highs[SHORT], np.maximum(-highs[LONG], 0.0))
        self.least = np.stack([long_least, short_least])
        self.largest = np.stack([np.maximum(high, 0.0), np.maximum(-low, 0.0)])
        self.least = np.minimum(self.least, self.largest)

    def _setup(self) -> None:
        p, n = self.problem, len(self.linear)
        one = np.eye(n)
        self.n_rows = len(p.rows)
        self.rows = np.vstack([p.rows, one, one[self.both], one[self.kinks]])
        is_equal = p.row_low == p.row_high
        soft = np.full(len(self.rows) - self.n_rows, _SOFT)
        self.sense = np.concatenate([np.zeros(n), np.where(is_equal, DAQP_EQUALITY, 0), soft]).astype(np.int32)
        self.row_low, self.row_high = np.maximum(p.row_low, -DAQP_INFINITE), np.minimum(p.row_high, DAQP_INFINITE)
        hard = np.zeros(n + self.n_rows)
        curvature = np.minimum(1.0 / np.maximum(self.own, 1.0 / _FREE_SLOPE), _FREE_SLOPE)
        self.soft = np.concatenate([hard, curvature, np.full(len(self.both) + len(self.kinks), _FREE_SLOPE)])
        self.hard = hard

    def _fresh(self) -> Any:
        """A model that has solved nothing yet, its box wider than any node's; None where DAQP finds the rows to contradict each other."""
        low, high = self.choices.hull(self.choices.allowed)
        linear, upper, lower, _, _ = self._arrays(low - 1.0, high + 1.0, *self._envelope(self.choices.allowed, Prices()))
        model = daqp.Model()
        flag, _ = model.setup(self.rest, linear, self.rows, upper, lower, self.sense)
        # A model whose set-up failed crashes the process when used.
        return model if flag >= 0 else None

    def _envelope(self, allowed: BoolArray, prices: Prices) -> tuple[FloatArray, FloatArray, FloatArray, Prices]:
        """Of each side (2, n): where the envelope turns from a line into a parabola, the line's slope, the bend between them."""
        turn = np.minimum(np.maximum(np.sqrt(2.0 * prices.fund / self.divisor), self.least), self.largest)
        # Where a fund has no variance of its own the line does not end.
        turn = np.where(allowed[NONE], np.where(self.own > 0.0, turn, self.largest), 0.0)
        slope = np.divide(prices.fund, turn, out=np.zeros_like(turn), where=turn > 0) + 0.5 * self.own * turn
        bend = np.maximum(self.own * turn - slope, 0.0)
        return turn, slope, bend, prices

    def _arrays(
        self, low: FloatArray, high: FloatArray, turn: FloatArray, slope: FloatArray, bend: FloatArray, prices: Prices
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        p, kinks, both = self.problem, self.kinks, self.both
        linear = self.linear + np.where(self.largest[0] > 0, slope[0], -slope[1])
        linear[both] = self.linear[both]
        at = p.current[kinks]
        none = np.zeros(len(both))
        upper = np.concatenate([high, self.row_high, turn[0], none, at])
        lower = np.concatenate([low, self.row_low, -turn[1], none, at])
        upward = np.concatenate([self.hard, bend[0], slope[0, both], p.buy[kinks] + prices.trade])
        downward = np.concatenate([self.hard, bend[1], slope[1, both], p.sell[kinks] + prices.trade])
        return linear, upper, lower, upward, downward

    def _solve(self, low: FloatArray, high: FloatArray, *envelope: Any) -> tuple[FloatArray, FloatArray] | None:
        """Weights and row multipliers at given prices, exact or not; None where it is certain that no weights keep the limits."""
        arrays = self._arrays(low, high, *envelope)
        found = self._run(arrays, _STRICT)
        if found is None and self._breaks_a_row(low, high):
            return None
        if found is None:
            # A warm start or a strict tolerance can mislead it; what it still calls infeasible a linear programme decides.
            self.model, self.tolerance = self._fresh(), 0.0
            found = self._run(arrays, _LOOSE)
        if found is None:
            feasible = feasible_weights(replace(self.problem, low=low, high=high, max_trade=np.inf))
            return None if feasible is None else (feasible, np.zeros(self.n_rows))
        weights, multipliers = found
        held_at = np.where(multipliers > 0, self.problem.row_high, self.problem.row_low)
        return np.minimum(np.maximum(weights, low), high), np.where(np.isfinite(held_at), multipliers, 0.0)

    def _run(self, arrays: tuple[FloatArray, ...], tolerance: float) -> tuple[FloatArray, FloatArray] | None:
        if self.model is None:
            return None
        linear, upper, lower, upward, downward = arrays
        if tolerance != self.tolerance:
            self.model.settings = {"primal_tol": tolerance}
            self.tolerance = tolerance
        self.model.update(f=linear, bupper=upper, blower=lower)
        self.model.soft_weights(rho_l=self.soft, rho_u=self.soft, w_l=downward, w_u=upward)
        weights, _, flag, info = self.model.solve()
        n = len(linear)
        return (weights, np.array(info["lam"][n : n + self.n_rows])) if flag > 0 and np.isfinite(weights).all() else None

    def _breaks_a_row(self, low: FloatArray, high: FloatArray) -> bool:
        """Whether some row alone cannot be kept within the box."""
        rows = self.problem.rows
        up, down = np.maximum(rows, 0.0), np.minimum(rows, 0.0)
        most, least = up @ high + down @ low, up @ low + down @ high
        return bool((most < self.problem.row_low - FEASIBLE).any() or (least > self.problem.row_high + FEASIBLE).any())

    def _dual(self, weights: FloatArray, multipliers: FloatArray, prices: Prices) -> tuple[float, FloatArray]:
        """The Lagrangian's constant part, and what every option of every fund adds to it (3, n) at the least."""
        p = self.problem
        curved = self.rest @ weights
        slope = curved + self.linear + multipliers @ p.rows
        held_at = np.where(multipliers > 0, p.row_high, p.row_low)
        constant = self.constant - 0.5 * float(weights @ curved) - float(multipliers[multipliers != 0] @ held_at[multipliers != 0])
        constant -= prices.fund * self.choices.most
        if self.is_limited:
            constant -= prices.trade * (p.max_trade + _TRADED)
        values = np.full_like(self.choices.lows, np.inf)
        buy, sell = p.buy + prices.trade, p.sell + prices.trade
        values[NONE] = buy * np.maximum(-p.current, 0.0) + sell * np.maximum(p.current, 0.0)
        for option in self.taken:
            values[option] = prices.fund + self._least(option, slope, buy, sell)
        return constant, np.where(self.choices.allowed, values, np.inf)

    def _least(self, option: int, slope: FloatArray, buy: FloatArray, sell: FloatArray) -> FloatArray:
        """The least of 1/2 d w^2 + slope w + trading cost over an option's interval, fund by fund."""
        low, high = self.choices.lows[option], self.choices.highs[option]
        own = self.divisor
        if not len(self.kinks):
            at = np.minimum(np.maximum(-slope / own, low), high)
            return 0.5 * self.own * at**2 + slope * at
        current = self.problem.current
        tried = np.clip(np.stack([-(slope + buy) / own, -(slope - sell) / own, current]), low, high)
        trade = tried - current
        return (0.5 * self.own * tried**2 + slope * tried + buy * np.maximum(trade, 0.0) + sell * np.maximum(-trade, 0.0)).min(axis=0)

    def _bound(self, allowed: BoolArray, prices: Prices) -> _Node | None:
        low, high = self.choices.hull(allowed)
        envelope = self._envelope(allowed, prices)
        solved = self._solve(low, high, *envelope)
        if solved is None:
            return None
        weights, multipliers = solved
        constant, values = self._dual(weights, multipliers, prices)
        least = np.where(allowed, values, np.inf).min(axis=0)
        turn = np.where(weights >= 0, envelope[0][0], envelope[0][1])
        part = np.divide(np.abs(weights), turn, out=(np.abs(weights) > 1e-9).astype(float), where=turn > 1e-12)
        held = np.where(allowed[NONE], np.minimum(part, 1.0), 1.0)
        over = float(np.abs(weights - self.problem.current).sum()) - self.problem.max_trade if self.is_limited else -np.inf
        doubt = np.where(allowed[NONE], self._doubt(weights, envelope[1], prices), 0.0)
        bound = (constant + float(least.sum()) - self._rounding(prices)) * self.scale
        beyond = (values - least) * self.scale
        relaxed = Relaxed(bound, weights, held, doubt * self.scale, beyond, prices)
        return _Node(relaxed, values * self.scale, float(held.sum()) - self.choices.most, over)

    def _rounding(self, prices: Prices) -> float:
        """How far prices may lift a bound by rounding alone: at a corner where the turnover is tight they grow without end."""
        return _EPSILON * (prices.trade * self.most_traded + prices.fund * len(self.linear))

    def _doubt(self, weights: FloatArray, slopes: FloatArray, prices: Prices) -> FloatArray:
        """What is charged too little for each fund if it is held, or its own risk that others must bear if not: the lesser."""
        size, is_short = np.abs(weights), weights < 0
        least, slope = (np.where(is_short, side[1], side[0]) for side in (self.least, slopes))
        held = prices.fund + 0.5 * self.own * np.maximum(size, least) ** 2 - slope * size
        return np.maximum(np.minimum(held, 0.5 * self.own * size**2), 0.0)

    def root(self, allowed: BoolArray, prices: Prices) -> Relaxed | None:
        """The best bound at any price of a fund, sought from given ones."""
        return self._priced(allowed, prices, np.inf, _ROOT_STEPS)

    def relax(self, allowed: BoolArray, prices: Prices, enough: float) -> Relaxed | None:
        """Bound a node from its parent's prices, moving them a little where the bound is not yet enough."""
        return self._priced(allowed, prices, enough, _FEW_STEPS)

    def _priced(self, allowed: BoolArray, prices: Prices, enough: float, steps: int) -> Relaxed | None:
        """Move the price of a fund until as many are held as may be, or moving it gains too little of what is missing."""
        best = self._keep_turnover(allowed, prices, enough, _TRADE_STEPS)
        if best is None:
            return None
        node, low, high = best, 0.0, np.inf
        for _ in range(steps):
            if best.relaxed.bound >= enough or not _is_worth_moving(node, (enough - best.relaxed.bound) / self.scale):
                break
            fund = node.relaxed.prices.fund
            low, high = (fund, high) if node.surplus > 0 else (low, fund)
            if high < 1.02 * low:
                break
            fund = self._evening(allowed, node.relaxed.weights)
            if not low < fund < high:
                fund = 4.0 * low if np.isinf(high) else 0.25 * high if low == 0 else float(np.sqrt(low * high))
            moved = self._keep_turnover(allowed, replace(node.relaxed.prices, fund=fund), enough, _TRADE_STEPS)
            if moved is None:
                return None
            node = moved
            best = max(best, node, key=lambda one: one.relaxed.bound)
        return best.relaxed

    def _evening(self, allowed: BoolArray, weights: FloatArray) -> float:
        """The price p of a fund at which these very weights count as many funds as may be held.

        Of weight w is held w / sqrt(2 p / d), at most 1; with part = w sqrt(d / 2), the largest j held wholly and K to be
        held, sqrt(p) is the sum of the other parts over K - j.
        """
        most = self.choices.most - int((~allowed[NONE]).sum())
        part = np.sort((np.abs(weights) * np.sqrt(0.5 * self.own))[allowed[NONE]])[::-1]
        largest = part[:most] if most > 0 else part[:0]
        if not len(largest):
            return 0.0
        roots = np.cumsum(part[::-1])[::-1][:most] / (most - np.arange(len(largest)))
        return float(roots[np.argmax(roots >= largest)] ** 2)

    def promised(self, options: BoolArray) -> Incumbent | None:
        """A bound of the optimum under decided options, off by rounding only, and what every option of every fund would add to it."""
        node = self._keep_turnover(options, Prices(), np.inf, _MANY_STEPS)
        return None if node is None else Incumbent(node.relaxed.bound, node.relaxed.weights, options, node.values)

    def may_reach(self, options: BoolArray, value: float) -> bool:
        """Whether decided options may have an optimum of at most a value: by DAQP on the held funds where nothing bends, else unknown."""
        held = np.flatnonzero(~options[NONE])
        if len(self.kinks) or not len(held):
            return True
        p = self.problem
        taken = options[:, held].argmax(axis=0)
        upper = np.concatenate([self.choices.highs[taken, held], self.row_high])
        lower = np.concatenate([self.choices.lows[taken, held], self.row_low])
        sense = np.where(lower == upper, np.int32(DAQP_EQUALITY), np.int32(0))
        cov, gain, rows = p.cov[held[:, None], held], p.gain[held], np.ascontiguousarray(p.rows[:, held])
        weights, _, flag, _ = daqp.solve(cov, -gain, rows, upper, lower, sense, primal_tol=_STRICT)
        # DAQP's own value counts what it adds to a singular matrix.
        return flag != 1 or float(weights @ (0.5 * cov @ weights - gain)) * self.scale <= value + _NEAR * self.scale

    def exact(self, promised: Incumbent) -> Incumbent | None:
        """The exact optimum under the same options; None where they turn out to contradict the limits."""
        low, high = self.choices.hull(promised.options)
        held = np.flatnonzero((low != 0.0) | (high != 0.0))
        part, offset = restricted(replace(self.problem, low=low, high=high), held)
        try:
            found = optimum_of(part)
        except InfeasibleError:
            return None
        weights = np.zeros(len(low))
        weights[held] = found.weights
        return replace(promised, value=(part.value(found.weights) + offset) * self.scale, weights=weights)

    def _keep_turnover(self, allowed: BoolArray, prices: Prices, enough: float, steps: int) -> _Node | None:
        """Move the price of trading until the turnover limit holds: regula falsi on what is traded beyond it."""
        node = self._bound(allowed, prices)
        if node is None or not self.is_limited:
            return node
        enough = min(enough, self.worst)
        below, above = (node, None) if node.over > 0 else (None, node)
        best = node
        for _ in range(steps):
            if best.relaxed.bound >= enough or abs(node.over) <= _TRADED or (above is not None and above.relaxed.prices.trade == 0.0):
                break
            if node.relaxed.prices.trade * _TRADED * self.scale > self.worst:  # where hardly anything can be traded no price is high enough
                break
            node = self._bound(allowed, replace(prices, trade=_next_trade(below, above)))
            if node is None:
                return None
            below, above = (node, above) if node.over > 0 else (below, node)
            best = max(best, node, key=lambda one: one.relaxed.bound)
        if best.relaxed.bound > self.worst:
            return None
        return best if steps == _TRADE_STEPS else _between(below, above) or best


def restricted(problem: Quadratic, held: IntArray) -> tuple[Quadratic, float]:
    """The problem of funds `held` alone, all others being 0, and what it costs to sell these."""
    gone = np.delete(problem.current, held)
    offset = float(np.delete(problem.buy, held) @ np.maximum(-gone, 0.0) + np.delete(problem.sell, held) @ np.maximum(gone, 0.0))
    cut = {name: getattr(problem, name)[held] for name in ("gain", "low", "high", "current", "buy", "sell")}
    max_trade = problem.max_trade - float(np.abs(gone).sum())
    return replace(problem, cov=problem.cov[np.ix_(held, held)], rows=problem.rows[:, held], max_trade=max_trade, **cut), offset


def _is_worth_moving(node: _Node, missing: float) -> bool:
    """Whether another price of a fund may raise the bound by a fair share of what is missing; by the parabola that `_evening` solves."""
    fund, held = node.relaxed.prices.fund, node.relaxed.held
    if abs(node.surplus) <= _COUNTED or (fund == 0.0 and node.surplus < 0):
        return False
    partly = float(held[held < 1.0].sum()) or 1.0
    return fund == 0.0 or missing == np.inf or node.surplus**2 / partly * fund >= _WORTH_MOVING * missing


def _next_trade(below: _Node | None, above: _Node | None) -> float:
    """A price of trading between one at which too much is traded and one at which not."""
    if below is None:
        return 0.0
    low = below.relaxed.prices.trade
    if above is None:
        return max(4.0 * low, 1e-3)
    high = above.relaxed.prices.trade
    at = low + (high - low) * below.over / (below.over - above.over)
    # Regula falsi alone may creep towards one end.
    return float(min(max(at, low + 0.02 * (high - low)), high - 0.02 * (high - low))) if abs(above.over) > _TRADED else high


def _between(below: _Node | None, above: _Node | None) -> _Node | None:
    """The weights that trade as much as they may, between two that trade too much and too little at nearly the same price."""
    if below is None or above is None or abs(above.over) <= _TRADED:
        return above
    share = below.over / (below.over - above.over)
    weights = below.relaxed.weights + share * (above.relaxed.weights - below.relaxed.weights)
    bound = max(below.relaxed.bound, above.relaxed.bound)
    return replace(above, relaxed=replace(above.relaxed, weights=weights, bound=bound), over=0.0)


def _own_variances(full: FloatArray) -> FloatArray:
    """The d (n,) to split off a positive semidefinite matrix: in proportion to what of each fund no other explains."""
    values, vectors = np.linalg.eigh(full)
    values = np.maximum(values, 1e-12 * values[-1])
    inverse = (vectors / values) @ vectors.T
    own = 1.0 / np.diag(inverse)
    half = np.sqrt(own)
    own /= float(np.linalg.eigvalsh(half[:, None] * inverse * half)[-1])
    return np.where(own > _OWN, own, 0.0)


def _worst(problem: Quadratic, largest: FloatArray) -> float:
    """A value that no portfolio exceeds: a bound above it shows that none keeps the limits."""
    traded = largest + np.abs(problem.current)
    curved = 0.5 * float(largest @ np.abs(problem.cov) @ largest)
    return curved + float(np.abs(problem.gain) @ largest) + float((problem.buy + problem.sell) @ traded)
