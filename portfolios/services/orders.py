"""Orders: amounts to buy and units to redeem, from placing to money. One named function a transition.

    placed -> accepted -> confirmed (units booked; the end of a purchase) -> paid (a redemption's money)
    placed | accepted -> rejected | cancelled, which give back what was set aside

Each transition is a guarded UPDATE under the lock of the order's portfolio, so that of two workers one does it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from portfolios import calendar
from portfolios.broker import Fill, broker
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.lots import FeeStep, Lot, open_lots, redeem, take_oldest
from portfolios.models import Fund, Holding, LedgerEntry, Order, OrderEvent
from portfolios.money import rate_bps, split_purchase
from portfolios.services.capacity import settle_capacity, take_capacity
from portfolios.services.ledger import InsufficientUnits, LedgerRefusal, Movement, lock_portfolio, post

BLOCK = 500
OPEN_STATES = (Order.State.PLACED, Order.State.ACCEPTED)


class OrderRefused(LedgerRefusal):
    """An order that cannot be placed or changed, with its reason as data."""


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An amount to buy or units to redeem, the suitability decision it rests on, and the key that makes it one order."""

    portfolio_id: int
    fund_id: int
    side: str
    origin: str
    clearance_id: UUID
    idempotency_key: str
    amount_minor: int | None = None
    units_centi: int | None = None
    placed_at: datetime | None = None
    actor: Any = None
    holder: str = ""  # who the fund's daily limit counts for; without one, the portfolio
    reservation: str = ""  # the reference under which capacity was reserved for it


def place_order(request: OrderRequest) -> Order:
    """Write an order and set aside its cash; the same idempotency key again writes nothing and returns the first order.

    Raises InsufficientCash, InsufficientUnits or CapacityRefused, and OrderRefused for anything else, with nothing written.
    """
    _check_request(request)
    with transaction.atomic():
        lock_portfolio(request.portfolio_id)
        known = Order.objects.filter(idempotency_key=request.idempotency_key).first()
        if known is not None:
            return _same_order(known, request)
        fund = Fund.objects.get(pk=request.fund_id)
        _check_fund(request, fund)
        if request.side == Order.Side.SELL:
            _check_units(request, fund)
        order = _write_order(request, fund)
        if order.side == Order.Side.BUY:
            holder = request.holder or f"portfolio:{order.portfolio_id}"
            take_capacity(order=order, holder=holder, reference=request.reservation or f"order:{order.pk}")
            post(
                Movement(
                    order.portfolio_id,
                    LedgerEntry.Kind.RESERVE,
                    f"reserve:{order.pk}",
                    calendar.local_date(order.placed_at),
                    cash_minor=-(order.amount_minor or 0),
                    fund_id=order.fund_id,
                    order=order,
                )
            )
        return order


def _check_request(request: OrderRequest) -> None:
    if not request.clearance_id:
        raise OrderRefused("no_clearance")
    is_buy = request.side == Order.Side.BUY
    asked, other = (request.amount_minor, request.units_centi) if is_buy else (request.units_centi, request.amount_minor)
    if request.side not in Order.Side.values or asked is None or asked <= 0 or other is not None:
        raise OrderRefused("amount_to_buy_or_units_to_redeem", side=request.side)


def _check_fund(request: OrderRequest, fund: Fund) -> None:
    if Order.objects.filter(clearance_id=request.clearance_id).exists():
        raise OrderRefused("clearance_used", clearance_id=str(request.clearance_id))
    if request.side == Order.Side.BUY and not fund.can_be_bought:
        raise OrderRefused("fund_closed", fund_code=fund.code)
    if fund.last_nav_micro is None:
        raise OrderRefused("fund_has_no_nav", fund_code=fund.code)
    if fund.category not in jurisdiction().categories:
        raise OrderRefused("unknown_category", fund_code=fund.code, category=fund.category)
    smallest = jurisdiction().min_purchase_minor
    if request.amount_minor is not None and request.amount_minor < smallest:
        raise OrderRefused("below_smallest_purchase", amount_minor=request.amount_minor, smallest_minor=smallest)


def _check_units(request: OrderRequest, fund: Fund) -> None:
    held = Holding.objects.filter(portfolio_id=request.portfolio_id, fund=fund).values_list("units_centi", flat=True).first() or 0
    sold = Order.objects.filter(portfolio_id=request.portfolio_id, fund=fund, side=Order.Side.SELL, state__in=OPEN_STATES)
    free = held - (sold.aggregate(total=Sum("units_centi"))["total"] or 0)
    if (request.units_centi or 0) > free:
        raise InsufficientUnits("insufficient_units", fund_code=fund.code, needed_centi=request.units_centi, units_centi=free)


