"""Simulated ledgers in the database: portfolios, decisions, orders with their transitions, movements and holdings."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from advisor.models import Clearance, Goal
from demo.cast import Member, Pot
from demo.services.bulk import write
from demo.services.stage import Scenery, at
from demo.trading import Book, Movement, Trade
from portfolios.models import Holding, LedgerEntry, Order, OrderEvent, Portfolio

PORTFOLIOS_A_BLOCK = 150  # keeps what is in memory, and each transaction, small
BOOKED_AT = -20  # minutes after half past nine: the morning of the confirmation day
SAVED_FOR = {"buy": ("within_level",), "sell": ("sale",)}


def load_books(goals: Sequence[tuple[Member, Pot, Goal]], scenery: Scenery) -> int:
    """Write the ledger of every funded goal, block by block; returns how many orders that were."""
    funded = [(member, pot, goal) for member, pot, goal in goals if pot.book is not None]
    n_orders = 0
    for start in range(0, len(funded), PORTFOLIOS_A_BLOCK):
        n_orders += _write_block(funded[start : start + PORTFOLIOS_A_BLOCK], scenery)
    return n_orders


def _write_block(block: Sequence[tuple[Member, Pot, Goal]], scenery: Scenery) -> int:
    books = [_book(pot) for _, pot, _ in block]
    opened = [at(scenery.tape.date(book.movements[0].day), 0) for book in books]
    portfolios = write(Portfolio(cash_minor=book.cash_minor, opened_at=when) for book, when in zip(books, opened, strict=True))
    for (_, _, goal), portfolio in zip(block, portfolios, strict=True):
        goal.portfolio = portfolio
    Goal.objects.bulk_update([goal for _, _, goal in block], ["portfolio"])
    clearances, orders = [], []
    for (member, _, goal), portfolio, book in zip(block, portfolios, books, strict=True):
        for number, trade in enumerate(book.trades):
            placed_at = at(scenery.tape.date(trade.day), _minute(member, trade))
            clearance = _clearance(goal, portfolio, trade, number, placed_at, scenery)
            clearances.append(clearance)
            orders.append(_order(portfolio, trade, number, clearance.pk, placed_at, scenery))
    write(clearances)
    written = write(orders)
    write(event for order in written for event in _transitions(order))
    by_key = {order.idempotency_key: order for order in written}
    write(
        _entry(portfolio, movement, number, book, by_key, scenery)
        for portfolio, book in zip(portfolios, books, strict=True)
        for number, movement in enumerate(book.movements)
    )
    write(
        Holding(portfolio=portfolio, fund=scenery.funds[fund], units_centi=units, cost_minor=cost)
        for portfolio, book in zip(portfolios, books, strict=True)
        for fund, (units, cost) in sorted(book.holdings().items())
    )
    return len(written)


def _book(pot: Pot) -> Book:
    if pot.book is None:
        raise ValueError("only a funded goal has a ledger")
    return pot.book


def _minute(member: Member, trade: Trade) -> int:
    """The minute of the day at which somebody places orders: before the cut-off, the same for the orders of one day."""
    return (member.person.seed + 37 * trade.day) % 300


def _key(portfolio: Portfolio, number: int) -> str:
    return f"demo:{portfolio.pk}:{number}"


def _clearance(goal: Goal, portfolio: Portfolio, trade: Trade, number: int, placed_at: datetime, scenery: Scenery) -> Clearance:
    is_buy = trade.side == Order.Side.BUY
    return Clearance(
        id=uuid5(NAMESPACE_URL, _key(portfolio, number)),
        investor_id=goal.account.investor_id,
        portfolio_id=portfolio.pk,
        fund=scenery.funds[trade.fund],
        side=trade.side,
        amount_minor=trade.amount_minor if is_buy else None,
        units_centi=None if is_buy else trade.units_centi,
        level=trade.level,
        risk_grade=scenery.funds[trade.fund].risk_grade,
        verdict=Clearance.Verdict.RECOMMEND,
        reasons=list(SAVED_FOR[trade.side]),
        at=placed_at,
    )


def _order(portfolio: Portfolio, trade: Trade, number: int, clearance_id: UUID, placed_at: datetime, scenery: Scenery) -> Order:
    tape = scenery.tape
    return Order(
        portfolio=portfolio,
        fund=scenery.funds[trade.fund],
        side=trade.side,
        origin=trade.origin,
        state=Order.State.PAID if trade.pay is not None else Order.State.CONFIRMED,
        amount_minor=trade.amount_minor,
        units_centi=trade.units_centi,
        fee_minor=trade.fee_minor,
        nav_micro=trade.nav_micro,
        price_date=tape.date(trade.day),
        confirm_date=tape.date(trade.confirm),
        pay_date=None if trade.pay is None else tape.date(trade.pay),
        clearance_id=clearance_id,
        idempotency_key=_key(portfolio, number),
        placed_at=placed_at,
        confirmed_at=at(tape.date(trade.confirm), BOOKED_AT),
    )


def _transitions(order: Order) -> Iterator[OrderEvent]:
    """The events that the same order would have left, had it been placed and confirmed by hand."""
    yield OrderEvent(order=order, to_state=Order.State.PLACED, why=order.origin, at=order.placed_at)
    yield OrderEvent(order=order, from_state=Order.State.PLACED, to_state=Order.State.ACCEPTED, at=order.placed_at)
    yield OrderEvent(order=order, from_state=Order.State.ACCEPTED, to_state=Order.State.CONFIRMED, at=order.confirmed_at or order.placed_at)
    if order.pay_date is not None:
        yield OrderEvent(order=order, from_state=Order.State.CONFIRMED, to_state=Order.State.PAID, at=at(order.pay_date, BOOKED_AT))


def _entry(portfolio: Portfolio, movement: Movement, number: int, book: Book, orders: dict[str, Order], scenery: Scenery) -> LedgerEntry:
    day: date = scenery.tape.date(movement.day)
    order = orders[_key(portfolio, movement.trade)] if movement.trade is not None else None
    is_payout = movement.kind == LedgerEntry.Kind.PAYOUT
    return LedgerEntry(
        portfolio=portfolio,
        order=order,
        fund=None if order is None or is_payout else scenery.funds[book.trades[movement.trade or 0].fund],
        kind=movement.kind,
        cash_minor=movement.cash_minor,
        units_centi=movement.units_centi,
        cost_minor=movement.cost_minor,
        date=day,
        key=f"{movement.kind}:{order.pk}" if order else f"deposit:{_key(portfolio, number)}",
        at=at(day, BOOKED_AT if movement.units_centi or is_payout else 0),
    )
