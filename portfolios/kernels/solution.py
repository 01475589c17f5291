"""What a solution says of itself: its figures, its costs, and which limits bind at what price."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from portfolios.kernels.faces import Optimum
from portfolios.kernels.prices import BINDS, Limit, is_corner, least_prices
from portfolios.kernels.risk import NORMAL_CVAR_95, figures
from portfolios.kernels.standard import Quadratic, Standard
from portfolios.kernels.types import Binding, FloatArray, Solution


def solution_of(standard: Standard, optimum: Optimum, theta: float, solver: str) -> Solution:
    """Return the solution that an optimum of `standard.at(theta)` is to the mandate, with every limit that binds.

    `theta` is the risk tolerance on the efficient path where the mandate's own objective has its optimum: 1/risk_aversion
    for utility, 0 for the least variance, and wherever the root of max_sharpe, target_volatility or cvar_limit lies; 0 for
    a target volatility that leaves nothing but the least variance, where no price has a bound. A
    shadow price is the derivative of the printed objective: the optimum's prices times what one unit of
    1/2 w'Sw - theta (mean'w - costs a year) is worth in it.
    """
    mandate, weights = standard.mandate, optimum.weights
    expected_return, volatility, cvar = figures(standard.moments, weights)
    costs = standard.costs(weights)
    net = expected_return - costs / mandate.horizon_years
    objective = objective_of(standard, net, volatility)
    cvar_binds = mandate.cvar_limit is not None and cvar >= mandate.cvar_limit - BINDS
    cvar_price = _cvar_price(standard, theta, volatility) if cvar_binds else 0.0
    worth = _worth(standard, theta, volatility, cvar_price)
    risk_binds = mandate.target_volatility is not None and volatility >= mandate.target_volatility - BINDS
    return_alone = mandate.kind == "target_volatility" and not risk_binds and cvar_price == 0.0
    problem = _priced(standard, theta, return_alone=return_alone)
    binding = [*linear_bindings(standard, optimum, problem, worth, is_ambiguous=_is_ambiguous(standard, optimum, problem))]
    if risk_binds:
        binding.append(Binding("target_volatility", volatility / theta if theta else None))
    if cvar_binds:
        binding.append(Binding("cvar", cvar_price))
    return Solution(
        codes=mandate.funds,
        weights=weights,
        objective=objective,
        expected_return=expected_return,
        costs=costs,
        volatility=volatility,
        cvar=cvar,
        gamma=1.0 / theta if theta > 0 else None,
        binding=tuple(binding),
        gap=optimum.residual,
        solver=solver,
        notes=standard.moments.notes,
    )


def objective_of(standard: Standard, net: float, volatility: float) -> float:
    mandate = standard.mandate
    if mandate.kind == "utility":
        return net - float(mandate.risk_aversion or 0.0) / 2.0 * volatility**2
    if mandate.kind == "max_sharpe":
        return (net - float(mandate.risk_free or 0.0)) / volatility
    return net if mandate.kind == "target_volatility" else volatility**2


def _cvar_price(standard: Standard, theta: float, volatility: float) -> float | None:
    """What 1.00 more of the CVaR limit gains; 0 where it does not bind, None where no other portfolio keeps the limit.

    By the optimality conditions of the mandate with the limit's multiplier, whose optimum is the path's at theta.
    """
    mandate = standard.mandate
    if mandate.kind == "utility":
        own = 1.0 - theta * float(mandate.risk_aversion or 0.0)
        gains = own if abs(own) > 1e-12 else 0.0
    elif mandate.kind == "target_volatility":
        gains = float(volatility < float(mandate.target_volatility or 0.0) - BINDS)
    else:
        gains = -2.0 * theta
    if gains == 0.0:
        return 0.0
    if volatility == 0.0:
        return None
    steepness = theta * NORMAL_CVAR_95 / volatility - 1.0
    return gains / steepness if abs(steepness) > 1e-9 else None


def _worth(standard: Standard, theta: float, volatility: float, cvar_price: float | None) -> float | None:
    """What one unit of the path's own objective is worth in the printed one; None where that has no bound."""
    kind = standard.mandate.kind
    if cvar_price:
        base = {"utility": float(standard.mandate.risk_aversion or 0.0), "target_volatility": 0.0}.get(kind, 2.0)
        return base + cvar_price * NORMAL_CVAR_95 / volatility
    if kind in ("min_volatility", "target_return") and cvar_price is not None:
        return 2.0
    if cvar_price is None or theta == 0.0:
        return None
    return 1.0 / (theta * volatility) if kind == "max_sharpe" else 1.0 / theta


