"""Orders as pages show them, with the four steps of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from portfolios.calendar import local_date
from portfolios.models import Order

NOT_DONE = (Order.State.REJECTED, Order.State.CANCELLED)
RANK = {Order.State.PLACED: 1, Order.State.ACCEPTED: 2, Order.State.CONFIRMED: 3, Order.State.PAID: 4}
LABELS = {
    "placed": pgettext_lazy("step of an order", "Placed"),
    "accepted": pgettext_lazy("step of an order", "Accepted"),
    "confirmed": pgettext_lazy("step of an order", "Confirmed"),
    "held": pgettext_lazy("step of an order", "In the portfolio"),
    "paid": pgettext_lazy("step of an order", "Money received"),
    "rejected": pgettext_lazy("step of an order", "Not carried out"),
    "cancelled": pgettext_lazy("step of an order", "Withdrawn"),
}
REASONS = {
    "fund_closed": _("The fund was closed for purchases. The money is back in your cash."),
    "buys_no_unit": _("The amount is less than the smallest part of one unit. The money is back in your cash."),
    "insufficient_units": _("Fewer units were held than were to be redeemed. Nothing was redeemed."),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an order: its day, and whether it is done; a day of a step that is not done is expected."""

    code: str
    day: date | None
    is_done: bool

    @property
    def label(self) -> str:
        return str(LABELS[self.code])


def orders_of(portfolio_ids: Iterable[int] | QuerySet) -> QuerySet[Order]:
    """Orders of portfolios, newest first, with their funds and events: three queries whatever their number."""
    return Order.objects.filter(portfolio_id__in=portfolio_ids).select_related("fund").prefetch_related("events")


def steps_of(order: Order) -> list[Step]:
    """The four steps of an order, or what was done before it ended early and how it ended."""
    days = {event.to_state: local_date(event.at) for event in order.events.all()}
    placed = Step("placed", local_date(order.placed_at), True)
    if order.state in NOT_DONE:
        accepted = [Step("accepted", days["accepted"], True)] if "accepted" in days else []
        return [placed, *accepted, Step(order.state, days.get(order.state), True)]
    rank = RANK[Order.State(order.state)]
    is_buy = order.side == Order.Side.BUY
    last = Step("held", order.confirm_date, rank >= 3) if is_buy else Step("paid", order.pay_date, rank >= 4)
    return [placed, Step("accepted", days.get("accepted"), rank >= 2), Step("confirmed", order.confirm_date, rank >= 3), last]


def why_not(order: Order) -> str:
    """The sentence for an order that was not carried out, empty for any other."""
    reason = next((event.why for event in order.events.all() if event.to_state == Order.State.REJECTED), "")
    return str(REASONS[reason]) if reason in REASONS else ""
