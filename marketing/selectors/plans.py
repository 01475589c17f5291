"""The approved model portfolios as suggestions measure against them: moments, and each level's plan with its figures."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache

import numpy as np

from marketing.kernels.suiting import Moments, concentration_of, numbered
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.types import FloatArray, IntArray
from portfolios.models import Fund, ModelPortfolio, ModelSet, ModelWeight
from portfolios.selectors.risk import frozen_moments


@dataclass(frozen=True)
class Plan:
    """The model of one level and horizon bin: risk aversion, normal CVaR, concentration, and weights by fund key."""

    gamma: float
    cvar: float
    category: float
    company: float
    weights: dict[int, float]


@dataclass(frozen=True)
class Plans:
    """A set of models. A fund that the set does not know has the column of its category: the average of the set's funds there."""

    moments: Moments = field(default_factory=lambda: Moments(np.zeros(1), np.zeros((1, 1))))
    column: dict[str, int] = field(default_factory=dict)  # by fund code
    of_category: dict[str, int] = field(default_factory=dict)
    key: dict[str, int] = field(default_factory=dict)  # of each fund of the set, by its code
    by_level: dict[tuple[int, int], Plan] = field(default_factory=dict)  # (level, horizon bin)

    @cached_property
    def fund_keys(self) -> frozenset[int]:
        """Keys of all funds that some plan holds."""
        return frozenset(fund for plan in self.by_level.values() for fund in plan.weights)

    def column_of(self, code: str, category: str) -> int:
        """Where a fund stands in the moments, -1 where neither it nor its category does."""
        return self.column.get(code, self.of_category.get(category, -1))

    def nearest(self, code: str, least: float) -> list[str]:
        """Codes of the set's funds by their correlation with one of them, the nearest first, down to the least correlation."""
        at = self.column.get(code)
        if at is None:
            return []
        cov = self.moments.cov
        together = self.correlation(np.full(len(cov), at), np.arange(len(cov)))
        near = [(-float(together[column]), other) for other, column in self.column.items() if other != code and together[column] >= least]
        return [other for _, other in sorted(near)]

    def correlation(self, one: IntArray, other: IntArray) -> FloatArray:
        """Of columns (n,) with columns (n,); 0 where one of them never moves or is -1."""
        cov, is_known = self.moments.cov, (one >= 0) & (other >= 0)
        both = np.sqrt(cov[one, one] * cov[other, other])
        return np.where(is_known & (both > 0), cov[one, other] / np.where(both > 0, both, 1.0), 0.0)


def current_plans() -> Plans:
    """The plans of the approved models; without any, plans that know nothing. One query, and four more once a set."""
    current = ModelSet.objects.filter(is_current=True).values_list("pk", "decided_at").first()
    return Plans() if current is None else _plans(*current)


@lru_cache(maxsize=2)  # an approved set never changes
def _plans(pk: int, decided_at: datetime | None) -> Plans:
    models = ModelSet.objects.defer("weekly").get(pk=pk)
    if not models.codes:
        return Plans()
    known = frozen_moments(models)
    column = {code: place for place, code in enumerate(known.codes)}
    members: dict[str, list[int]] = {}
    for fund in models.funds:
        if fund["code"] in column:
            members.setdefault(fund["category"], []).append(column[fund["code"]])
    mean, cov = _with_averages(known.mean, known.cov, list(members.values()))
    of_category = {category: len(column) + place for place, category in enumerate(members)}
    keys = dict(Fund.objects.filter(code__in=list(column)).values_list("code", "pk"))
    return Plans(Moments(mean, cov), column, of_category, keys, _models(pk))


def _with_averages(mean: FloatArray, cov: FloatArray, groups: list[list[int]]) -> tuple[FloatArray, FloatArray]:
    """Moments with the equally weighted portfolio of each group behind them."""
    parts = np.zeros((len(groups), len(mean)))
    for row, group in enumerate(groups):
        parts[row, group] = 1.0 / len(group)
    whole = np.vstack([np.eye(len(mean)), parts])
    return whole @ mean, whole @ cov @ whole.T


def _models(pk: int) -> dict[tuple[int, int], Plan]:
    """The plans of a set that has one for their level and bin. Two queries."""
    weights: dict[int, list[tuple[int, float, str, str]]] = {}
    rows = ModelWeight.objects.filter(portfolio__model_set=pk, weight__gt=0).order_by("-weight", "fund")
    for portfolio, fund, weight, category, company in rows.values_list("portfolio", "fund", "weight", "fund__category", "fund__company"):
        weights.setdefault(portfolio, []).append((fund, weight, category, company or f"fund {fund}"))
    least = jurisdiction().advice.gamma_min
    found = {}
    for model in ModelPortfolio.objects.filter(model_set=pk, cvar__isnull=False):
        held = weights.get(model.pk, [])
        shares = np.array([row[1] for row in held])
        found[model.level, model.horizon_bin] = Plan(
            gamma=model.gamma or least,
            cvar=float(model.cvar or 0.0),
            category=concentration_of(shares, numbered([row[2] for row in held])),
            company=concentration_of(shares, numbered([row[3] for row in held])),
            weights={row[0]: row[1] for row in held},
        )
    return found
