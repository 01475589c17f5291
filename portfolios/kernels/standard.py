"""A mandate on moments in standard form: the arrays that every executor shares, and the name of each limit in them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.mandate import Mandate
from portfolios.kernels.moments import pick
from portfolios.kernels.types import FloatArray, Moments

_ON_BOUND = 1e-12  # a holding this near to a bound lies on it


@dataclass(frozen=True)
class Quadratic:
    """min 1/2 w'Sw - gain'w + buy'(w - current)+ + sell'(current - w)+, with its limits; shapes (n, n), (n,), (m, n).

    Limits: row_low <= rows @ w <= row_high (the first row is the sum), low <= w <= high, sum |w - current| <= max_trade.
    """

    cov: FloatArray
    gain: FloatArray
    rows: FloatArray
    row_low: FloatArray
    row_high: FloatArray
    low: FloatArray
    high: FloatArray
    current: FloatArray
    buy: FloatArray
    sell: FloatArray
    max_trade: float = np.inf

    @cached_property
    def limits_trade(self) -> bool:
        """Whether sum |w - current| is limited."""
        return math.isfinite(self.max_trade)

    @cached_property
    def has_kinks(self) -> bool:
        """Whether trading from `current` costs anything or is limited: the objective then bends there."""
        return bool(self.limits_trade or self.buy.any() or self.sell.any())

    @cached_property
    def largest_variance(self) -> float:
        """The largest variance, 1 where there is none."""
        return float(self.cov.diagonal().max()) or 1.0

    @cached_property
    def size(self) -> float:
        """The largest variance, gain or cost, by which rounding is measured; 1 where there is none."""
        largest = (self.cov.diagonal().max(), np.abs(self.gain).max(), self.buy.max(), self.sell.max())
        return float(max(largest)) or 1.0

    @cached_property
    def lower(self) -> FloatArray:
        """Lower limits of the funds, then of the rows (n + m,)."""
        return np.concatenate([self.low, self.row_low])

    @cached_property
    def upper(self) -> FloatArray:
        """Upper limits of the funds, then of the rows (n + m,)."""
        return np.concatenate([self.high, self.row_high])

    @cached_property
    def is_fixed(self) -> NDArray[np.bool_]:
        """Which funds, then rows (n + m,) have but one value."""
        return self.lower == self.upper

    def scaled(self, theta: float) -> "Quadratic":
        """The problem with gain and costs, but not the variance, theta times as large."""
        limits = (self.rows, self.row_low, self.row_high, self.low, self.high, self.current)
        return Quadratic(self.cov, theta * self.gain, *limits, theta * self.buy, theta * self.sell, self.max_trade)

    def value(self, weights: FloatArray) -> float:
        """The objective at weights (n,)."""
        trade = weights - self.current
        costs = float(self.buy @ np.maximum(trade, 0.0) + self.sell @ np.maximum(-trade, 0.0))
        return 0.5 * float(weights @ self.cov @ weights) - float(self.gain @ weights) + costs


@dataclass(frozen=True)
class Standard:
    """A mandate's arrays at risk tolerance 1, and the name of the limit behind each row (m,) and each bound (n,).

    `unit.gain` is the mean and `unit.buy`, `unit.sell` are costs a year. `at(theta)` scales them by a risk tolerance
    theta = 1/gamma: so the least variance is theta = 0, and a path over theta is the efficient frontier. An infinite bound
    has the name of the limit that would be there. A `target_return` is the last row.
    """

    mandate: Mandate
    moments: Moments
    unit: Quadratic
    row_names: tuple[str, ...]
    low_names: tuple[str, ...]
    high_names: tuple[str, ...]

    def at(self, theta: float) -> Quadratic:
        return self.unit.scaled(theta)

    def costs(self, weights: FloatArray) -> float:
        """One-off cost of trading from the current weights, a fraction of wealth."""
        unit = self.unit
        if not unit.has_kinks:
            return 0.0
        trade = weights - unit.current
        a_year = float(unit.buy @ np.maximum(trade, 0.0) + unit.sell @ np.maximum(-trade, 0.0))
        return a_year * self.mandate.horizon_years


def standardise(moments: Moments, mandate: Mandate) -> Standard:
    """Lay a mandate's linear limits, costs and turnover limit out as arrays in the order of the fund codes.

    Not in it: `cvar_limit`, `target_volatility`, `robust`, `max_funds`, `min_weight_if_held`, which are not linear. Where
    several limits bound a fund at one value, a legal one gives its name. Bounds may cross: then no portfolio keeps them.
    Raises DataError naming a fund without moments.
    """
    moments = pick(moments, mandate.funds)
    funds = mandate.funds
    rows, row_low, row_high, row_names = _rows(moments, mandate)
    low, high, low_names, high_names = _bounds(mandate)
    unit = Quadratic(
        cov=moments.cov,
        gain=moments.mean,
        rows=rows,
        row_low=row_low,
        row_high=row_high,
        low=low,
        high=high,
        current=_current(mandate, low, high),
        buy=_by_fund(mandate.buy_cost, funds) / mandate.horizon_years,
        sell=_by_fund(mandate.sell_cost, funds) / mandate.horizon_years,
        max_trade=np.inf if mandate.max_turnover is None else 2.0 * mandate.max_turnover,
    )
    return Standard(mandate, moments, unit, row_names, low_names, high_names)


def _by_fund(given: Mapping[str, float], funds: tuple[str, ...]) -> FloatArray:
    """Numbers in the order of the funds, 0 where none is given."""
    return np.array([given.get(fund, 0.0) for fund in funds]) if given else np.zeros(len(funds))


def _current(mandate: Mandate, low: FloatArray, high: FloatArray) -> FloatArray:
    """What is held; a holding of 1e-17 lies on the bound: a bend of the costs there would be nearer to it than rounding."""
    if not mandate.current:
        return np.zeros(len(low))
    current = _by_fund(mandate.current, mandate.funds)
    current = np.where(np.abs(current - low) <= _ON_BOUND, low, current)
    return np.where(np.abs(current - high) <= _ON_BOUND, high, current)


def _rows(moments: Moments, mandate: Mandate) -> tuple[FloatArray, FloatArray, FloatArray, tuple[str, ...]]:
    groups, place = mandate.groups, {fund: i for i, fund in enumerate(mandate.funds)}
    names = ["sum", *(f"group:{group.name}" for group in groups)]
    low = [1.0, *(-math.inf if group.min is None else group.min for group in groups)]
    high = [1.0, *(math.inf if group.max is None else group.max for group in groups)]
    if mandate.target_return is not None:
        names.append("target_return")
        low.append(mandate.target_return)
        high.append(math.inf)
    rows = np.zeros((len(names), len(place)))
    rows[0] = 1.0
    of_row = [i for i, group in enumerate(groups, start=1) for _ in group.funds]
    rows[of_row, [place[fund] for group in groups for fund in group.funds]] = 1.0
    if mandate.target_return is not None:
        rows[-1] = moments.mean
    return rows, np.array(low), np.array(high), tuple(names)


def _bounds(mandate: Mandate) -> tuple[FloatArray, FloatArray, tuple[str, ...], tuple[str, ...]]:
    """The tightest of all that bounds each fund alone; chosen limits first, so that a legal one at the same value gives its name."""
    funds = mandate.funds
    place = {fund: i for i, fund in enumerate(funds)}
    default: tuple[float, float] = mandate.default_bounds  # type: ignore[assignment]  # the mandate fills it in
    low, high = [default[0]] * len(funds), [default[1]] * len(funds)
    for fund, (own_low, own_high) in mandate.bounds.items():
        low[place[fund]], high[place[fund]] = own_low, own_high
    low_names, high_names = [f"fund:{fund}:min" for fund in funds], [f"fund:{fund}:max" for fund in funds]

    def bound(fund: str, name: str, least: float | None, most: float | None) -> None:
        i, legal = place[fund], mandate.is_legal(name)
        if least is not None and (least > low[i] or (legal and least == low[i])):
            low[i], low_names[i] = least, name
        if most is not None and (most < high[i] or (legal and most == high[i])):
            high[i], high_names[i] = most, name

    for fund, name, least, most in sorted(_single_fund_limits(mandate), key=lambda limit: mandate.is_legal(limit[1])):
        bound(fund, name, least, most)
    if mandate.long_only:  # legal, and for every fund: the last, and without a call for each
        for i, least in enumerate(low):
            if least <= 0.0:
                low[i], low_names[i] = 0.0, "long_only"
    return np.array(low), np.array(high), tuple(low_names), tuple(high_names)


def _single_fund_limits(mandate: Mandate) -> list[tuple[str, str, float | None, float | None]]:
    """(fund, limit name, least, most) of every limit besides its own bounds and `long_only` that concerns one fund alone."""
    found: list[tuple[str, str, float | None, float | None]] = []
    found += [(fund, f"locked:{fund}", weight, weight) for fund, weight in mandate.locked.items()]
    found += [(fund, f"excluded:{fund}", 0.0, 0.0) for fund in mandate.excluded]
    if mandate.cash is not None:
        found.append((mandate.cash[0], "cash", mandate.cash[1], None))
    if mandate.max_grade is not None:
        found += [(fund, "max_grade", 0.0, 0.0) for fund in mandate.funds if mandate.risk_grades[fund] > mandate.max_grade]
    return found
