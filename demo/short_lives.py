"""What a block of people with short lives did with their money: trades and movements of all of them, as arrays. Pure.

A short life is the beginning of a full one (demo.lives) and little more: the proposal, at most a few purchases of one's
own or of a plan, at most one sale, perhaps some money that waits. By the rules and roundings of demo.trading, so that
the ledger of each portfolio sums to its cash and its holdings. A sale takes from the proposal's own lot, which is the oldest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from advisor.kernels.goals import goal_level
from demo.cast import Stage
from demo.crowd import NEVER, Bools, Crowd, Floats, Ints
from demo.lives import DORMANT_FOR, QUIET_SESSIONS
from demo.people import Persona
from demo.tape import Tape
from demo.trading import SMALLEST_PURCHASE_MINOR
from portfolios.money import BPS_PER_UNIT, MICRO_PER_UNIT

PLAN_EVERY = 21  # sessions
MOST_PLAN_PURCHASES = 6
MOST_OWN_PURCHASES = 2
SHARE_STOPPED = 0.2  # of the plans
SHARE_TAKING_GAINS = 0.3  # of those who trade on their own
DUST = 0.05  # who would keep less than this of a fund sells all of it

# Amounts in minor units by column of the tape, for a level, years to go and an amount; None where there is no advice.
OfferOf = Callable[[int, float, int], "Offer | None"]


@dataclass(frozen=True)
class Offer:
    """What a proposal buys: columns of the tape with their weights and amounts."""

    funds: Ints
    weights: Floats
    amounts_minor: Ints


@dataclass(frozen=True)
class Table:
    """Arrays of one length: rows."""

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        return cls(**{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)})

    def taken(self, rows: Ints | Bools | slice) -> Self:
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True)
class Trades(Table):
    """One entry an order as it ended. `amount_minor` of a redemption is its gross; `pay` of a purchase is NEVER."""

    plan: Ints  # place in the crowd's plans
    fund: Ints
    is_buy: Bools
    origin: Ints  # place in ORIGINS
    day: Ints
    confirm: Ints
    pay: Ints
    level: Ints
    amount_minor: Ints
    units_centi: Ints
    fee_minor: Ints
    nav_micro: Ints
    cost_minor: Ints  # of the lot that came or went

    def __len__(self) -> int:
        return len(self.plan)


ORIGINS = ["proposal", "plan", "investor"]
KINDS = ["deposit", "payout", "buy", "sell", "reserve"]
DEPOSIT, PAYOUT, BUY, SELL, RESERVE = range(5)
# Of one morning: money and units that come first, then what is placed; a payment in stands before what it buys.
BOOKED = np.array([3, 0, 1, 2, 4])


@dataclass(frozen=True)
class Movements(Table):
    """One row of the ledger each; `trade` is -1 for a payment in."""

    plan: Ints
    kind: Ints  # place in KINDS
    day: Ints
    cash_minor: Ints
    units_centi: Ints
    cost_minor: Ints
    trade: Ints


@dataclass(frozen=True)
class Positions(Table):
    plan: Ints
    fund: Ints
    units_centi: Ints
    cost_minor: Ints


@dataclass(frozen=True)
class Ledgers:
    """Everything of a block in the order of its plans; `level` of a plan is its portfolio's, -1 where nothing was bought."""

    level: Ints
    offers: list[Offer | None]
    trades: Trades
    movements: Movements
    positions: Positions
    cash_minor: Ints


def half_up(numerator: Ints, denominator: Ints | int) -> Ints:
    """portfolios.money.divide_half_up for arrays of non-negative integers below 2^62."""
    return (2 * numerator + denominator) // (2 * denominator)


def live_shortly(crowd: Crowd, stage: Stage, offer_of: OfferOf, rng: np.random.Generator) -> Ledgers:
    """Let a whole block of people live through the market."""
    plans, tape = crowd.plans, stage.tape
    person_level = crowd.level_on(plans.person, plans.start).tolist()
    wanted = [goal_level(level, years, stage.ceilings) for level, years in zip(person_level, plans.years.tolist(), strict=True)]
    offers = [offer_of(*ask) for ask in zip(wanted, plans.years.tolist(), plans.amount_minor.tolist(), strict=True)]
    level = np.array([-1 if offer is None else at for at, offer in zip(wanted, offers, strict=True)])
    bought = _buy_proposals(crowd, offers, tape)
    sold = _sales(crowd, bought, tape, rng)
    saved = _save(crowd, level, bought, offers, tape, rng)
    chosen = _choose(crowd, level, tape, rng)
    trades = Trades.joined([bought, sold, saved, chosen])
    trades = trades.taken(np.lexsort((trades.fund, trades.origin, trades.day, trades.plan)))
    fresh = trades.taken(trades.is_buy & (trades.origin > 0))
    funded = np.flatnonzero(level >= 0)
    idle = _idle_money(crowd, level, tape, rng)
    paid_in = [
        (funded, plans.start[funded], plans.amount_minor[funded]),
        (fresh.plan, fresh.day, fresh.amount_minor),
        idle,
    ]
    movements = _movements(trades, *(np.concatenate(column) for column in zip(*paid_in, strict=True)))
    cash = np.zeros(len(level), dtype=np.int64)
    np.add.at(cash, movements.plan, movements.cash_minor)
    return Ledgers(level, offers, trades, movements, _positions(trades, movements), cash)


