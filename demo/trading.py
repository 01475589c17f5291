"""A pure ledger of one simulated portfolio, by the same rules and roundings as portfolios.services.

Days are indices into the market's sessions: day d + 1 is the next session, so settlement lags are additions. Movements are
written in the order in which they were booked, which is the order in which lots are taken.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from demo.tape import Tape
from portfolios.kernels.lots import Lot, redeem, take_oldest
from portfolios.money import split_purchase, value_minor

SMALLEST_PURCHASE_MINOR = 1_000


@dataclass(slots=True)
class Trade:
    """One order as it ended. `amount_minor` of a redemption is its gross, as on the order."""

    side: str
    origin: str
    fund: int  # a column of the tape
    day: int  # placed before the cut-off of this session, priced at its NAV
    confirm: int
    pay: int | None
    level: int
    amount_minor: int
    units_centi: int
    fee_minor: int = 0
    nav_micro: int = 0


@dataclass(frozen=True, slots=True)
class Movement:
    kind: str
    day: int
    cash_minor: int = 0
    units_centi: int = 0
    cost_minor: int = 0
    trade: int | None = None  # index into the book's trades


@dataclass
class Book:
    """Cash, lots, trades and movements of one portfolio."""

    tape: Tape
    cash_minor: int = 0
    lots: dict[int, list[Lot]] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)
    _due: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _n_due: int = 0  # makes bookings of one day come in the order in which they were arranged
    _promised: dict[int, int] = field(default_factory=dict)  # units in redemptions that are not confirmed yet

    def settle(self, day: int) -> None:
        """Book what is due until the morning of a day."""
        while self._due and self._due[0][0] <= day:
            heapq.heappop(self._due)[2]()

    def deposit(self, day: int, amount_minor: int) -> None:
        self.settle(day)
        self._book(Movement("deposit", day, cash_minor=amount_minor))

    def buy(self, day: int, fund: int, amount_minor: int, *, origin: str, level: int) -> None:
        """Place a purchase of at most what is in cash; one too small, too late to settle, or before the fund exists is not placed."""
        self.settle(day)
        amount_minor = min(amount_minor, self.cash_minor)
        nav, confirm = self.tape.nav(fund, day), day + self.tape.confirm_lag[fund]
        if amount_minor < SMALLEST_PURCHASE_MINOR or nav <= 0 or confirm > self.tape.last_day:
            return
        fee_minor, units_centi = split_purchase(amount_minor, self.tape.purchase_fee_bps[fund], nav)
        trade = len(self.trades)
        self.trades.append(Trade("buy", origin, fund, day, confirm, None, level, amount_minor, units_centi, fee_minor, nav))
        self._book(Movement("reserve", day, cash_minor=-amount_minor, trade=trade))
        self._later(confirm, lambda: self._receive(trade))

    def _receive(self, trade: int) -> None:
        order = self.trades[trade]
        self._book(Movement("buy", order.confirm, units_centi=order.units_centi, cost_minor=order.amount_minor, trade=trade))
        self.lots.setdefault(order.fund, []).append(Lot(order.units_centi, order.amount_minor, self.tape.date(order.confirm)))

    def sell(self, day: int, fund: int, share: float, *, origin: str, level: int) -> None:
        """Place a redemption of a share of the units; one that could not be paid before the market's last day is not placed."""
        self.settle(day)
        units_centi = int(self.units(fund) * share) if share < 1 else self.units(fund)
        confirm = day + self.tape.confirm_lag[fund]
        pay = confirm + self.tape.pay_lag[fund]
        if units_centi <= 0 or pay > self.tape.last_day:
            return
        trade = len(self.trades)
        self.trades.append(Trade("sell", origin, fund, day, confirm, pay, level, 0, units_centi))
        self._promised[fund] = self._promised.get(fund, 0) + units_centi
        self._later(confirm, lambda: self._deliver(trade))

    def _deliver(self, trade: int) -> None:
        order = self.trades[trade]
        taken, left = take_oldest(self.lots[order.fund], order.units_centi)
        nav = self.tape.nav(order.fund, order.day)
        got = redeem(taken, nav, self.tape.date(order.confirm), self.tape.redemption_steps[order.fund])
        order.amount_minor, order.fee_minor, order.nav_micro = got.gross_minor, got.fee_minor, nav
        self._promised[order.fund] -= order.units_centi
        self.lots[order.fund] = left
        self._book(Movement("sell", order.confirm, units_centi=-order.units_centi, cost_minor=-got.cost_minor, trade=trade))
        pay = order.pay or order.confirm
        self._later(pay, lambda: self._book(Movement("payout", pay, cash_minor=order.amount_minor - order.fee_minor, trade=trade)))

    def units(self, fund: int) -> int:
        """Units that are held and not promised to a redemption."""
        return sum(lot.units_centi for lot in self.lots.get(fund, [])) - self._promised.get(fund, 0)

    def held(self, day: int) -> dict[int, int]:
        """What each held fund is worth on a day."""
        self.settle(day)
        return {fund: value_minor(units, self.tape.nav(fund, day)) for fund in self.lots if (units := self.units(fund)) > 0}

    def holdings(self) -> dict[int, tuple[int, int]]:
        """Units and cost a fund, as they stand after everything is settled."""
        self.settle(self.tape.last_day)
        sums = {fund: (sum(lot.units_centi for lot in lots), sum(lot.cost_minor for lot in lots)) for fund, lots in self.lots.items()}
        return {fund: held for fund, held in sums.items() if held[0]}

    def _later(self, day: int, booking: Callable[[], None]) -> None:
        self._n_due += 1
        heapq.heappush(self._due, (day, self._n_due, booking))

    def _book(self, movement: Movement) -> None:
        if self.movements and movement.day < self.movements[-1].day:
            raise ValueError(f"a movement of session {movement.day} after one of session {self.movements[-1].day}")
        self.cash_minor += movement.cash_minor
        self.movements.append(movement)
