"""What portfolios hold, derived rows and ledger sums; the number of queries does not grow with the portfolios."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Case, F, FloatField, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Cast

from portfolios.models import Fund, Holding, LedgerEntry, Order, Portfolio
from portfolios.money import value_minor


@dataclass(frozen=True, slots=True)
class Position:
    """Units of one fund in one portfolio, what they cost, and what they are worth at the fund's last NAV."""

    portfolio_id: int
    fund: Fund
    units_centi: int
    cost_minor: int
    value_minor: int
    nav_date: date | None

    @property
    def gain_minor(self) -> int:
        return self.value_minor - self.cost_minor


@dataclass(frozen=True, slots=True)
class PortfolioTotals:
    """Sums of one portfolio. `in_orders_minor` is money of purchases not confirmed and of redemptions not paid yet."""

    value_minor: int
    cash_minor: int
    in_orders_minor: int
    cost_minor: int
    paid_in_minor: int

    @property
    def total_minor(self) -> int:
        return self.value_minor + self.cash_minor + self.in_orders_minor

    @property
    def gain_minor(self) -> int:
        return self.total_minor - self.paid_in_minor


def positions(portfolio_ids: Iterable[int]) -> list[Position]:
    """Positions by portfolio, largest value first, in one query; a fund without a NAV counts at its cost."""
    rows = Holding.objects.filter(portfolio_id__in=portfolio_ids).select_related("fund")
    found = [
        Position(
            row.portfolio_id,
            row.fund,
            row.units_centi,
            row.cost_minor,
            row.cost_minor if row.fund.last_nav_micro is None else value_minor(row.units_centi, row.fund.last_nav_micro),
            row.fund.last_nav_date,
        )
        for row in rows
    ]
    return sorted(found, key=lambda position: (position.portfolio_id, -position.value_minor, position.fund.code))


def portfolio_totals(portfolio_ids: Iterable[int], held: Iterable[Position] | None = None) -> dict[int, PortfolioTotals]:
    """Totals of each portfolio that exists, in two queries, or in one where the caller has their positions already."""
    ids = list(portfolio_ids)
    value = dict.fromkeys(ids, 0)
    cost = dict.fromkeys(ids, 0)
    for position in positions(ids) if held is None else held:
        value[position.portfolio_id] += position.value_minor
        cost[position.portfolio_id] += position.cost_minor
    deposits = LedgerEntry.objects.filter(portfolio=OuterRef("pk"), kind=LedgerEntry.Kind.DEPOSIT).order_by().values("portfolio")
    in_orders = _money_in_orders(Order.objects.filter(portfolio=OuterRef("pk")))
    found = Portfolio.objects.filter(pk__in=ids).annotate(
        paid_in=Subquery(deposits.annotate(total=Sum("cash_minor")).values("total")), in_orders=Subquery(in_orders.values("total"))
    )
    rows = {pk: money for pk, *money in found.values_list("pk", "cash_minor", "in_orders", "paid_in")}
    return {
        pk: PortfolioTotals(value[pk], cash, waiting or 0, cost[pk], paid or 0)
        for pk, (cash, waiting, paid) in ((pk, rows[pk]) for pk in ids if pk in rows)
    }


def portfolio_gains(portfolio_ids: Iterable[int]) -> dict[int, tuple[float, int]]:
    """The gain of each portfolio and what was paid in, in minor units, summed by the database for very many at once."""
    ids = list(portfolio_ids)
    worth = Case(
        When(fund__last_nav_micro__isnull=True, then=Cast("cost_minor", FloatField())),
        default=Cast("units_centi", FloatField()) * F("fund__last_nav_micro") / 1e6,
    )
    value = dict(Holding.objects.filter(portfolio_id__in=ids).order_by().values_list("portfolio_id").annotate(total=Sum(worth)))
    deposits = LedgerEntry.objects.filter(portfolio_id__in=ids, kind=LedgerEntry.Kind.DEPOSIT)
    paid_in = dict(deposits.values_list("portfolio_id").annotate(Sum("cash_minor")))
    in_orders = dict(_money_in_orders(Order.objects.filter(portfolio_id__in=ids)).values_list("portfolio_id", "total"))
    cash = dict(Portfolio.objects.filter(pk__in=ids).values_list("pk", "cash_minor"))
    return {pk: (value.get(pk, 0.0) + cash[pk] + in_orders.get(pk, 0) - paid_in.get(pk, 0), paid_in.get(pk, 0)) for pk in cash}


def _money_in_orders(orders: QuerySet[Order]) -> QuerySet[Any, Any]:
    """The orders' money that is on its way, a row a portfolio."""
    buying = Q(side=Order.Side.BUY, state__in=[Order.State.PLACED, Order.State.ACCEPTED])
    arriving = Q(side=Order.Side.SELL, state=Order.State.CONFIRMED)
    money = F("amount_minor") - F("fee_minor")  # no fee stands on a purchase before it is confirmed
    return orders.filter(buying | arriving).order_by().values("portfolio_id").annotate(total=Sum(money))