def _purchase(crowd: Crowd, tape: Tape, plan: Ints, fund: Ints, day: Ints, amount_minor: Ints, origin: int) -> Trades:
    """Purchases as they ended; what a book would not place is left out."""
    nav = tape.nav_micro[day, fund]
    confirm = day + np.array(tape.confirm_lag)[fund]
    placed = (nav > 0) & (amount_minor >= SMALLEST_PURCHASE_MINOR) & (confirm <= tape.last_day)
    plan, fund, day, amount_minor, nav, confirm = (column[placed] for column in (plan, fund, day, amount_minor, nav, confirm))
    net_minor = half_up(amount_minor * BPS_PER_UNIT, BPS_PER_UNIT + np.array(tape.purchase_fee_bps)[fund])
    return Trades(
        plan=plan,
        fund=fund,
        is_buy=np.ones(len(plan), dtype=bool),
        origin=np.full(len(plan), origin),
        day=day,
        confirm=confirm,
        pay=np.full(len(plan), NEVER),
        level=crowd.level_on(crowd.plans.person[plan], day),
        amount_minor=amount_minor,
        units_centi=half_up(net_minor * MICRO_PER_UNIT, nav),
        fee_minor=amount_minor - net_minor,
        nav_micro=nav,
        cost_minor=amount_minor,
    )


def _buy_proposals(crowd: Crowd, offers: list[Offer | None], tape: Tape) -> Trades:
    made = [(place, offer) for place, offer in enumerate(offers) if offer is not None]
    plan = np.repeat([place for place, _ in made], [len(offer.funds) for _, offer in made]).astype(np.int64)
    none = np.zeros(0, dtype=np.int64)
    fund = np.concatenate([none, *(offer.funds for _, offer in made)])
    amount = np.concatenate([none, *(offer.amounts_minor for _, offer in made)])
    return _purchase(crowd, tape, plan, fund, crowd.plans.start[plan], amount, origin=0)


def _sales(crowd: Crowd, bought: Trades, tape: Tape, rng: np.random.Generator) -> Trades:
    """Who panics sells most of what is R3 or above in the last fall they saw; some of the active take part of one gain."""
    n_plans = len(crowd.plans.person)
    fall, wait, share = np.full(n_plans, NEVER), rng.integers(2, 40, size=n_plans), rng.uniform(0.5, 1.0, size=n_plans)
    last = tape.last_day - QUIET_SESSIONS
    for session in tape.falls:
        seen = (crowd.plans.start + 10 < session) & (session + wait < last)
        fall = np.where(seen, session + wait, fall)
    panics = crowd.is_a(Persona.PANICKING)[crowd.plans.person]
    risky = np.array(tape.grades)[bought.fund] >= 3
    span = np.maximum(last - crowd.plans.start - 30, 1)
    takes = crowd.is_a(Persona.ACTIVE)[crowd.plans.person] & (rng.random(n_plans) < SHARE_TAKING_GAINS) & (span > 30)
    day = np.where(panics, fall, crowd.plans.start + 30 + (rng.random(n_plans) * span).astype(np.int64))[bought.plan]
    day = np.minimum(day, last)
    worth = half_up(bought.units_centi * tape.nav_micro[day, bought.fund], MICRO_PER_UNIT)
    gain = np.where(takes[bought.plan] & (worth > bought.cost_minor), worth / np.maximum(bought.cost_minor, 1), 0.0)
    best = np.zeros(n_plans)
    np.maximum.at(best, bought.plan, gain)
    sells = (panics & (fall < NEVER))[bought.plan] & risky | (gain > 0) & (gain == best[bought.plan])
    share = np.where(panics, share, share - 0.3)[bought.plan]
    units = np.where(share > 1 - DUST, bought.units_centi, (bought.units_centi * share).astype(np.int64))
    confirm = day + np.array(tape.confirm_lag)[bought.fund]
    pay = confirm + np.array(tape.pay_lag)[bought.fund]
    rows = np.flatnonzero(sells & (units > 0) & (pay <= tape.last_day))
    return _redeem(crowd, bought.taken(rows), day[rows], units[rows], tape)


