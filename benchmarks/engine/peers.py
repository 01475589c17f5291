"""The same task put to other packages through their public doors, from moments in memory, labelled by fund code.

Each function takes a task, prepares what a user would keep between calls (labelled frames, group maps), and returns a
function that solves once and returns weights (n,) in the universe's order. NotHereError where the package is not installed
or has no such mandate.
"""

import importlib
import logging
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.engine.problems import Task
from benchmarks.engine.universes import FloatArray, NotHereError

Solve = Callable[[], FloatArray]


def package(name: str) -> ModuleType:
    """Import a package that is only for benchmarks, or say that it is not here."""
    logging.getLogger("distributed").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as missing:
        raise NotHereError("not installed") from missing


def pypfopt(task: Task) -> Solve:
    """PyPortfolioOpt: EfficientFrontier, sector limits, its transaction cost as a further objective, quadratic utility."""
    package("pypfopt")
    from pypfopt import EfficientFrontier, objective_functions

    u = task.universe
    mean, cov = pd.Series(u.mean, u.codes), pd.DataFrame(u.cov, u.codes, u.codes)
    sectors = {code: name for name, member, _, _ in task.groups for code, belongs in zip(u.codes, member, strict=True) if belongs}
    least, most = {name: low for name, _, low, _ in task.groups}, {name: high for name, *_, high in task.groups}

    def solve() -> FloatArray:
        frontier = EfficientFrontier(mean, cov, weight_bounds=(0, task.cap))
        if task.groups:
            frontier.add_sector_constraints(sectors, least, most)
        if task.cost:
            frontier.add_objective(objective_functions.transaction_cost, w_prev=task.current, k=task.annual_cost)
        found = frontier.max_quadratic_utility(risk_aversion=task.gamma)
        return np.array([found[code] for code in u.codes])

    return solve


def _given_moments(task: Task) -> Any:
    """A skfolio prior that hands over the task's moments and estimates nothing, and the two days of returns it asks for."""
    package("skfolio")
    from skfolio.prior import BasePrior, ReturnDistribution

    class Given(BasePrior):  # type: ignore[misc]
        def __init__(self, mean: Any = None, cov: Any = None) -> None:
            self.mean, self.cov = mean, cov

        def fit(self, X: Any, y: Any = None, **_: Any) -> Any:
            self.return_distribution_ = ReturnDistribution(mu=self.mean, covariance=self.cov, returns=np.asarray(X))
            return self

    u = task.universe
    return Given(u.mean, u.cov), pd.DataFrame(u.returns[:2], columns=list(u.codes))


def skfolio(task: Task, **more: Any) -> Solve:
    """skfolio: MeanRisk, utility, groups as written constraints, proportional costs; its prior given the moments."""
    settings, days = _skfolio_settings(task)
    from skfolio.optimization import MeanRisk, ObjectiveFunction

    def solve() -> FloatArray:
        # It maximises mean - risk_aversion x variance, without our half.
        model = MeanRisk(objective_function=ObjectiveFunction.MAXIMIZE_UTILITY, risk_aversion=task.gamma / 2, **settings, **more)
        return np.asarray(model.fit(days).weights_)

    return solve


def skfolio_frontier(task: Task, points: int) -> Callable[[], FloatArray]:
    """skfolio's efficient frontier of so many points, (points, n), evenly spaced in return."""
    settings, days = _skfolio_settings(task)
    from skfolio.optimization import MeanRisk, ObjectiveFunction

    def solve() -> FloatArray:
        model = MeanRisk(objective_function=ObjectiveFunction.MINIMIZE_RISK, efficient_frontier_size=points, **settings)
        return np.asarray(model.fit(days).weights_)

    return solve


