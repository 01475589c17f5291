"""People with orders on a market whose prices are known, for the tests of readings: written directly, nothing here is about buying."""

from datetime import date, timedelta
from uuid import uuid4

import numpy as np
from django.utils import timezone

from advisor.models import Consent, Goal, Investor
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, LedgerEntry, Order, Portfolio
from portfolios.services import store_histories
from tests.advisor.site_world import make_goal

KINDS = {"EQ": ("equity", "equity", 4), "GO": ("gold", "gold", 3), "BO": ("bond", "bond", 2)}
FELL_AT = -150  # weekdays from the end of the prices: shares fall from 1.00 to 0.85


def make_prices() -> list[date]:
    """Three funds with a price each weekday of three years: shares that fall once, gold and bonds that stand still."""
    last = timezone.localdate()
    days = [last - timedelta(days=k) for k in range(1150, -1, -1) if (last - timedelta(days=k)).weekday() < 5]
    ordinals, flat = np.array([day.toordinal() for day in days]), np.ones(len(days))
    shares = flat.copy()
    shares[FELL_AT:] = 0.85
    Fund.objects.bulk_create(
        Fund(code=code, name_en=f"Fund {code}", category=category, asset_class=asset_class, risk_grade=grade, source="test")
        for code, (category, asset_class, grade) in KINDS.items()
    )
    paths = {"EQ": shares, "GO": flat, "BO": flat}
    store_histories(FundHistory(code, ordinals, (path * 1e6).astype(np.int64), path) for code, path in paths.items())
    return days


def pot_of(investor: Investor) -> Goal:
    """A goal of the investor with a portfolio."""
    goal = make_goal(investor)
    goal.portfolio = Portfolio.objects.create()
    goal.save()
    return goal


def agree(investor: Investor, is_given: bool = True) -> None:
    Consent.objects.create(investor=investor, purpose=Consent.Purpose.PROFILING, is_given=is_given, source="test")


def trade(goal: Goal, code: str, side: str, units: int, day: date, origin: str = "investor") -> Order:
    """A confirmed order of so many whole units at the day's price, with its ledger entry."""
    fund = Fund.objects.get(code=code)
    price = 850_000 if code == "EQ" and day.toordinal() >= fell_on().toordinal() else 1_000_000
    order = Order.objects.create(
        portfolio_id=goal.portfolio_id, fund=fund, side=side, origin=origin, state="confirmed" if side == "buy" else "paid",
        amount_minor=units * price // 10_000, units_centi=units * 100, nav_micro=price, price_date=day, confirm_date=day,
        clearance_id=uuid4(), idempotency_key=str(uuid4()), placed_at=timezone.now(), confirmed_at=timezone.now(),
    )  # fmt: skip
    signed = order.units_centi if side == "buy" else -order.units_centi
    LedgerEntry.objects.create(
        portfolio_id=goal.portfolio_id, order=order, fund=fund, kind=side, units_centi=signed, date=day, key=f"{side}:{order.pk}"
    )  # fmt: skip
    return order


def fell_on() -> date:
    days = [timezone.localdate() - timedelta(days=k) for k in range(400, -1, -1)]
    return [day for day in days if day.weekday() < 5][FELL_AT]
