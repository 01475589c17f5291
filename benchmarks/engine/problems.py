"""What every contender is asked: a mandate in plain arrays."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import clarabel
import numpy as np
import scipy.sparse as sp

from benchmarks.engine.universes import FloatArray, Universe

CAP = 0.2
COST = 0.005  # one way, on purchases and on sales
HORIZON = 3.0
# Least and most of five groups. Odd on purpose: limits that add up to a corner of the box have many sets of shadow prices.
GROUPS = ((0.041, 0.367), (0.052, 0.333), (0.034, 0.358), (0.057, 0.312), (0.023, 0.341))


@dataclass(frozen=True)
class Task:
    """Maximise mean'w - gamma/2 w'Sw - cost |w - current| / horizon; sum 1, 0 <= w <= cap, five groups within their limits."""

    universe: Universe
    gamma: float
    grouped: bool = True
    cap: float = CAP
    cost: float = 0.0  # a fraction of what is bought or sold, one-off
    current: FloatArray = field(default_factory=lambda: np.zeros(0))
    limits: tuple[tuple[float, float], ...] = GROUPS

    def __post_init__(self) -> None:
        if not len(self.current):
            object.__setattr__(self, "current", np.zeros(len(self.universe)))

    @cached_property
    def groups(self) -> tuple[tuple[str, FloatArray, float, float], ...]:
        """Name, membership (n,), least and most of each of five groups: every fifth fund belongs together."""
        place = np.arange(len(self.universe)) % 5
        return tuple((f"g{i}", (place == i).astype(float), *limits) for i, limits in enumerate(self.limits)) if self.grouped else ()

    @property
    def annual_cost(self) -> float:
        return self.cost / HORIZON

    def utility(self, weights: FloatArray) -> float:
        traded = float(np.abs(weights - self.current).sum()) if self.cost else 0.0
        risk = float(weights @ self.universe.cov @ weights)
        return float(self.universe.mean @ weights) - self.gamma / 2 * risk - self.annual_cost * traded

    def broken(self, weights: FloatArray) -> float:
        """By how much the worst limit is broken."""
        at = [abs(float(weights.sum()) - 1), float(-weights.min()), float(weights.max()) - self.cap]
        for _, member, low, high in self.groups:
            at += [low - float(member @ weights), float(member @ weights) - high]
        return max(*at, 0.0)

    @cached_property
    def rows(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The sum and the groups as rows (m, n) with their lower and upper limits (m,)."""
        rows = [np.ones(len(self.universe)), *(member for _, member, _, _ in self.groups)]
        low = [1.0, *(low for *_, low, _ in self.groups)]
        return np.array(rows), np.array(low), np.array([1.0, *(high for *_, high in self.groups)])

    @cached_property
    def split(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """The same with purchases b and sales s, w = current + b - s: hessian (2n, 2n), linear, rows, their limits, upper bounds.

        Costs above zero keep one of b and s at zero, so box bounds on each are box bounds on w; current must lie within them.
        """
        u, n = self.universe, len(self.universe)
        hessian = self.gamma * np.block([[u.cov, -u.cov], [-u.cov, u.cov]])
        slope = self.gamma * u.cov @ self.current - u.mean
        rows, low, high = self.rows
        moved = rows @ self.current
        linear = np.concatenate([slope, -slope]) + self.annual_cost
        upper = np.concatenate([self.cap - self.current, self.current])
        assert (upper >= 0).all() and n == len(self.current)
        return hessian, linear, np.hstack([rows, -rows]), low - moved, high - moved, upper


def clarabel_problem(task: Task) -> tuple[tuple[Any, ...], Callable[[FloatArray], FloatArray]]:
    """The arguments of a Clarabel solver and the way back from its answer to weights."""
    rows, low, high = task.rows
    n = len(task.universe)
    if task.cost:
        hessian, linear, rows, low, high, upper = task.split
        size = 2 * n

        def back(x: FloatArray) -> FloatArray:
            return task.current + x[:n] - x[n:]
    else:
        hessian, linear, upper, size = task.gamma * task.universe.cov, -task.universe.mean, np.full(n, task.cap), n

        def back(x: FloatArray) -> FloatArray:
            return x

    eye = sp.identity(size, format="csc")
    a = sp.vstack([sp.csc_matrix(rows[:1]), sp.csc_matrix(rows[1:]), -sp.csc_matrix(rows[1:]), eye, -eye], format="csc")
    b = np.concatenate([low[:1], high[1:], -low[1:], upper, np.zeros(size)])
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(len(b) - 1)]
    return (sp.csc_matrix(np.triu(hessian)), linear, a, b, cones), back


def holdings(n: int, random: np.random.Generator) -> FloatArray:
    """Weights (n,) of somebody who holds eight funds, none above the cap."""
    some = random.dirichlet(np.full(8, 5.0))
    while some.max() > CAP + 1e-15:
        some = np.minimum(some, CAP)
        some += (1 - some.sum()) * (CAP - some) / (CAP - some).sum()
    weights = np.zeros(n)
    weights[random.permutation(n)[:8]] = np.minimum(some, CAP)
    return weights


def investors(universe: Universe, count: int, grouped: bool) -> list[Task]:
    """So many people with an own risk aversion from 2 to 50 and own holdings, who pay 50 bp to buy and to sell."""
    random = np.random.default_rng(20261123)
    gammas = np.exp(random.uniform(np.log(2), np.log(50), count))
    return [Task(universe, float(gamma), grouped, cost=COST, current=holdings(len(universe), random)) for gamma in gammas]
