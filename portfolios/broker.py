"""Who executes orders. The paper broker is the embedded default; a real one answers the same two questions.

The paper broker of a demo (settings.PAPER_CONFIRMS_AT_ONCE) confirms and pays at once, at the last NAV published up to
the price day, so that somebody trying the product sees holdings within seconds. That is not how funds settle: anywhere
else it waits for the NAV of the price day itself, for the confirmation day, and for the day the money arrives.
"""

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from django.conf import settings

from portfolios import selectors
from portfolios.models import Order


@dataclass(frozen=True, slots=True)
class Fill:
    """The NAV an order was executed at and that NAV's day, the day it is confirmed, and the day a redemption's money arrives."""

    nav_micro: int
    price_date: date
    confirm_date: date
    pay_date: date | None = None


class Broker(Protocol):
    def refuses(self, order: Order) -> str | None:
        """A reason code when the order is not taken on, else None."""

    def fill(self, order: Order, today: date) -> Fill | None:
        """What the order was executed at, or None while that is not known yet. Asked again until it is."""


class PaperBroker:
    """Executes on paper at published NAVs."""

    def refuses(self, order: Order) -> str | None:
        return "fund_closed" if order.side == Order.Side.BUY and not order.fund.can_be_bought else None

    def fill(self, order: Order, today: date) -> Fill | None:
        if order.price_date is None or order.confirm_date is None:
            return None
        if today < order.confirm_date and not settings.PAPER_CONFIRMS_AT_ONCE:
            return None
        published = selectors.nav_on(order.fund_id, order.price_date)
        if published is None:
            return None
        nav_date, nav_micro = published
        if settings.PAPER_CONFIRMS_AT_ONCE:
            day = min(order.price_date, today)
            return Fill(nav_micro, nav_date, day, day)
        return Fill(nav_micro, nav_date, order.confirm_date, order.pay_date) if nav_date == order.price_date else None


def broker() -> Broker:
    return PaperBroker()
