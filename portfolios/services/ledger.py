"""The ledger: every movement of cash and units is one appended row, and what a portfolio has is the sum of its rows."""

from dataclasses import dataclass
from datetime import date as Date
from typing import Any

from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone

from portfolios.models import Holding, LedgerEntry, Order, Portfolio


class LedgerRefusal(Exception):
    """A movement that must not happen. `code` and `params` are data: whoever shows it finds the sentence."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code, params)
        self.code, self.params = code, params


class InsufficientCash(LedgerRefusal):
    """Params: needed_minor, cash_minor."""


class InsufficientUnits(LedgerRefusal):
    """Params: fund_code, needed_centi, units_centi."""


@dataclass(frozen=True, slots=True)
class Movement:
    """One row to append: signed cash, units and cost of one portfolio, under a key that is written once."""

    portfolio_id: int
    kind: str
    key: str
    date: Date
    cash_minor: int = 0
    units_centi: int = 0
    cost_minor: int = 0
    fund_id: int | None = None
    order: Order | None = None


def open_portfolio() -> Portfolio:
    """Write one empty portfolio; every call makes another."""
    return Portfolio.objects.create()


def lock_portfolio(portfolio_id: int) -> Portfolio:
    """Lock one portfolio's row until the transaction ends; where the database has no row locks, its write lock serves."""
    return Portfolio.objects.select_for_update().get(pk=portfolio_id)


def deposit(*, portfolio_id: int, amount_minor: int, key: str, date: Date | None = None) -> LedgerEntry:
    """Write one payment in and raise the cash by it; the same key again changes nothing and returns the first row."""
    if amount_minor <= 0:
        raise LedgerRefusal("amount_not_positive", amount_minor=amount_minor)
    with transaction.atomic():
        lock_portfolio(portfolio_id)
        known = LedgerEntry.objects.filter(key=f"deposit:{key}").first()
        if known is None:
            return post(
                Movement(portfolio_id, LedgerEntry.Kind.DEPOSIT, f"deposit:{key}", date or timezone.localdate(), cash_minor=amount_minor)
            )
    if (known.portfolio_id, known.cash_minor) != (portfolio_id, amount_minor):
        raise LedgerRefusal("key_used_for_another", key=key)
    return known


def post(movement: Movement) -> LedgerEntry:
    """Append one row and move cash and holding by it, inside the caller's transaction; neither may go below zero."""
    if movement.cash_minor:
        _move_cash(movement)
    if movement.fund_id is not None and (movement.units_centi or movement.cost_minor):
        _move_units(movement, movement.fund_id)
    return LedgerEntry.objects.create(
        portfolio_id=movement.portfolio_id,
        order=movement.order,
        fund_id=movement.fund_id,
        kind=movement.kind,
        cash_minor=movement.cash_minor,
        units_centi=movement.units_centi,
        cost_minor=movement.cost_minor,
        date=movement.date,
        key=movement.key,
    )


def _move_cash(movement: Movement) -> None:
    row = Portfolio.objects.filter(pk=movement.portfolio_id, cash_minor__gte=-movement.cash_minor)
    if not row.update(cash_minor=F("cash_minor") + movement.cash_minor):
        cash_minor = Portfolio.objects.values_list("cash_minor", flat=True).get(pk=movement.portfolio_id)
        raise InsufficientCash("insufficient_cash", needed_minor=-movement.cash_minor, cash_minor=cash_minor)


def _move_units(movement: Movement, fund_id: int) -> None:
    held = Holding.objects.filter(portfolio_id=movement.portfolio_id, fund_id=fund_id)
    if movement.units_centi >= 0 and not held.exists():
        Holding.objects.create(
            portfolio_id=movement.portfolio_id,
            fund_id=fund_id,
            units_centi=movement.units_centi,
            cost_minor=movement.cost_minor,
        )
        return
    enough = held.filter(units_centi__gte=-movement.units_centi)
    if not enough.update(units_centi=F("units_centi") + movement.units_centi, cost_minor=F("cost_minor") + movement.cost_minor):
        units_centi = held.values_list("units_centi", flat=True).first() or 0
        raise InsufficientUnits("insufficient_units", fund_id=fund_id, needed_centi=-movement.units_centi, units_centi=units_centi)
    held.filter(units_centi=0).delete()


def rebuild_holdings(portfolio_id: int) -> int:
    """Write cash and holdings anew from the ledger and return how many rows were wrong; safe to repeat at any time."""
    with transaction.atomic():
        portfolio = lock_portfolio(portfolio_id)
        entries = LedgerEntry.objects.filter(portfolio_id=portfolio_id)
        cash_minor = entries.aggregate(total=Sum("cash_minor"))["total"] or 0
        by_fund = entries.filter(fund__isnull=False).values_list("fund_id").annotate(units=Sum("units_centi"), cost=Sum("cost_minor"))
        due = {fund_id: (units, cost) for fund_id, units, cost in by_fund.order_by("fund_id") if units}
        kept = {row.fund_id: (row.units_centi, row.cost_minor) for row in portfolio.holdings.all()}
        wrong = {fund_id for fund_id in due.keys() | kept.keys() if due.get(fund_id) != kept.get(fund_id)}
        portfolio.holdings.filter(fund_id__in=wrong).delete()
        Holding.objects.bulk_create(
            Holding(portfolio=portfolio, fund_id=fund_id, units_centi=due[fund_id][0], cost_minor=due[fund_id][1])
            for fund_id in sorted(wrong & due.keys())
        )
        was_wrong = Portfolio.objects.filter(pk=portfolio_id).exclude(cash_minor=cash_minor).update(cash_minor=cash_minor)
        return len(wrong) + was_wrong
