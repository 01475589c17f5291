"""What a portfolio must respect, checked when it is written down."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from portfolios.kernels.errors import DataError, InfeasibleError


@dataclass(frozen=True)
class Group:
    """Funds whose weights together stay between `min` and `max`; groups may overlap."""

    name: str
    funds: tuple[str, ...]
    min: float = 0.0
    max: float = 1.0


@dataclass(frozen=True)
class Mandate:
    """Maximise mean - risk_aversion/2 variance - buy costs / horizon, weights summing to 1 within bounds and groups.

    Everything is labelled by fund code, never by position. Raises DataError naming the fund or group that is wrong, and
    InfeasibleError where the bounds alone cannot sum to 1.
    """

    funds: tuple[str, ...]
    risk_aversion: float
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    default_bounds: tuple[float, float] = (0.0, 1.0)
    groups: tuple[Group, ...] = ()
    buy_cost: Mapping[str, float] = field(default_factory=dict)
    horizon_years: float = 3.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "funds", tuple(sorted(self.funds)))
        self._check_labels()
        if not (math.isfinite(self.risk_aversion) and self.risk_aversion > 0):
            raise DataError("risk_aversion_not_positive", value=self.risk_aversion)
        if not (math.isfinite(self.horizon_years) and self.horizon_years > 0):
            raise DataError("horizon_not_positive", value=self.horizon_years)
        for fund, cost in self.buy_cost.items():
            if not (math.isfinite(cost) and cost >= 0):
                raise DataError("cost_negative", fund=fund, value=cost)
        for fund in self.funds:
            low, high = self.bound(fund)
            if not (math.isfinite(low) and math.isfinite(high) and 0 <= low <= high):
                raise DataError("bounds_cross", fund=fund, min=low, max=high)
        low, high = (sum(self.bound(fund)[side] for fund in self.funds) for side in (0, 1))
        if low > 1 + 1e-12 or high < 1 - 1e-12:
            raise InfeasibleError("bounds_cannot_sum_to_one", n_funds=len(self.funds), min=low, max=high)

    def _check_labels(self) -> None:
        if not self.funds:
            raise DataError("no_fund")
        known = set(self.funds)
        if len(known) < len(self.funds):
            raise DataError("duplicate_fund", fund=next(fund for fund in self.funds if self.funds.count(fund) > 1))
        named = [*self.bounds, *self.buy_cost, *(fund for group in self.groups for fund in group.funds)]
        for fund in named:
            if fund not in known:
                raise DataError("unknown_fund", fund=fund)
        for group in self.groups:
            if not (math.isfinite(group.min) and math.isfinite(group.max) and group.min <= group.max):
                raise DataError("group_bounds_cross", group=group.name, min=group.min, max=group.max)

    def bound(self, fund: str) -> tuple[float, float]:
        return self.bounds.get(fund, self.default_bounds)
