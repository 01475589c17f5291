"""What a portfolio must respect, checked when it is written down."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FloatArray

Kind = Literal["utility", "min_volatility", "max_sharpe", "target_volatility", "target_return"]
OBJECTIVES = ("utility", "min_volatility", "max_sharpe")
SINGLE_LIMITS = ("turnover", "cvar", "target_volatility", "target_return", "cash", "max_grade", "max_funds", "min_weight_if_held")
LEGAL = frozenset({"sum", "long_only", "max_grade"})


@dataclass(frozen=True)
class Group:
    """Funds whose weights together stay between `min` and `max`, None for no such limit; groups may overlap."""

    name: str
    funds: tuple[str, ...]
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class Robust:
    """The mean is only known to lie in {mean + u: u' mean_cov^-1 u <= kappa^2}; `mean_cov` (n, n) in the order of `funds`."""

    kappa: float
    funds: tuple[str, ...]
    mean_cov: FloatArray

    @property
    def sorted_cov(self) -> FloatArray:
        """`mean_cov` in the order of sorted fund codes, as a mandate's own funds are."""
        order = sorted(range(len(self.funds)), key=self.funds.__getitem__)
        return self.mean_cov[np.ix_(order, order)]


@dataclass(frozen=True)
class Mandate:
    """An objective and the limits it is sought under; weights sum to 1, cash is a fund, all is labelled by fund code.

    The objective is one of: utility = mean'w - risk_aversion/2 w'Sw - costs/horizon_years; least variance
    (`objective="min_volatility"`); highest (mean'w - costs/horizon_years - risk_free)/volatility (`"max_sharpe"`); the
    highest mean'w - costs/horizon_years at a volatility of at most `target_volatility`; the least variance at a mean'w,
    before costs, of at least `target_return`. Costs are one-off fractions of what is bought and sold against `current`,
    one way. `max_turnover` bounds half the sum of |w - current|; `cvar_limit` bounds 2.062713 volatility - mean'w.

    Raises DataError naming the fund, group or field that is wrong. Whether any portfolio keeps all limits is for the
    executors to find and for `kernels.explain` to explain.
    """

    funds: tuple[str, ...]
    risk_aversion: float | None = None
    objective: str | None = None
    risk_free: float | None = None
    target_volatility: float | None = None
    target_return: float | None = None
    cvar_limit: float | None = None
    long_only: bool = True
    default_bounds: tuple[float, float] | None = None
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    current: Mapping[str, float] = field(default_factory=dict)
    buy_cost: Mapping[str, float] = field(default_factory=dict)
    sell_cost: Mapping[str, float] = field(default_factory=dict)
    horizon_years: float = 3.0
    max_turnover: float | None = None
    locked: Mapping[str, float] = field(default_factory=dict)
    excluded: tuple[str, ...] = ()
    max_funds: int | None = None
    min_weight_if_held: float | None = None
    risk_grades: Mapping[str, int] = field(default_factory=dict)
    max_grade: int | None = None
    cash: tuple[str, float] | None = None
    robust: Robust | None = None
    hard: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "funds", tuple(sorted(self.funds)))
        if self.default_bounds is None:
            object.__setattr__(self, "default_bounds", (0.0 if self.long_only else -1.0, 1.0))
        self._check_labels()
        self._check_objective()
        self._check_limits()
        self._check_costs()
        self._check_hard()

    @property
    def kind(self) -> Kind:
        if self.target_volatility is not None:
            return "target_volatility"
        if self.target_return is not None:
            return "target_return"
        return self.objective or "utility"  # type: ignore[return-value]

    def bound(self, fund: str) -> tuple[float, float]:
        """The fund's own bounds, as written; `kernels.standard` joins them with what else bounds it."""
        return self.bounds.get(fund, self.default_bounds)  # type: ignore[arg-type]

    def is_legal(self, limit: str) -> bool:
        """Whether a limit, by its name, may never be offered for relaxing."""
        return limit in LEGAL or limit in self.hard

    def _check_labels(self) -> None:
        if not self.funds:
            raise DataError("no_fund")
        known = set(self.funds)
        if len(known) < len(self.funds):
            raise DataError("duplicate_fund", fund=next(fund for fund in self.funds if self.funds.count(fund) > 1))
        maps: tuple[tuple[str, Iterable[str]], ...] = (
            ("bounds", self.bounds),
            ("current", self.current),
            ("buy_cost", self.buy_cost),
            ("sell_cost", self.sell_cost),
            ("locked", self.locked),
            ("excluded", self.excluded),
            ("risk_grades", self.risk_grades),
            ("cash", () if self.cash is None else (self.cash[0],)),
            ("robust", () if self.robust is None else self.robust.funds),
            *((f"group {group.name}", group.funds) for group in self.groups),
        )
        for where, named in maps:
            if not known.issuperset(named):
                fund = next(fund for fund in named if fund not in known)
                raise DataError("fund_not_in_universe", fund=fund, where=where)

    def _check_objective(self) -> None:
        if self.objective is not None and self.objective not in OBJECTIVES:
            raise DataError("unknown_objective", objective=self.objective, known=", ".join(OBJECTIVES))
        if sum(value is not None for value in (self.objective, self.target_volatility, self.target_return)) > 1:
            raise DataError("more_than_one_objective")
        kind = self.kind
        if kind != "utility" and self.risk_aversion is not None:
            raise DataError("risk_aversion_without_utility", objective=kind)
        if kind == "utility" and self.risk_aversion is None:
            raise DataError("field_missing", field="risk_aversion", objective=kind)
        if kind == "max_sharpe" and self.risk_free is None:
            raise DataError("field_missing", field="risk_free", objective=kind)
        if self.risk_aversion is not None and not _is_usable(self.risk_aversion):
            raise DataError("risk_aversion_not_positive", value=self.risk_aversion)
        for name in ("risk_free", "target_volatility", "target_return", "cvar_limit"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise DataError("field_not_a_number", field=name, value=value)
        if self.target_volatility is not None and self.target_volatility < 0:
            raise DataError("field_negative", field="target_volatility", value=self.target_volatility)
        if kind == "max_sharpe":
            for name in ("max_funds", "min_weight_if_held", "robust", "cvar_limit"):
                if getattr(self, name) is not None:
                    raise DataError("not_with_max_sharpe", field=name)
        if kind in ("min_volatility", "target_return") and self.robust is not None:
            raise DataError("robust_without_mean", objective=kind)

    def _check_limits(self) -> None:
        for fund, (low, high) in [("default_bounds", self.default_bounds), *self.bounds.items()]:  # type: ignore[misc]
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise DataError("bounds_cross", fund=fund, min=low, max=high)
        seen: set[str] = set()
        for group in self.groups:
            if not group.name:
                raise DataError("group_without_name")
            if group.name in seen:
                raise DataError("group_twice", group=group.name)
            seen.add(group.name)
            if len(set(group.funds)) < len(group.funds):
                raise DataError("fund_twice_in_group", group=group.name, fund=next(f for f in group.funds if group.funds.count(f) > 1))
            low, high = -math.inf if group.min is None else group.min, math.inf if group.max is None else group.max
            if math.isnan(low) or math.isnan(high) or low > high:
                raise DataError("group_bounds_cross", group=group.name, min=low, max=high)
        for where, weights in (("current", self.current), ("locked", self.locked)):
            for fund, weight in weights.items():
                if not math.isfinite(weight):
                    raise DataError("weight_not_a_number", fund=fund, where=where, value=weight)
        for name in ("max_turnover", "min_weight_if_held"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise DataError("field_negative", field=name, value=value)
        if self.max_funds is not None and self.max_funds < 1:
            raise DataError("max_funds_below_one", value=self.max_funds)
        if self.cash is not None and not math.isfinite(self.cash[1]):
            raise DataError("field_not_a_number", field="cash", value=self.cash[1])
        if self.max_grade is not None:
            for fund in self.funds:
                if fund not in self.risk_grades:
                    raise DataError("fund_without_grade", fund=fund)
        if self.robust is not None:
            self._check_robust(self.robust)

    def _check_robust(self, robust: Robust) -> None:
        if not (math.isfinite(robust.kappa) and robust.kappa >= 0):
            raise DataError("field_negative", field="robust kappa", value=robust.kappa)
        if tuple(sorted(robust.funds)) != self.funds:
            raise DataError("robust_funds_differ")
        if robust.mean_cov.shape != (len(self.funds),) * 2 or not np.isfinite(robust.mean_cov).all():
            raise DataError("robust_matrix_unusable")

    def _check_costs(self) -> None:
        if not (math.isfinite(self.horizon_years) and self.horizon_years > 0):
            raise DataError("horizon_not_positive", value=self.horizon_years)
        for costs in (self.buy_cost, self.sell_cost):
            for fund, cost in costs.items():
                if not (math.isfinite(cost) and cost >= 0):
                    raise DataError("cost_negative", fund=fund, value=cost)

    def _check_hard(self) -> None:
        if not self.hard:
            return
        known = LEGAL.union(SINGLE_LIMITS, (f"fund:{f}:{side}" for f in self.funds for side in ("min", "max")))
        known = known.union(f"group:{group.name}:{side}" for group in self.groups for side in ("min", "max"))
        known = known.union((f"locked:{fund}" for fund in self.locked), (f"excluded:{fund}" for fund in self.excluded))
        for name in self.hard:
            if name not in known:
                raise DataError("unknown_limit", limit=name)


def _is_usable(risk_aversion: float) -> bool:
    """Whether a risk aversion and its inverse, the risk tolerance, are numbers above 0."""
    return math.isfinite(risk_aversion) and risk_aversion > 0 and math.isfinite(1.0 / risk_aversion)