def _redeem(crowd: Crowd, lot: Trades, day: Ints, units: Ints, tape: Tape) -> Trades:
    """Redemptions of a part of one lot each, with fees by its age."""
    confirm = day + np.array(tape.confirm_lag)[lot.fund]
    nav = tape.nav_micro[day, lot.fund]
    gross = half_up(units * nav, MICRO_PER_UNIT)
    held = tape.days[confirm] - tape.days[lot.confirm]
    rate = np.zeros(len(lot), dtype=np.int64)
    for fund, steps in enumerate(tape.redemption_steps):
        for step in sorted(steps, key=lambda step: -step.below_days):
            rate = np.where((lot.fund == fund) & (held < step.below_days), step.rate_bps, rate)
    return replace(
        lot,
        is_buy=np.zeros(len(lot), dtype=bool),
        origin=np.full(len(lot), ORIGINS.index("investor")),
        day=day,
        confirm=confirm,
        pay=confirm + np.array(tape.pay_lag)[lot.fund],
        level=crowd.level_on(crowd.plans.person[lot.plan], day),
        amount_minor=gross,
        units_centi=units,
        fee_minor=half_up(gross * rate, BPS_PER_UNIT),
        nav_micro=nav,
        cost_minor=lot.cost_minor * units // lot.units_centi,
    )


def _save(crowd: Crowd, level: Ints, bought: Trades, offers: list[Offer | None], tape: Tape, rng: np.random.Generator) -> Trades:
    """A plan of the last months: each purchase goes to what is furthest below its target."""
    plans = crowd.plans
    n = len(level)
    n_months, stopped = rng.integers(1, MOST_PLAN_PURCHASES + 1, size=n), rng.random(n) < SHARE_STOPPED
    last = tape.last_day - QUIET_SESSIONS - 1 - rng.integers(PLAN_EVERY, size=n) - np.where(stopped, rng.integers(60, 200, size=n), 0)
    saves = crowd.is_a(Persona.SAVER)[plans.person] & (level >= 0) & (crowd.lowest[plans.person] >= level)
    savers = np.flatnonzero(saves)
    units, fund, weight = _slots(savers, bought, offers)
    yuan = np.rint(plans.amount_minor * crowd.saving_share[plans.person] / 10_000)
    monthly = 10_000 * np.maximum(1, yuan).astype(np.int64)
    parts = []
    for month in range(MOST_PLAN_PURCHASES - 1, -1, -1):
        day = last[savers] - PLAN_EVERY * month
        pays = np.flatnonzero((month < n_months[savers]) & (day > plans.start[savers] + 10))
        value = units[pays] * tape.nav_micro[day[pays, None], fund[pays]]
        slot = np.argmin(np.where(weight[pays] > 0, value / np.maximum(weight[pays], 1e-12), np.inf), axis=1)
        of = savers[pays]
        trades = _purchase(crowd, tape, of, fund[pays, slot], day[pays], monthly[of], origin=ORIGINS.index("plan"))
        parts.append(trades)
        placed = np.isin(of, trades.plan)
        units[pays[placed], slot[placed]] += trades.units_centi
    return Trades.joined(parts)


def _slots(of: Ints, bought: Trades, offers: list[Offer | None]) -> tuple[Ints, Ints, Floats]:
    """Units, fund and weight of each fund of some plans' offers, a row a plan, padded with weights of 0."""
    made = [offer for place in of.tolist() if (offer := offers[place]) is not None]
    width = max((len(offer.funds) for offer in made), default=1)
    fund, weight = np.zeros((len(of), width), dtype=np.int64), np.zeros((len(of), width))
    for row, offer in enumerate(made):
        fund[row, : len(offer.funds)], weight[row, : len(offer.funds)] = offer.funds, offer.weights
    units = np.zeros((len(of), width), dtype=np.int64)
    row_of = np.full(len(offers), -1)
    row_of[of] = np.arange(len(of))
    mine = bought.taken(row_of[bought.plan] >= 0)
    rows = row_of[mine.plan]
    units[rows, np.argmax((fund[rows] == mine.fund[:, None]) & (weight[rows] > 0), axis=1)] = mine.units_centi
    return units, fund, weight


