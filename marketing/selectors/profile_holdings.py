"""What somebody holds now, and what they lived through with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from django.db.models import F, Q, QuerySet, Sum

from advisor.models import Goal
from marketing.kernels.grouping import IntArray, distinct, divided, latest, shares, summed
from marketing.kernels.positions import Movements, WeekPrices, lived_through, mean_purchase_day
from marketing.selectors.profile_market import FundTable, profile_classes, read_funds, read_prices
from marketing.selectors.profile_rows import Block, Columns, Ordinal, read, whole
from portfolios.models import Holding, LedgerEntry, Order
from portfolios.money import MICRO_PER_UNIT

OWNER = "portfolio__goal__account__investor_id"
MOVES = [LedgerEntry.Kind.BUY, LedgerEntry.Kind.SELL]


@dataclass(frozen=True)
class Market:
    """What a build knows of funds."""

    funds: FundTable
    prices: WeekPrices
    column: dict[int, int]  # of `prices`, by a fund's key


def read_market(day: date) -> Market:
    prices, column = read_prices(day)
    return Market(read_funds(profile_classes()), prices, column)


def holding_columns(block: Block, market: Market) -> Columns:
    """Money, positions and their past, at the prices that are there now: balances are not kept a day. Five queries."""
    rows = Holding.objects.filter(block.of(OWNER)).values_list(OWNER, "portfolio_id", "fund_id", "units_centi", "cost_minor")
    who, portfolio, fund, units, cost = read(rows, *[np.int64] * 5)
    is_here, person = block.place(who)
    portfolio, row, units, cost = portfolio[is_here], market.funds.at(fund[is_here]), units[is_here], cost[is_here]
    value = _value(units, cost, market.funds.nav_micro[row])
    invested = summed(person, value, block.n)
    return {
        "invested_minor": invested,
        "unrealised_return": divided(invested, summed(person, cost, block.n)) - 1.0,
        "n_holdings": distinct(person, row, block.n),
        "n_companies": distinct(person, _companies(market.funds)[row], block.n),
        "largest_share": divided(_largest(person, row, value, block.n, len(market.funds.keys)), invested),
        "highest_grade": latest(person, market.funds.grade[row], block.n),
        "holding_fee_bps": divided(summed(person, value * market.funds.fee_bps[row], block.n), invested),
        **_class_shares(person, market.funds.asset_class[row], value, block.n, market.funds.classes),
        **_money(block, invested, portfolio, value),
        **_past(block, market),
    }


def _value(units: IntArray, cost: IntArray, nav_micro: IntArray) -> IntArray:
    """Half up, as portfolios.money has it; a fund without a NAV counts at its cost."""
    return np.where(nav_micro < 0, cost, (2 * units * nav_micro + MICRO_PER_UNIT) // (2 * MICRO_PER_UNIT))


def _companies(funds: FundTable) -> IntArray:
    place: dict[str, int] = {}
    return np.array([place.setdefault(name, len(place)) for name in funds.company], np.int64)


def _largest(person: IntArray, fund: IntArray, value: IntArray, n: int, n_funds: int) -> IntArray:
    """The value of each person's largest fund, over all their portfolios."""
    keys, at = np.unique(person * n_funds + fund, return_inverse=True)
    total = summed(at, value, len(keys))
    found = np.zeros(n, np.int64)
    np.maximum.at(found, keys // max(n_funds, 1), total)
    return found


def _class_shares(person: IntArray, asset_class: IntArray, value: IntArray, n: int, classes: Sequence[str]) -> Columns:
    parts = shares(person, asset_class, value.astype(float), n, len(classes))
    return {f"share_{name}": parts[:, at] for at, name in enumerate(classes)}


def _money(block: Block, invested: IntArray, portfolio: IntArray, value: IntArray) -> Columns:
    """All assets, with money on its way to and from funds; idle is cash that no order has set aside. Of goals, how far they are."""
    goals = Goal.objects.filter(block.of("account__investor_id"), portfolio__isnull=False)
    who, key, cash, target = read(
        goals.values_list("account__investor_id", "portfolio_id", "portfolio__cash_minor", "target_minor"), *[np.int64] * 3, object
    )
    is_here, person = block.place(who)
    key, cash, target = key[is_here], cash[is_here], whole(target[is_here])
    waiting = dict(_on_their_way(block))
    on_way = np.array([waiting.get(one, 0) for one in key.tolist()], np.int64)
    worth = cash + on_way + _of_portfolio(key, portfolio, value)
    wanted = target > 0
    idle, assets = summed(person, cash, block.n), invested + summed(person, cash + on_way, block.n)
    return {
        "assets_minor": assets,
        "idle_cash_minor": idle,
        "idle_share": divided(idle, assets),
        "goal_progress": divided(summed(person[wanted], worth[wanted], block.n), summed(person[wanted], target[wanted], block.n)),
    }


def _of_portfolio(keys: IntArray, portfolio: IntArray, value: IntArray) -> IntArray:
    order = np.argsort(keys)
    found = np.zeros(len(keys), np.int64)
    if len(keys):
        np.add.at(found, order[np.searchsorted(keys, portfolio, sorter=order)], value)
    return found


def _on_their_way(block: Block) -> QuerySet[Order, tuple[int, int]]:
    """Money of purchases not confirmed and of redemptions not paid yet, as portfolios.selectors.positions counts it."""
    buying = Q(side=Order.Side.BUY, state__in=[Order.State.PLACED, Order.State.ACCEPTED])
    arriving = Q(side=Order.Side.SELL, state=Order.State.CONFIRMED)
    rows = Order.objects.filter(block.of(OWNER)).filter(buying | arriving).order_by().values("portfolio_id")
    return rows.annotate(total=Sum(F("amount_minor") - F("fee_minor"))).values_list("portfolio_id", "total")


def _past(block: Block, market: Market) -> Columns:
    moves = _movements(block, market)
    mean_day = mean_purchase_day(moves, block.n)
    in_profit, fall = lived_through(moves, market.prices, block.n)
    return {"holding_days": np.maximum(block.day.toordinal() - mean_day, 0.0), "in_profit_share": in_profit, "drawdown_felt": fall}


def _movements(block: Block, market: Market) -> Movements:
    """Purchases and redemptions that the ledger has until the day, as they were booked."""
    rows = LedgerEntry.objects.filter(block.of(OWNER), kind__in=MOVES, date__lte=block.day)
    who, portfolio, fund, key, day, units, cost = read(
        rows.values_list(OWNER, "portfolio_id", "fund_id", "pk", Ordinal("date"), "units_centi", "cost_minor"), *[np.int64] * 7
    )
    is_here, person = block.place(who)
    days = day[is_here]
    order = np.lexsort((key[is_here], days, fund[is_here], portfolio[is_here]))
    portfolio, fund, person = portfolio[is_here][order], fund[is_here][order], person[order]
    new = np.ones(len(fund), bool)
    new[1:] = (np.diff(portfolio) != 0) | (np.diff(fund) != 0)
    first = np.flatnonzero(new)
    column = np.array([market.column.get(one, -1) for one in fund[first].tolist()], np.int64)
    return Movements(
        first=np.append(first, len(fund)).astype(np.int64),
        day=days[order],
        units=units[is_here][order],
        cost=cost[is_here][order],
        owner=person[first],
        fund=column,
    )
