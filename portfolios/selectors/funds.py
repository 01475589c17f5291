"""Funds as pages show them: found by words and filters, with their days, and what holding them costs in yuan."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from portfolios.jurisdictions import Category, Lag, jurisdiction
from portfolios.kernels.lots import FeeStep, fee_rate_bps
from portfolios.models import Fund, PoolFund, ScreenRow, ScreenRun
from portfolios.money import BPS_PER_UNIT, MICRO_PER_UNIT, divide_half_up, rate_bps, split_purchase

SORTS = {
    "name": ("code",),
    "grade": ("risk_grade", "code"),
    "-grade": ("-risk_grade", "code"),
    "fee": ("annual_fee_bps", "code"),
    "purchase": ("purchase_fee_bps", "code"),
    "age": (F("inception_date").asc(nulls_last=True), "code"),
    "size": (F("size_minor").desc(nulls_last=True), "code"),
}
RANK = "rank"  # by the percentile of a screen: for those who may see it
DAYS_A_YEAR = 365
HOLDINGS = (7, 30, 180, DAYS_A_YEAR, 3 * DAYS_A_YEAR)  # days for which a page says what holding costs
EXAMPLE_MINOR = 1_000_000  # ten thousand yuan


@dataclass(frozen=True, slots=True)
class FundQuery:
    """What a person asks the fund list for; an unknown class, grade or order is as if it had not been asked."""

    text: str = ""
    asset_class: str = ""
    risk_grade: int | None = None
    sort: str = "grade"
    in_pool: bool = False


@dataclass(frozen=True, slots=True)
class RedemptionStep:
    """The redemption fee of units held from `from_days` until before `below_days` days (None: and longer)."""

    from_days: int
    below_days: int | None
    rate_bps: int


@dataclass(frozen=True, slots=True)
class HoldingCost:
    """What an amount costs that is bought, held so many days at an unchanged NAV, and redeemed. Running fees are not in it."""

    days: int
    purchase_minor: int
    redemption_minor: int
    sales_minor: int

    @property
    def years(self) -> int | None:
        """Whole years held, or None below one."""
        return self.days // DAYS_A_YEAR or None

    @property
    def total_minor(self) -> int:
        return self.purchase_minor + self.redemption_minor + self.sales_minor


def find_funds(funds: QuerySet[Fund], query: FundQuery, run: ScreenRun | None = None) -> QuerySet[Fund]:
    """Narrow funds by code, name or company, class, grade and pool, in the order asked for; by rank where a screen is given."""
    text = query.text.strip()[:80]
    if text:
        named = Q(name_zh__icontains=text) | Q(name_en__icontains=text) | Q(company__icontains=text)
        funds = funds.filter(Q(code__istartswith=text) | named)
    if query.asset_class:
        funds = funds.filter(asset_class=query.asset_class)
    if query.risk_grade is not None:
        funds = funds.filter(risk_grade=query.risk_grade)
    if query.in_pool:
        funds = funds.filter(pk__in=PoolFund.objects.filter(pool__is_current=True).values("fund"))
    if query.sort == RANK and run is not None:
        rows = ScreenRow.objects.filter(run=run, fund=OuterRef("pk")).values("percentile")[:1]
        return funds.annotate(rank=Subquery(rows)).order_by(F("rank").desc(nulls_last=True), "code")
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


def holding_costs(fund: Fund, amount_minor: int = EXAMPLE_MINOR) -> list[HoldingCost]:
    """What buying for an amount, holding and redeeming costs, by time held: purchase fee, redemption floor, sales-service fee.

    The NAV is taken not to move. The sales-service fee is charged for the first year only, save of money-market funds.
    """
    category = category_of(fund)
    is_money = category is not None and category.screen == "money"
    fee_minor, _ = split_purchase(amount_minor, fund.purchase_fee_bps, MICRO_PER_UNIT)
    net_minor = amount_minor - fee_minor
    steps = [FeeStep(step.below_days, step.rate_bps) for step in redemption_fees(fund) if step.below_days is not None]
    return [
        HoldingCost(
            days,
            fee_minor,
            divide_half_up(net_minor * fee_rate_bps(days, steps), BPS_PER_UNIT),
            divide_half_up(net_minor * fund.sales_fee_bps * (days if is_money else min(days, DAYS_A_YEAR)), BPS_PER_UNIT * DAYS_A_YEAR),
        )
        for days in HOLDINGS
    ]


def fund_with_family(code: str) -> tuple[Any, list[Any]]:
    """A fund by its code with `is_in_pool` on it, and the other share classes of the same portfolio. One query."""
    family = Fund.objects.filter(code=code).exclude(family_code="").values("family_code")
    members = PoolFund.objects.filter(pool__is_current=True, fund=OuterRef("pk"))
    found = Fund.objects.filter(Q(code=code) | Q(family_code__in=family)).annotate(is_in_pool=Exists(members)).order_by("code")
    others = [fund for fund in found if fund.code != code]
    return next((fund for fund in found if fund.code == code), None), others


def pool_fund_ids(fund_ids: list[int]) -> set[int]:
    """Which of some funds are in the current pool. One query."""
    return set(PoolFund.objects.filter(pool__is_current=True, fund_id__in=fund_ids).values_list("fund_id", flat=True))


def ranks_of(fund_ids: list[int]) -> dict[int, float | None]:
    """The percentile among peers of some funds by the screen behind the current pool. One query."""
    return dict(ScreenRow.objects.filter(run__pool__is_current=True, fund_id__in=fund_ids).values_list("fund_id", "percentile"))


def current_row(fund: Fund) -> ScreenRow | None:
    """What the screen behind the current pool says of a fund, with the run. One query."""
    return ScreenRow.objects.filter(run__pool__is_current=True, fund=fund).select_related("run", "fund").first()