def _skfolio_settings(task: Task) -> tuple[dict[str, Any], pd.DataFrame]:
    prior, days = _given_moments(task)
    from skfolio import RiskMeasure

    settings: dict[str, Any] = {
        "risk_measure": RiskMeasure.VARIANCE,
        "min_weights": 0.0,
        "max_weights": task.cap,
        "prior_estimator": prior,
    }
    if task.groups:
        codes = task.universe.codes
        settings["groups"] = {code: [name for name, member, _, _ in task.groups if member[i]] for i, code in enumerate(codes)}
        settings["linear_constraints"] = [line for name, _, low, high in task.groups for line in (f"{name} >= {low}", f"{name} <= {high}")]
    if task.cost:
        settings |= {"transaction_costs": task.annual_cost, "previous_weights": task.current}
    return settings, days


def riskfolio(task: Task) -> Solve:
    """Riskfolio-Lib: Portfolio with its moments set, groups as rows A w <= b; it has no proportional costs."""
    if task.cost:
        package("riskfolio")
        raise NotHereError("has no proportional costs")
    model, settings = riskfolio_model(task)

    def solve() -> FloatArray:
        for name, value in settings.items():
            setattr(model, name, value)
        found = model.optimization(model="Classic", rm="MV", obj="Utility", rf=0, l=task.gamma / 2, hist=True)
        if found is None:
            raise ValueError("prints that there is no solution and returns None")
        return np.asarray(found["weights"])

    return solve


def riskfolio_model(task: Task) -> tuple[Any, dict[str, Any]]:
    portfolio = package("riskfolio").Portfolio
    u = task.universe
    codes = list(u.codes)
    model = portfolio(returns=pd.DataFrame(u.returns, columns=codes))
    settings: dict[str, Any] = {
        "mu": pd.DataFrame(u.mean[None], columns=codes),
        "cov": pd.DataFrame(u.cov, codes, codes),
        "upperlng": task.cap,
    }
    if task.groups:
        rows = np.vstack([sign * member for _, member, _, _ in task.groups for sign in (1.0, -1.0)])
        limits = [limit for _, _, low, high in task.groups for limit in (high, -low)]
        settings |= {"ainequality": rows, "binequality": np.array(limits)[:, None]}
    return model, settings


def cvxpy_rebuilt(task: Task) -> Solve:
    """cvxpy as most programmes use it: the problem is written and compiled for each solve."""
    import cvxpy as cp

    u = task.universe

    def solve() -> FloatArray:
        w = cp.Variable(len(u))
        gain = u.mean @ w - task.gamma / 2 * cp.quad_form(w, cp.psd_wrap(u.cov))
        if task.cost:
            gain = gain - task.annual_cost * cp.norm1(w - task.current)
        limits = [cp.sum(w) == 1, w >= 0, w <= task.cap]
        for _, member, low, high in task.groups:
            limits += [member @ w >= low, member @ w <= high]
        cp.Problem(cp.Maximize(gain), limits).solve(solver=cp.CLARABEL)
        return np.asarray(w.value)

    return solve


def cvxpy_reused(task: Task) -> Solve:
    """cvxpy compiled once (DPP): mean, holdings and risk aversion are parameters, the covariance stays as it is."""
    solve = cvxpy_reused_many(task)
    return lambda: solve(task)


def cvxpy_reused_many(task: Task) -> Callable[[Task], FloatArray]:
    """The same for everybody on one universe under one box and groups."""
    import cvxpy as cp

    u = task.universe
    w, trade = cp.Variable(len(u)), cp.Variable(len(u))
    mean, current, cost = cp.Parameter(len(u)), cp.Parameter(len(u)), cp.Parameter(nonneg=True)
    gain = mean @ w - 0.5 * cp.quad_form(w, cp.psd_wrap(u.cov))  # all divided by the risk aversion
    limits = [cp.sum(w) == 1, w >= 0, w <= task.cap]
    if task.cost:
        gain = gain - cost * cp.norm1(trade)
        limits += [trade == w - current]
    for _, member, low, high in task.groups:
        limits += [member @ w >= low, member @ w <= high]
    problem = cp.Problem(cp.Maximize(gain), limits)

    def solve(who: Task) -> FloatArray:
        mean.value, cost.value, current.value = u.mean / who.gamma, who.annual_cost / who.gamma, who.current
        problem.solve(solver=cp.CLARABEL)
        return np.array(w.value)

    return solve