def linear_bindings(
    standard: Standard, optimum: Optimum, problem: Quadratic, worth: float | None, *, is_ambiguous: bool
) -> Iterator[Binding]:
    """Every linear limit that holds with equality: rows, then what bounds single funds, last the turnover limit.

    `problem` is the one the optimum solves, one unit of which is worth `worth` in the mandate's objective; where the
    optimum's own multipliers are ambiguous its prices are found by linear programmes.
    """
    names: dict[str, list[Limit]] = {}
    sums: dict[str, float] = {}
    for name, limit, price in _binding_limits(standard, optimum):
        names.setdefault(name, []).append(limit)
        sums[name] = sums.get(name, 0.0) + (price if price > 0.0 else 0.0)
    prices = least_prices(problem, optimum.weights, names) if is_ambiguous else None
    if prices is None:
        prices = sums
    for name, price in prices.items():
        factor = 2.0 if name == "turnover" else 1.0  # max_turnover is half of what the problem limits
        yield Binding(name, None if worth is None else factor * price * worth)


def _binding_limits(standard: Standard, optimum: Optimum) -> Iterator[tuple[str, Limit, float]]:
    """Name, limit and price of all limits that hold; of a pair of equal limits the side whose price is above 0."""
    unit, weights = standard.unit, optimum.weights
    at_rows: FloatArray = unit.rows @ weights
    at_low, at_high = (at_rows <= unit.row_low + BINDS).tolist(), (at_rows >= unit.row_high - BINDS).tolist()
    for i, price in enumerate(optimum.row_prices.tolist()):
        if not (at_low[i] or at_high[i]):
            continue
        name = standard.row_names[i]
        side = "row_low" if at_low[i] and (price > 0.0 or not at_high[i]) else "row_high"
        bare = name in ("sum", "target_return")
        full = name if bare else f"{name}:{'min' if side == 'row_low' else 'max'}"
        yield full, (side, i), price if side == "row_low" else -price
    at_low, at_high = (weights <= unit.low + BINDS).tolist(), (weights >= unit.high - BINDS).tolist()
    for i, (low_price, high_price) in enumerate(zip(optimum.low_prices.tolist(), optimum.high_prices.tolist(), strict=True)):
        if at_low[i] and (not at_high[i] or high_price == 0.0):
            yield standard.low_names[i], ("low", i), low_price
        elif at_high[i]:
            yield standard.high_names[i], ("high", i), high_price
    if unit.limits_trade and np.abs(weights - unit.current).sum() >= unit.max_trade - BINDS:
        yield "turnover", ("turnover", 0), optimum.trade_price


def _is_ambiguous(standard: Standard, optimum: Optimum, problem: Quadratic) -> bool:
    """Whether the optimum's prices are not those of the limits: at a corner, and where the problem is not the path's own."""
    return problem.cov is not standard.unit.cov or is_corner(problem, optimum.weights)


def _priced(standard: Standard, theta: float, *, return_alone: bool) -> Quadratic:
    """The problem whose multipliers are the prices: with the costs that count, and without variance where none is limited."""
    problem = standard.at(theta)
    if standard.mandate.kind in ("min_volatility", "target_return"):
        problem = replace(problem, buy=0.0 * problem.buy, sell=0.0 * problem.sell)
    return replace(problem, cov=np.zeros_like(problem.cov)) if return_alone else problem
