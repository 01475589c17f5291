"""Redeeming what one holds, whenever one wants: the gate writes its decision, and never stops a sale."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from advisor.errors import Refused
from advisor.models import Goal
from advisor.services.purchases import CONFIRM_TASK, ledger_refusal
from advisor.services.suitability import clear
from config.jobs import ring_by_name
from portfolios import calendar
from portfolios.kernels.lots import redeem, take_oldest
from portfolios.models import Fund, Holding, Order
from portfolios.services import LedgerRefusal, OrderRequest, place_order
from portfolios.services.orders import OPEN_STATES, lots_held, redemption_steps


@dataclass(frozen=True, slots=True)
class RedemptionPreview:
    """What redeeming so many units now would bring at the last NAV, after its fee, and the days."""

    units_centi: int
    gross_minor: int
    fee_minor: int
    price_date: date
    confirm_date: date
    pay_date: date

    @property
    def net_minor(self) -> int:
        return self.gross_minor - self.fee_minor


def free_units(goal: Goal, fund: Fund) -> int:
    """Units of a fund in a goal that no open order redeems yet, in hundredths."""
    held = Holding.objects.filter(portfolio=goal.portfolio_id, fund=fund).values_list("units_centi", flat=True).first() or 0
    open_sales = Order.objects.filter(portfolio=goal.portfolio_id, fund=fund, side=Order.Side.SELL, state__in=OPEN_STATES)
    return held - (open_sales.aggregate(total=Sum("units_centi"))["total"] or 0)


def preview_redemption(*, goal: Goal, fund: Fund, units_centi: int) -> RedemptionPreview:
    """Write nothing; return what redeeming the units would bring at the last NAV, or raise Refused for more than there are."""
    free = free_units(goal, fund)
    if not 0 < units_centi <= free:
        raise Refused("not_enough_units", units_centi=free)
    if fund.last_nav_micro is None:
        raise Refused("order_refused", reason="fund_has_no_nav")
    priced_on = calendar.price_date(timezone.now())
    confirmed_on = calendar.confirm_date(priced_on, fund.category)
    taken, _ = take_oldest(lots_held(goal.portfolio_id or 0, fund.pk), units_centi)
    got = redeem(taken, fund.last_nav_micro, confirmed_on, redemption_steps(fund))
    return RedemptionPreview(
        units_centi, got.gross_minor, got.fee_minor, priced_on, confirmed_on, calendar.pay_date(confirmed_on, fund.category)
    )


def redeem_units(*, goal: Goal, fund: Fund, units_centi: int, key: UUID, actor: Any) -> Order:
    """Write a redemption of one's own with its decision; the same key again returns the order it made. Raises Refused."""
    if actor.pk != goal.account.investor.user_id:
        raise Refused("not_your_purchase")
    own_key = f"own-sale:{uuid5(key, str(goal.pk))}"
    try:
        with transaction.atomic():
            known = Order.objects.filter(idempotency_key=own_key).first()
            if known is not None:
                return known
            portfolio_id = goal.portfolio_id or 0
            cleared = clear(
                investor=goal.account.investor, portfolio_id=portfolio_id, fund=fund, side=Order.Side.SELL, units_centi=units_centi
            )
            order = place_order(
                OrderRequest(
                    portfolio_id=portfolio_id,
                    fund_id=fund.pk,
                    side=Order.Side.SELL,
                    origin=Order.Origin.INVESTOR,
                    clearance_id=cleared.pk,
                    idempotency_key=own_key,
                    units_centi=units_centi,
                    actor=actor,
                )
            )
    except LedgerRefusal as error:
        raise ledger_refusal(error, goal) from error
    ring_by_name(CONFIRM_TASK, queue="now")
    return order