def _same_order(known: Order, request: OrderRequest) -> Order:
    asked = known.amount_minor == request.amount_minor if known.side == Order.Side.BUY else known.units_centi == request.units_centi
    same = (known.portfolio_id, known.fund_id, known.side) == (request.portfolio_id, request.fund_id, request.side)
    if not (asked and same):
        raise OrderRefused("key_used_for_another", key=request.idempotency_key)
    return known


def _write_order(request: OrderRequest, fund: Fund) -> Order:
    placed_at = request.placed_at or timezone.now()
    priced_on = calendar.price_date(placed_at)
    confirmed_on = calendar.confirm_date(priced_on, fund.category)
    order = Order.objects.create(
        portfolio_id=request.portfolio_id,
        fund=fund,
        side=request.side,
        origin=request.origin,
        amount_minor=request.amount_minor,
        units_centi=request.units_centi,
        price_date=priced_on,
        confirm_date=confirmed_on,
        pay_date=calendar.pay_date(confirmed_on, fund.category) if request.side == Order.Side.SELL else None,
        clearance_id=request.clearance_id,
        idempotency_key=request.idempotency_key,
        placed_at=placed_at,
    )
    OrderEvent.objects.create(order=order, to_state=order.state, actor=request.actor, why=request.origin)
    return order


def confirm_orders(*, limit: int = 1000, today: date | None = None) -> int:
    """Accept what was placed, confirm what has its NAV, pay what is due; safe to repeat and to run twice at once.

    Returns how many orders were confirmed, at most `limit`. An order without its NAV waits without holding up the next.
    """
    desk, today = broker(), today or timezone.localdate()
    for order in _in_state(Order.State.PLACED):
        reason = desk.refuses(order)
        if reason:
            reject_order(order, reason)
        else:
            accept_order(order)
    n_confirmed = 0
    for order in _in_state(Order.State.ACCEPTED):
        if n_confirmed >= limit:
            break
        fill = desk.fill(order, today)
        n_confirmed += fill is not None and confirm_order(order, fill)
    for order in _in_state(Order.State.CONFIRMED, side=Order.Side.SELL, pay_date__lte=today):
        pay_order(order)
    return n_confirmed


def _in_state(state: Order.State, **also: Any) -> Iterator[Order]:
    """Orders of a state by primary key, in blocks, so that a long queue is neither loaded nor locked whole."""
    last = 0
    while block := list(Order.objects.select_related("fund").filter(state=state, pk__gt=last, **also).order_by("pk")[:BLOCK]):
        yield from block
        last = block[-1].pk


def accept_order(order: Order) -> bool:
    """Move a placed order to accepted; False when somebody else moved it."""
    with transaction.atomic():
        return _move(order, (Order.State.PLACED,), Order.State.ACCEPTED)


def confirm_order(order: Order, fill: Fill) -> bool:
    """Move an accepted order to confirmed and book its units; False when somebody else did, or it was rejected."""
    with transaction.atomic():
        lock_portfolio(order.portfolio_id)
        if not Order.objects.filter(pk=order.pk, state=Order.State.ACCEPTED).exists():
            return False
        return (_confirm_purchase if order.side == Order.Side.BUY else _confirm_redemption)(order, fill)


def _confirm_purchase(order: Order, fill: Fill) -> bool:
    amount_minor = order.amount_minor or 0
    fee_minor, units_centi = split_purchase(amount_minor, order.fund.purchase_fee_bps, fill.nav_micro)
    if not units_centi:
        reject_order(order, "buys_no_unit")
        return False
    booked = {"fee_minor": fee_minor, "units_centi": units_centi, "nav_micro": fill.nav_micro}
    dates = {"price_date": fill.price_date, "confirm_date": fill.confirm_date, "confirmed_at": timezone.now()}
    if not _move(order, (Order.State.ACCEPTED,), Order.State.CONFIRMED, **booked, **dates):
        return False
    post(_units(order, LedgerEntry.Kind.BUY, fill.confirm_date, units_centi, amount_minor))
    settle_capacity(order, is_bought=True)
    return True


