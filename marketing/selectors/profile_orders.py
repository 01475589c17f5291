"""What somebody's orders and payments say of them."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from django.db.models import F, Max, Q, Sum

from marketing.kernels.grouping import NONE, BoolArray, IntArray, counted, distinct, divided, earliest, latest, summed
from marketing.selectors.profile_rows import Block, Columns, Micros, Ordinal, local_days, read, whole
from portfolios.models import LedgerEntry, Order

OWNER = "portfolio__goal__account__investor_id"
PLAN_DAYS, YEAR_DAYS = 90, 365
RUNNING_DAYS = 45  # after its last purchase a plan counts as running for so long: a month, and a debit that came late


@dataclass(frozen=True)
class Orders:
    """Orders as columns: the person's place, the local day and the time of placing, the money asked or received, the fee."""

    person: IntArray
    day: IntArray
    placed: IntArray
    amount: IntArray
    fee: IntArray

    def taken(self, rows: BoolArray) -> "Orders":
        return Orders(self.person[rows], self.day[rows], self.placed[rows], self.amount[rows], self.fee[rows])

    def within(self, days: int, block: Block) -> "Orders":
        return self.taken(self.day > block.day.toordinal() - days)


def order_columns(block: Block) -> Columns:
    """Decisions, purchases, redemptions and plans, from orders placed until the end of the day, and payments. Two queries."""
    rows = Order.objects.filter(block.of(OWNER), placed_at__lt=block.end).exclude(state=Order.State.REJECTED)
    names = (OWNER, "side", "origin", "state", "amount_minor", "fee_minor", Micros("placed_at"))
    who, side, origin, state, amount, fee, placed = read(rows.values_list(*names), np.int64, *[object] * 4, np.int64, np.int64)
    is_here, person = block.place(who)
    orders = Orders(person, local_days(placed[is_here]), placed[is_here], whole(amount[is_here]), fee[is_here])
    is_buy, is_plan = (side == Order.Side.BUY)[is_here], (origin == Order.Origin.PLAN)[is_here]
    is_valid, is_done = (state != Order.State.CANCELLED)[is_here], np.isin(state, [Order.State.CONFIRMED, Order.State.PAID])[is_here]
    return {
        "last_order_at": latest(person, orders.placed, block.n),
        **_decisions(orders.taken(~is_plan), block),
        **_trades(orders.taken(is_buy & is_valid), orders.taken(~is_buy & is_valid), block),
        "purchase_fee_bps": _purchase_fee(orders.taken(is_buy & is_done).within(YEAR_DAYS, block), block.n),
        **_plans(orders.taken(is_plan & is_buy & is_valid), block),
        **_payments(block),
    }


def _decisions(own: Orders, block: Block) -> Columns:
    quarter, year = own.within(PLAN_DAYS, block), own.within(YEAR_DAYS, block)
    return {
        "last_decision_at": latest(own.person, own.placed, block.n),
        "first_decision_at": earliest(own.person, own.placed, block.n),
        "n_decisions": distinct(own.person, own.day, block.n),
        "n_decisions_90d": distinct(quarter.person, quarter.day, block.n),
        "n_decisions_365d": distinct(year.person, year.day, block.n),
    }


def _trades(bought: Orders, sold: Orders, block: Block) -> Columns:
    buys, sells = bought.within(YEAR_DAYS, block), sold.within(YEAR_DAYS, block)
    n_buys, paid = counted(buys.person, block.n), summed(buys.person, buys.amount, block.n)
    return {
        "last_purchase_at": latest(bought.person, bought.placed, block.n),
        "last_redemption_at": latest(sold.person, sold.placed, block.n),
        "n_purchases_365d": n_buys,
        "n_redemptions_365d": counted(sells.person, block.n),
        "bought_365d_minor": paid,
        "sold_365d_minor": summed(sells.person, sells.amount, block.n),
        "mean_purchase_minor": paid // np.maximum(n_buys, 1),
        "fees_365d_minor": summed(buys.person, buys.fee, block.n) + summed(sells.person, sells.fee, block.n),
    }


def _purchase_fee(buys: Orders, n: int) -> np.ndarray:
    return 1e4 * divided(summed(buys.person, buys.fee, n), summed(buys.person, buys.amount, n))


def _plans(plan: Orders, block: Block) -> Columns:
    """Plans have no table of their own: what they ordered says whether one runs, and what it costs in a month that it ordered in."""
    recent, last = plan.within(PLAN_DAYS, block), latest(plan.person, plan.day, block.n)
    months = (recent.day - 719_163).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    n_months = np.maximum(distinct(recent.person, months, block.n), 1)
    is_running = last > block.day.toordinal() - RUNNING_DAYS
    return {
        "plan_status": np.where(last == NONE, "none", np.where(is_running, "running", "stopped")),
        "n_plan_orders_90d": counted(recent.person, block.n),
        "plan_month_minor": summed(recent.person, recent.amount, block.n) // n_months,
    }


def _payments(block: Block) -> Columns:
    """Payments in, and what went from cash into funds less what came back, by the dates of the ledger."""
    is_deposit = Q(kind=LedgerEntry.Kind.DEPOSIT)
    year, quarter = (Q(date__gt=block.back(days)) for days in (YEAR_DAYS, PLAN_DAYS))
    rows = (
        LedgerEntry.objects.filter(block.of(OWNER), date__lte=block.day)
        .values(OWNER)
        .annotate(
            year=Sum(-F("cash_minor"), filter=~is_deposit & year),
            quarter=Sum(-F("cash_minor"), filter=~is_deposit & quarter),
            deposits=Sum("cash_minor", filter=is_deposit & year),
            last=Max(Ordinal("date"), filter=is_deposit),
        )
        .values_list(OWNER, "year", "quarter", "deposits", "last")
    )
    who, *sums, last = read(rows, np.int64, *[object] * 4)
    is_here, person = block.place(who)
    days = latest(person, whole(last[is_here], NONE), block.n)
    named = zip(("net_flow_365d_minor", "net_flow_90d_minor", "deposits_365d_minor"), sums, strict=True)
    return {"last_deposit_date": _dates(days)} | {name: summed(person, whole(column[is_here]), block.n) for name, column in named}


def _dates(ordinals: IntArray) -> list[date | None]:
    return [None if day == NONE else date.fromordinal(day) for day in ordinals.tolist()]
