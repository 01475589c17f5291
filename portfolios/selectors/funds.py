"""Funds as pages show them: found by words and filters, with their fees, their days, and their published history."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from django.db.models import F, Q, QuerySet

from portfolios.jurisdictions import Category, Lag, jurisdiction
from portfolios.kernels.returns import annual_volatility
from portfolios.kernels.types import FloatArray, Growth, IntArray, ReturnMatrix
from portfolios.models import Fund
from portfolios.money import rate_bps
from portfolios.selectors.history import load_history

SORTS = {
    "name": ("code",),
    "grade": ("risk_grade", "code"),
    "-grade": ("-risk_grade", "code"),
    "fee": ("annual_fee_bps", "code"),
    "purchase": ("purchase_fee_bps", "code"),
    "age": (F("inception_date").asc(nulls_last=True), "code"),
}
DAYS_A_YEAR = 365.25
PERIODS = (1, 3, 5, 10)


@dataclass(frozen=True, slots=True)
class FundQuery:
    """What a person asks the fund list for; an unknown class, grade or order is as if it had not been asked."""

    text: str = ""
    asset_class: str = ""
    risk_grade: int | None = None
    sort: str = "grade"


@dataclass(frozen=True, slots=True)
class PeriodFigures:
    """A fund's total return from a date to its last one, a year where the period is longer, with its risk beside it."""

    years: int | None  # None: since the first NAV
    start: date
    total_return: float
    is_annual: bool
    volatility: float
    max_drawdown: float


@dataclass(frozen=True, slots=True)
class PublishedHistory:
    """Growth of 1 with distributions reinvested, and its figures by period; only for a year of history or more."""

    growth: Growth
    periods: list[PeriodFigures]

    @property
    def start(self) -> date:
        return date.fromordinal(int(self.growth.dates[0]))

    @property
    def end(self) -> date:
        return date.fromordinal(int(self.growth.dates[-1]))

    @property
    def deepest_fall(self) -> float:
        """The largest fall from a highest value, as a positive fraction."""
        return -float(self.growth.drawdown.min())


@dataclass(frozen=True, slots=True)
class RedemptionStep:
    """The redemption fee of units held from `from_days` until before `below_days` days (None: and longer)."""

    from_days: int
    below_days: int | None
    rate_bps: int


def find_funds(funds: QuerySet[Fund], query: FundQuery) -> QuerySet[Fund]:
    """Narrow funds by code or name, class and grade, in the order asked for."""
    text = query.text.strip()[:80]
    if text:
        funds = funds.filter(Q(code__istartswith=text) | Q(name_zh__icontains=text) | Q(name_en__icontains=text))
    if query.asset_class:
        funds = funds.filter(asset_class=query.asset_class)
    if query.risk_grade is not None:
        funds = funds.filter(risk_grade=query.risk_grade)
    return funds.order_by(*SORTS.get(query.sort, SORTS["grade"]))


def category_of(fund: Fund) -> Category | None:
    """The fund's row of the jurisdiction's table, or None for a category that it does not know."""
    return jurisdiction().categories.get(fund.category)


def class_name(code: str) -> str:
    """The name of an asset class in the reader's language; its code where the table has none."""
    row = jurisdiction().classes.get(code)
    return row.name if row else code


def settlement_lag(fund: Fund) -> Lag | None:
    """Working days to confirmation and to a redemption's money, or None for an unknown category."""
    category = category_of(fund)
    return jurisdiction().lags[category.lag] if category else None


def redemption_fees(fund: Fund) -> list[RedemptionStep]:
    """The redemption fee by days held, lowest age first, ending with the age from which it is nothing; empty when exempt."""
    table = jurisdiction()
    if fund.category in table.redemption_exempt_categories:
        return []
    steps, start = [], 0
    for floor in sorted(table.redemption_floors, key=lambda floor: floor.below_days):
        steps.append(RedemptionStep(start, floor.below_days, rate_bps(floor.rate)))
        start = floor.below_days
    return [*steps, RedemptionStep(start, None, 0)]


def published_history(fund: Fund) -> PublishedHistory | None:
    """A fund's whole published history with figures by period, in one query; None where there is less than a year of it."""
    history = load_history([fund.pk]).get(fund.pk)
    if history is None or history.dates[-1] - history.dates[0] < int(DAYS_A_YEAR):
        return None
    dates, index = history.dates, history.total_return
    growth = Growth(dates, index / index[0], _drawdown(index))
    first, last = (date.fromordinal(int(dates[at])) for at in (0, -1))
    starts = [(years, _years_before(last, years)) for years in PERIODS]
    periods = [_figures(dates, index, years, start) for years, start in starts if start >= first]
    return PublishedHistory(growth, [*periods, _figures(dates, index, None, first)])


def _years_before(day: date, years: int) -> date:
    """The same day so many years earlier; 28 February for a leap day."""
    return day.replace(year=day.year - years, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _drawdown(index: FloatArray) -> FloatArray:
    return index / np.maximum.accumulate(index) - 1.0


def _figures(dates: IntArray, index: FloatArray, years: int | None, start: date) -> PeriodFigures:
    """Figures from the last value on or before the start date to the end."""
    at = max(0, int(np.searchsorted(dates, start.toordinal(), side="right")) - 1)
    values = index[at:]
    length = (dates[-1] - start.toordinal()) / DAYS_A_YEAR
    whole = float(values[-1] / values[0])
    is_annual = length > 1.01  # a leap year is still one year
    volatility = annual_volatility(ReturnMatrix(("",), dates[at:], values[:, None]))[0]
    total_return = whole ** (1 / length) - 1 if is_annual else whole - 1
    return PeriodFigures(years, start, total_return, is_annual, float(volatility), float(_drawdown(values).min()))