def _choose(crowd: Crowd, level: Ints, tape: Tape, rng: np.random.Generator) -> Trades:
    """Purchases of the active on their own: a liked fund within the lowest level they ever had."""
    plans, n = crowd.plans, len(level)
    names = sorted(set(tape.categories))
    category = np.array([names.index(name) for name in tape.categories])
    grade = np.array(tape.grades)
    active = crowd.is_a(Persona.ACTIVE)[plans.person] & (level >= 0) & (crowd.lowest[plans.person] > 0)
    parts = []
    for _ in range(MOST_OWN_PURCHASES):
        part, share = rng.random(n), rng.uniform(0.01, 0.05, size=n)
        noise = rng.random((n, len(grade)))
        day = plans.start + 3 + (part * (tape.last_day - QUIET_SESSIONS - 3 - plans.start)).astype(np.int64)
        rows = np.flatnonzero(active & (rng.random(n) < 0.75) & (day < tape.last_day - QUIET_SESSIONS))
        person = plans.person[rows]
        dislike = crowd.liking[person][:, category] * 6 + 2 * noise[rows]
        fund = np.argmin(np.where(grade <= crowd.lowest[person, None], dislike, np.inf), axis=1)
        amount = np.maximum(100_000, 10_000 * np.rint(plans.amount_minor[rows] * share[rows] / 10_000).astype(np.int64))
        parts.append(_purchase(crowd, tape, rows, fund, day[rows], amount, origin=ORIGINS.index("investor")))
    return Trades.joined(parts)


def _idle_money(crowd: Crowd, level: Ints, tape: Tape, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Money paid in and left in cash, as (plan, day, amount): three of four who sleep, one of six who hold calmly."""
    plans, n = crowd.plans, len(level)
    sleeps, calm = (crowd.is_a(persona)[plans.person] for persona in (Persona.DORMANT, Persona.CALM))
    until = np.where(sleeps, tape.last_day - DORMANT_FOR, tape.last_day - 10)
    share = np.where(sleeps, rng.uniform(0.4, 1.0, size=n), rng.uniform(0.01, 0.04, size=n))
    day = plans.start + 5 + (rng.random(n) * (until - plans.start - 5)).astype(np.int64)
    least = np.where(sleeps, 200_000, 10_000)
    amount = np.maximum(least, 10_000 * np.rint(plans.amount_minor * share / 10_000).astype(np.int64))
    pays = (level >= 0) & (until > plans.start + 5) & (rng.random(n) < np.where(sleeps, 0.75, 1 / 6)) & (sleeps | calm)
    rows = np.flatnonzero(pays)
    return rows, day[rows], amount[rows]


def _movements(trades: Trades, plan: Ints, day: Ints, paid_in: Ints) -> Movements:
    """The ledger in the order in which it was booked, from trades and payments in."""
    number, buys, sells = np.arange(len(trades)), trades.is_buy, ~trades.is_buy
    none, zero = np.full(len(plan), -1), np.zeros(len(plan), dtype=np.int64)
    parts = [Movements(plan, np.full(len(plan), DEPOSIT), day, paid_in, zero, zero, none)]
    for rows, kind, when, sign in (
        (buys, RESERVE, "day", 0),
        (buys, BUY, "confirm", 1),
        (sells, SELL, "confirm", -1),
        (sells, PAYOUT, "pay", 0),
    ):
        some = trades.taken(rows)
        cash = {RESERVE: -some.amount_minor, PAYOUT: some.amount_minor - some.fee_minor}.get(kind, np.zeros_like(some.plan))
        units, cost = sign * some.units_centi, sign * some.cost_minor
        parts.append(Movements(some.plan, np.full(len(some), kind), getattr(some, when), cash, units, cost, number[rows]))
    all_of_them = Movements.joined(parts)
    order = np.lexsort((all_of_them.trade, BOOKED[all_of_them.kind], all_of_them.day, all_of_them.plan))
    return all_of_them.taken(order)


def _positions(trades: Trades, movements: Movements) -> Positions:
    """What the movements of units leave, fund by fund."""
    moved = movements.taken(np.flatnonzero(movements.units_centi))
    n_funds = int(trades.fund.max(initial=0)) + 1
    key, where = np.unique(moved.plan * n_funds + trades.fund[moved.trade], return_inverse=True)
    units, cost = np.zeros(len(key), dtype=np.int64), np.zeros(len(key), dtype=np.int64)
    np.add.at(units, where, moved.units_centi)
    np.add.at(cost, where, moved.cost_minor)
    left = units > 0
    return Positions(key[left] // n_funds, key[left] % n_funds, units[left], cost[left])
