"""What a solution says of itself: its figures, its costs, and which limits bind at what price."""

from collections.abc import Iterator

import numpy as np

from portfolios.kernels.active_set import Optimum
from portfolios.kernels.risk import NORMAL_CVAR_95, figures
from portfolios.kernels.standard import Standard
from portfolios.kernels.types import Binding, FloatArray, Solution

_BINDS = 1e-9  # a limit this near holds with equality


def solution_of(standard: Standard, optimum: Optimum, theta: float, solver: str) -> Solution:
    """Return the solution that an optimum of `standard.at(theta)` is to the mandate, with every limit that binds.

    `theta` is the risk tolerance on the efficient path where the mandate's own objective has its optimum: 1/risk_aversion
    for utility, 0 for the least variance, and wherever the root of max_sharpe, target_volatility or cvar_limit lies. A
    shadow price is the derivative of the printed objective: the optimum's prices times what one unit of
    1/2 w'Sw - theta (mean'w - costs a year) is worth in it.
    """
    mandate, weights = standard.mandate, optimum.weights
    expected_return, volatility, cvar = figures(standard.moments, weights)
    costs = standard.costs(weights)
    net = expected_return - costs / mandate.horizon_years
    objective = objective_of(standard, net, volatility)
    cvar_binds = mandate.cvar_limit is not None and cvar >= mandate.cvar_limit - _BINDS
    cvar_price = _cvar_price(standard, theta, volatility) if cvar_binds else 0.0
    worth = _worth(standard, theta, volatility, cvar_price)
    binding = [*_linear_bindings(standard, optimum, worth)]
    if mandate.target_volatility is not None and volatility >= mandate.target_volatility - _BINDS:
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
        gains, steepness = (own if abs(own) > 1e-12 else 0.0), theta * NORMAL_CVAR_95 / volatility - 1.0
    elif mandate.kind == "target_volatility":
        binds = volatility < float(mandate.target_volatility or 0.0) - _BINDS
        gains, steepness = float(binds), theta * NORMAL_CVAR_95 / volatility - 1.0
    else:
        gains, steepness = 2.0 * theta, 1.0 - theta * NORMAL_CVAR_95 / volatility
    if gains == 0.0:
        return 0.0
    return gains / steepness if abs(steepness) > 1e-9 else None


def _worth(standard: Standard, theta: float, volatility: float, cvar_price: float | None) -> float | None:
    """What one unit of the path's own objective is worth in the printed one."""
    kind = standard.mandate.kind
    if cvar_price:
        base = {"utility": float(standard.mandate.risk_aversion or 0.0), "target_volatility": 0.0}.get(kind, 2.0)
        return base + cvar_price * NORMAL_CVAR_95 / volatility
    if cvar_price is None:
        return None
    if kind in ("min_volatility", "target_return"):
        return 2.0
    return 1.0 / (theta * volatility) if kind == "max_sharpe" else 1.0 / theta


def _linear_bindings(standard: Standard, optimum: Optimum, worth: float | None) -> Iterator[Binding]:
    """Every linear limit that holds with equality: rows, then what bounds single funds, last the turnover limit."""
    prices: dict[str, float] = {}
    for name, price in (*_binding_rows(standard, optimum), *_binding_funds(standard, optimum)):
        prices[name] = prices.get(name, 0.0) + max(price, 0.0)
    unit = standard.unit
    if np.isfinite(unit.max_trade) and np.abs(optimum.weights - unit.current).sum() >= unit.max_trade - _BINDS:
        prices["turnover"] = 2.0 * optimum.trade_price
    for name, price in prices.items():
        yield Binding(name, None if worth is None else price * worth)


def _binding_rows(standard: Standard, optimum: Optimum) -> Iterator[tuple[str, float]]:
    unit = standard.unit
    at_rows: FloatArray = unit.rows @ optimum.weights
    at_low, at_high = at_rows <= unit.row_low + _BINDS, at_rows >= unit.row_high - _BINDS
    for i in np.flatnonzero(at_low | at_high):
        name, price = standard.row_names[i], float(optimum.row_prices[i])
        if name in ("sum", "target_return"):
            yield name, abs(price) if name == "sum" else price
        elif at_low[i] and (price > 0.0 or not at_high[i]):
            yield f"{name}:min", price
        else:
            yield f"{name}:max", -price


def _binding_funds(standard: Standard, optimum: Optimum) -> Iterator[tuple[str, float]]:
    unit, weights = standard.unit, optimum.weights
    at_low, at_high = weights <= unit.low + _BINDS, weights >= unit.high - _BINDS
    for i in np.flatnonzero(at_low | at_high):
        if at_low[i] and (not at_high[i] or optimum.high_prices[i] == 0.0):
            yield standard.low_names[i], float(optimum.low_prices[i])
        else:
            yield standard.high_names[i], float(optimum.high_prices[i])