def _confirm_redemption(order: Order, fill: Fill) -> bool:
    units_centi = order.units_centi or 0
    try:
        taken, _ = take_oldest(lots_held(order.portfolio_id, order.fund_id), units_centi)
    except ValueError:
        reject_order(order, "insufficient_units")
        return False
    got = redeem(taken, fill.nav_micro, fill.confirm_date, redemption_steps(order.fund))
    booked = {"amount_minor": got.gross_minor, "fee_minor": got.fee_minor, "nav_micro": fill.nav_micro}
    dates = {"price_date": fill.price_date, "confirm_date": fill.confirm_date, "pay_date": fill.pay_date, "confirmed_at": timezone.now()}
    if not _move(order, (Order.State.ACCEPTED,), Order.State.CONFIRMED, **booked, **dates):
        return False
    post(_units(order, LedgerEntry.Kind.SELL, fill.confirm_date, -units_centi, -got.cost_minor))
    return True


def lots_held(portfolio_id: int, fund_id: int) -> list[Lot]:
    """The open lots of a fund in a portfolio, oldest first, derived from the ledger."""
    rows = LedgerEntry.objects.filter(portfolio_id=portfolio_id, fund_id=fund_id, kind__in=[LedgerEntry.Kind.BUY, LedgerEntry.Kind.SELL])
    return open_lots(Lot(*row) for row in rows.order_by("pk").values_list("units_centi", "cost_minor", "date"))


def redemption_steps(fund: Fund) -> list[FeeStep]:
    """The redemption fees of a fund by days held: the legal floors, none for an exempt category."""
    table = jurisdiction()
    if fund.category in table.redemption_exempt_categories:
        return []
    return [FeeStep(floor.below_days, rate_bps(floor.rate)) for floor in table.redemption_floors]


def pay_order(order: Order) -> bool:
    """Move a confirmed redemption to paid and its money to cash; False when somebody else did."""
    with transaction.atomic():
        lock_portfolio(order.portfolio_id)
        if not _move(order, (Order.State.CONFIRMED,), Order.State.PAID):
            return False
        paid_on = order.pay_date or timezone.localdate()
        post(Movement(order.portfolio_id, LedgerEntry.Kind.PAYOUT, f"payout:{order.pk}", paid_on, cash_minor=order.net_minor, order=order))
        return True


def reject_order(order: Order, why: str) -> bool:
    """Move an open order to rejected and give back what was set aside; False when it is no longer open."""
    return _close(order, Order.State.REJECTED, why, None)


def cancel_order(*, order_id: int, actor: Any = None, why: str = "", now: datetime | None = None) -> bool:
    """Move an open order to cancelled and give back what was set aside; False when it was cancelled before.

    Raises OrderRefused after the cut-off of its price day, or when it is confirmed.
    """
    order = Order.objects.get(pk=order_id)
    if order.state == Order.State.CANCELLED:
        return False
    if order.state in OPEN_STATES and order.price_date is not None and (now or timezone.now()) >= calendar.cut_off_at(order.price_date):
        raise OrderRefused("too_late_to_cancel", price_date=order.price_date.isoformat())
    if not _close(order, Order.State.CANCELLED, why, actor):
        raise OrderRefused("no_longer_open", state=Order.objects.values_list("state", flat=True).get(pk=order_id))
    return True


def _close(order: Order, to_state: Order.State, why: str, actor: Any) -> bool:
    with transaction.atomic():
        lock_portfolio(order.portfolio_id)
        if not _move(order, OPEN_STATES, to_state, why=why, actor=actor):
            return False
        if order.side == Order.Side.BUY:
            settle_capacity(order, is_bought=False)
            key, day, amount_minor = f"release:{order.pk}", timezone.localdate(), order.amount_minor or 0
            post(
                Movement(
                    order.portfolio_id, LedgerEntry.Kind.RELEASE, key, day, cash_minor=amount_minor, fund_id=order.fund_id, order=order
                )
            )
        return True


def _units(order: Order, kind: str, day: date, units_centi: int, cost_minor: int) -> Movement:
    return Movement(
        order.portfolio_id,
        kind,
        f"{kind}:{order.pk}",
        day,
        units_centi=units_centi,
        cost_minor=cost_minor,
        fund_id=order.fund_id,
        order=order,
    )


def _move(order: Order, from_states: tuple[Order.State, ...], to_state: Order.State, **fields: Any) -> bool:
    """Guarded UPDATE of the state with its event row, inside the caller's transaction; False when the state is another."""
    why, actor = fields.pop("why", ""), fields.pop("actor", None)
    state = Order.objects.filter(pk=order.pk).values_list("state", flat=True).get()
    if state not in from_states or not Order.objects.filter(pk=order.pk, state=state).update(state=to_state, **fields):
        return False
    OrderEvent.objects.create(order=order, from_state=state, to_state=to_state, actor=actor, why=why)
    order.state = to_state
    for name, value in fields.items():
        setattr(order, name, value)
    return True
