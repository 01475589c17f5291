"""The same task put to Hengtou through its public door: moments and a mandate in, a checked and explained solution out.

Kernels are looked up by name, so that a run on an older checkout says what it lacks instead of stopping.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.engine.peers import Solve
from benchmarks.engine.problems import COST, HORIZON, Task
from benchmarks.engine.race import WrongAnswerError
from benchmarks.engine.universes import FloatArray, NotHereError, Universe
from portfolios.kernels.mandate import Group, Mandate
from portfolios.kernels.types import Moments


def kernel(module: str, function: str) -> Any:
    try:
        return getattr(importlib.import_module(f"portfolios.kernels.{module}"), function)
    except (ModuleNotFoundError, AttributeError) as missing:
        raise NotHereError(f"this checkout has no portfolios.kernels.{module}.{function}") from missing


def moments_of(universe: Universe) -> Moments:
    return Moments(universe.codes, universe.mean, universe.cov)


def mandate_of(task: Task, **more: object) -> Mandate:
    """The task as a person would write it down: by fund code, groups by name."""
    codes = task.universe.codes
    settings: dict[str, object] = {
        "funds": codes,
        "risk_aversion": task.gamma,
        "default_bounds": (0.0, task.cap),
        "groups": tuple(
            Group(name, tuple(code for code, belongs in zip(codes, member, strict=True) if belongs), low, high)
            for name, member, low, high in task.groups
        ),
        "horizon_years": HORIZON,
    }
    if task.cost:
        cost = dict.fromkeys(codes, task.cost)
        settings |= {"buy_cost": cost, "sell_cost": cost, "current": dict(zip(codes, task.current.tolist(), strict=True))}
    return Mandate(**(settings | more))  # type: ignore[arg-type]


def _in_order_of(universe: Universe, codes: Sequence[str]) -> np.ndarray:
    place = {code: i for i, code in enumerate(codes)}
    return np.array([place[code] for code in universe.codes])


def one_solve(task: Task, **more: object) -> Solve:
    """A mandate and moments in memory to a proven, explained solution; the mandate is written anew for each solve."""
    solve = kernel("solve", "solve")
    moments = moments_of(task.universe)
    order = _in_order_of(task.universe, sorted(task.universe.codes))
    return lambda: solve(moments, mandate_of(task, **more)).weights[order]


def batch(tasks: Sequence[Task]) -> Callable[[], FloatArray]:
    """All investors of one universe in one call, from the mandate and moments; every answer must come back proven."""
    solve_batch, of_investors = kernel("batch", "solve_batch"), kernel("batch", "Investors")
    standardise = kernel("standard", "standardise")
    universe = tasks[0].universe
    moments, mandate = moments_of(universe), replace(mandate_of(tasks[0]), current={})
    order = _in_order_of(universe, mandate.funds)
    theta = 1 / np.array([task.gamma for task in tasks])
    current = np.empty((len(tasks), len(universe)))
    current[:, order] = [task.current for task in tasks]
    assert all(task.cost == COST and task.grouped == tasks[0].grouped for task in tasks)

    def solve() -> FloatArray:
        found = solve_batch(standardise(moments, mandate), of_investors(theta, current, np.full(len(tasks), HORIZON)))
        if not found.proven.all():
            raise WrongAnswerError(f"{(~found.proven).sum()} of {len(tasks)} answers of the batch are not proven")
        return np.asarray(found.weights[:, order])

    return solve


def frontier(task: Task) -> Callable[[], tuple[FloatArray, FloatArray]]:
    """Every turning point as (1/gamma (k,), weights (k, n))."""
    exact_frontier = kernel("frontier", "exact_frontier")
    moments, mandate = moments_of(task.universe), mandate_of(task)
    order = _in_order_of(task.universe, mandate.funds)

    def solve() -> tuple[FloatArray, FloatArray]:
        found = exact_frontier(moments, mandate)
        return found.thetas, found.weights[:, order]

    return solve


def explanation(task: Task) -> Callable[[], list[tuple[str, float]]]:
    """Which limits to relax, and by how much, where no portfolio keeps the mandate."""
    explain = kernel("explain", "explain")
    moments = moments_of(task.universe)
    return lambda: [(one.limit, one.by) for one in explain(moments, mandate_of(task)).relax]
