"""A block of goals as arrays, for the nightly review: who may have what level, and what each portfolio holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from django.db.models import Case, F, Q, QuerySet, When
from django.utils import timezone

from advisor.kernels.goals import years_to_go
from advisor.models import Assessment, Goal
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.types import FloatArray, IntArray
from portfolios.models import Fund, Holding, Order

NO_LEVEL = -1
MICRO = 1e6


@dataclass(frozen=True)
class FundTable:
    """All funds in the order of their codes, so that columns mean the same in every block of a run."""

    codes: tuple[str, ...]
    column: dict[int, int]  # by primary key
    nav_micro: FloatArray  # NaN without a NAV: the holding then counts at its cost
    risk_grade: IntArray
    asset_class: tuple[str, ...]

    def columns(self, codes: tuple[str, ...]) -> IntArray:
        place = {code: column for column, code in enumerate(self.codes)}
        return np.array([place[code] for code in codes], np.int64)


@dataclass(frozen=True)
class GoalBlock:
    """Goals (N,) that hold something: the level of each portfolio, -1 for none; values (N, F) and all they hold, in minor units."""

    goal: IntArray
    level: IntArray
    horizon_years: FloatArray
    stated_loss: FloatArray  # NaN where none was stated
    days_open: IntArray
    values: FloatArray
    total: FloatArray
    n_nothing_held: int


def fund_table() -> FundTable:
    rows = list(Fund.objects.order_by("code").values_list("pk", "code", "last_nav_micro", "risk_grade", "asset_class"))
    keys, codes, nav, grades, classes = zip(*rows, strict=True) if rows else ((),) * 5
    nav_micro = np.array([np.nan if value is None else value for value in nav], float)
    return FundTable(codes, {key: place for place, key in enumerate(keys)}, nav_micro, np.array(grades, np.int64), classes)


def goals_to_review() -> QuerySet[Goal]:
    """Goals that have a portfolio; what it holds is known when its block is read."""
    return Goal.objects.filter(portfolio__isnull=False)


def load_goals(first: int, last: int, funds: FundTable, on: date) -> GoalBlock:
    """Read goals by primary key with the level in force, the stated loss and the holdings of each, in four queries.

    A purchase that is not confirmed counts as held, a redemption that is not paid as cash.
    """
    named = ("pk", "portfolio_id", "target_date", "portfolio__cash_minor", "portfolio__opened_at")
    person = ("account__investor_id", "account__investor__level", "account__investor__level_valid_until")
    rows = list(goals_to_review().filter(pk__range=(first, last)).order_by("pk").values_list(*named, *person))
    place = {row[1]: at for at, row in enumerate(rows)}
    values, cash = np.zeros((len(rows), len(funds.codes))), np.array([row[3] for row in rows], float)
    _add_holdings(values, funds, place, (first, last))
    _add_orders(values, cash, funds, place, (first, last))
    total = values.sum(axis=1) + cash
    held = total > 0
    horizon = np.array([years_to_go(row[2], on) for row in rows])
    stated = _stated_losses(first, last)
    return GoalBlock(
        goal=np.array([row[0] for row in rows], np.int64)[held],
        level=_levels([(row[6], row[7]) for row in rows], horizon, on)[held],
        horizon_years=horizon[held],
        stated_loss=np.array([stated.get(row[5], np.nan) for row in rows], float)[held],
        days_open=np.array([(on - timezone.localdate(row[4])).days for row in rows], np.int64)[held],
        values=values if held.all() else values[held],
        total=total[held],
        n_nothing_held=int((~held).sum()),
    )


def _levels(people: list[tuple[int | None, date | None]], horizon: FloatArray, on: date) -> IntArray:
    """What `level_for_goal` says, for all at once: the level in force under the ceiling of the years that are left."""
    level = np.array([own if own is not None and until is not None and on <= until else NO_LEVEL for own, until in people], np.int64)
    for ceiling in jurisdiction().horizon_ceilings:
        level = np.where((level != NO_LEVEL) & (horizon < ceiling.below_years), np.minimum(level, ceiling.level), level)
    return level


def _stated_losses(first: int, last: int) -> dict[int, float | None]:
    """By investor, of the latest completed questionnaire."""
    completed = Assessment.objects.filter(state=Assessment.State.COMPLETED, investor__accounts__goals__pk__range=(first, last))
    return dict(completed.order_by("completed_at", "pk").values_list("investor_id", "stated_loss"))


def _add_holdings(values: FloatArray, funds: FundTable, place: Mapping[int, int], goals: tuple[int, int]) -> None:
    held = Holding.objects.filter(portfolio__goal__pk__range=goals, units_centi__gt=0)
    rows = list(held.values_list("portfolio_id", "fund_id", "units_centi", "cost_minor"))
    if not rows:
        return
    portfolio, fund, units, cost = np.array(rows, np.int64).T
    keys = np.array(sorted(place), np.int64)
    row = np.array([place[key] for key in keys.tolist()], np.int64)[np.searchsorted(keys, portfolio)]
    fund_keys = np.array(sorted(funds.column), np.int64)
    if missing := set(fund.tolist()) - set(funds.column):  # `searchsorted` would take another fund for it
        raise LookupError(f"funds made after the review of this process began: {sorted(missing)}")
    column = np.array([funds.column[key] for key in fund_keys.tolist()], np.int64)[np.searchsorted(fund_keys, fund)]
    nav = funds.nav_micro[column]
    np.add.at(values, (row, column), np.where(np.isfinite(nav), units * np.nan_to_num(nav) / MICRO, cost))


def _add_orders(values: FloatArray, cash: FloatArray, funds: FundTable, place: Mapping[int, int], goals: tuple[int, int]) -> None:
    buying = Q(side=Order.Side.BUY, state__in=[Order.State.PLACED, Order.State.ACCEPTED])
    arriving = Q(side=Order.Side.SELL, state=Order.State.CONFIRMED)
    # As a CASE, so that SQLite looks by portfolio and not through every order that was ever confirmed: 0.02 s instead of 2.
    is_open = Case(When(buying | arriving, then=1), default=0)
    rows = Order.objects.filter(portfolio__goal__pk__range=goals).annotate(is_open=is_open).filter(is_open=1).order_by()
    for portfolio, fund, side, money in rows.values_list("portfolio_id", "fund_id", "side", F("amount_minor") - F("fee_minor")):
        if side == Order.Side.BUY:
            values[place[portfolio], funds.column[fund]] += money
        else:
            cash[place[portfolio]] += money
