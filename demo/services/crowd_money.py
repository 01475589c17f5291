"""The rows of people with short lives: portfolios, decisions, orders, ledger and holdings."""

from uuid import NAMESPACE_URL, uuid5

import numpy as np

from advisor.models import Clearance
from demo.crowd import Ints
from demo.services.crowd_desk import Desk, Part, Times
from demo.services.rows import next_keys
from demo.short_lives import BUY, KINDS, ORIGINS, PAYOUT, SELL, Trades
from portfolios.models import Holding, LedgerEntry, Order, OrderEvent, Portfolio

BOOKED_AT = -20  # minutes after half past nine: the morning of the confirmation day


def make_portfolios(part: Part, desk: Desk) -> Ints:
    """A portfolio for each goal that was funded; returns keys by goal, -1 where there is none."""
    ledgers, here = part.block.ledgers, part.plans
    funded = ledgers.level[here] >= 0
    keys = np.full(here.stop - here.start, -1)
    keys[funded] = next_keys(Portfolio, int(funded.sum()))
    opened = desk.when(part.block.crowd.plans.start[here][funded], 0)
    part.rows.add(Portfolio, int(funded.sum()), id=keys[funded], cash_minor=ledgers.cash_minor[here][funded], opened_at=opened)
    return keys


def make_orders(part: Part, investors: Ints, portfolios: Ints, desk: Desk) -> Ints:
    """A suitability decision and an order a trade, with the order's transitions; returns keys of the orders."""
    trades, crowd = part.block.ledgers.trades.taken(part.trades), part.block.crowd
    n, person = len(trades), crowd.plans.person[trades.plan]
    placed = desk.when(trades.day, (crowd.minute[person] + 37 * trades.day) % 300)
    portfolio, fund = portfolios[trades.plan - part.plans.start], desk.fund[trades.fund]
    grades = np.array(desk.scenery.tape.grades)
    side = np.where(trades.is_buy, Order.Side.BUY.value, Order.Side.SELL.value)
    # Ascending, so that the largest indices grow at their end: random keys make a large load twice as long.
    prefix = uuid5(NAMESPACE_URL, f"demo:orders:{desk.seed}:{crowd.first}").hex[:8]
    decisions = [f"{crowd.first:012x}8{prefix[:3]}8{prefix[3:6]}{part.trades.start + row:012x}" for row in range(n)]
    part.rows.add(
        Clearance,
        n,
        id=decisions,
        investor_id=investors[person - part.people.start],
        portfolio_id=portfolio,
        fund_id=fund,
        side=side,
        amount_minor=_where(trades.is_buy, trades.amount_minor),
        units_centi=_where(~trades.is_buy, trades.units_centi),
        level=trades.level,
        risk_grade=grades[trades.fund],
        verdict=Clearance.Verdict.RECOMMEND.value,
        reasons=np.where(trades.is_buy, '["within_level"]', '["sale"]'),
        at=placed,
    )
    keys = next_keys(Order, n)
    part.rows.add(
        Order,
        n,
        id=keys,
        portfolio_id=portfolio,
        fund_id=fund,
        side=side,
        origin=np.array(ORIGINS)[trades.origin],
        state=np.where(trades.is_buy, Order.State.CONFIRMED.value, Order.State.PAID.value),
        amount_minor=trades.amount_minor,
        units_centi=trades.units_centi,
        fee_minor=trades.fee_minor,
        nav_micro=trades.nav_micro,
        price_date=desk.dates[trades.day],
        confirm_date=desk.dates[trades.confirm],
        pay_date=_paid(trades, desk.dates),
        clearance_id=decisions,
        idempotency_key=[f"demo:{pk}:{number}" for pk, number in zip(portfolio.tolist(), _numbers(trades.plan), strict=True)],
        placed_at=placed,
        confirmed_at=desk.when(trades.confirm, BOOKED_AT),
    )
    _make_transitions(part, trades, keys, placed, desk)
    return keys


def _where(mask: np.ndarray, values: Ints) -> list[int | None]:
    return [value if is_there else None for is_there, value in zip(mask.tolist(), values.tolist(), strict=True)]


def _paid(trades: Trades, dates: Times) -> Times:
    days = dates[np.where(trades.is_buy, 0, trades.pay)]
    return np.where(trades.is_buy, np.datetime64("NaT", "D"), days)


def _numbers(owner: Ints) -> list[int]:
    """The place of each row among those of its owner; rows of one owner stand together."""
    return (np.arange(len(owner)) - np.searchsorted(owner, owner)).tolist()


def _make_transitions(part: Part, trades: Trades, keys: Ints, placed: Times, desk: Desk) -> None:
    """The events that the same orders would have left, had they been placed and confirmed by hand."""
    state, n = Order.State, len(trades)
    origins = np.array(ORIGINS)[trades.origin]
    part.rows.add(OrderEvent, n, order_id=keys, to_state=state.PLACED.value, why=origins, at=placed)
    part.rows.add(OrderEvent, n, order_id=keys, from_state=state.PLACED.value, to_state=state.ACCEPTED.value, at=placed)
    confirmed = desk.when(trades.confirm, BOOKED_AT)
    part.rows.add(OrderEvent, n, order_id=keys, from_state=state.ACCEPTED.value, to_state=state.CONFIRMED.value, at=confirmed)
    sold = ~trades.is_buy
    paid = desk.when(trades.pay[sold], BOOKED_AT)
    part.rows.add(OrderEvent, len(paid), order_id=keys[sold], from_state=state.CONFIRMED.value, to_state=state.PAID.value, at=paid)


def make_ledger(part: Part, portfolios: Ints, orders: Ints, desk: Desk) -> None:
    """Every movement in the order in which it was booked, and the holdings that they leave."""
    trades, moves = part.block.ledgers.trades, part.block.ledgers.movements.taken(part.movements)
    held = part.block.ledgers.positions.taken(part.positions)
    of_order = moves.trade >= 0
    order = np.where(of_order, orders[np.where(of_order, moves.trade - part.trades.start, 0)], 0).tolist()
    fund = np.where(of_order & (moves.kind != PAYOUT), desk.fund[trades.fund[np.maximum(moves.trade, 0)]], 0).tolist()
    portfolio = portfolios[moves.plan - part.plans.start]
    kinds = np.array(KINDS)[moves.kind].tolist()
    keys = [
        f"{kind}:{pk}" if pk else f"{kind}:demo:{of}:{number}"
        for kind, pk, of, number in zip(kinds, order, portfolio.tolist(), _numbers(moves.plan), strict=True)
    ]
    part.rows.add(
        LedgerEntry,
        len(keys),
        portfolio_id=portfolio,
        order_id=[pk or None for pk in order],
        fund_id=[pk or None for pk in fund],
        kind=kinds,
        cash_minor=moves.cash_minor,
        units_centi=moves.units_centi,
        cost_minor=moves.cost_minor,
        date=desk.dates[moves.day],
        key=keys,
        at=desk.when(moves.day, np.where(np.isin(moves.kind, [BUY, SELL, PAYOUT]), BOOKED_AT, 0)),
    )
    part.rows.add(
        Holding,
        len(held.plan),
        portfolio_id=portfolios[held.plan - part.plans.start],
        fund_id=desk.fund[held.fund],
        units_centi=held.units_centi,
        cost_minor=held.cost_minor,
    )
