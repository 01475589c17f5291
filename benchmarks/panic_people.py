"""Simulated people with a latent inclination to panic, their ledgers through three falls of shares, and their answers.

The rule by which they sell is not the one by which the product measures: nobody looks at a class index, a high of twelve
months or sixty trading days. In each week somebody who has lost on his own holdings within eight weeks may lose his nerve,
the likelier the more he has lost, the more he is inclined to it, and the worse the week's mood, which all share; he then
sells a part of what has lost, and comes back some months later. Beside it people save, need money, and change funds for no
reason. The inclination is correlated with the trait of tolerance that drives the answers, and is not it.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from advisor.kernels.behaviour import Market, Trades
from advisor.kernels.behaviour_market import indices, numbered
from advisor.kernels.behaviour_types import BoolArray, FloatArray, IntArray

BEGINS, N_DAYS, AS_OF = date(2021, 1, 4), 800, 650  # weekdays, and the last one that the assessment sees
FALLS = ((200, 0.24), (430, 0.20), (675, 0.24))  # where shares begin to fall, and how deep
FALL_DAYS, RECOVERY_DAYS = 25, 140
WEEK, LOOKS_BACK = 5, 8
ANSWERS_TO_PANIC = -0.4  # correlation of the inclination with the trait of tolerance

# class, region, category, grade, part of the shares' moves, funds
KINDS = (
    ("equity", "cn", "cn_large", 4, 1.0, 3),
    ("equity", "cn", "cn_small", 4, 1.2, 2),
    ("equity", "us", "us_large", 4, 0.9, 2),
    ("equity", "hk", "technology", 5, 1.4, 2),
    ("mixed", "cn", "mixed", 3, 0.5, 3),
    ("gold", "world", "gold", 3, -0.1, 2),
    ("bond", "cn", "bond", 2, 0.05, 4),
    ("money_market", "cn", "money_market", 1, 0.0, 2),
)


def draw_market(rng: np.random.Generator) -> Market:
    """Prices of twenty funds whose common part falls three times and recovers."""
    kinds = [kind for kind in KINDS for _ in range(kind[-1])]
    days = (BEGINS + timedelta(days=k) for k in range(2 * N_DAYS))
    dates = np.array([day.toordinal() for day in days if day.weekday() < 5][:N_DAYS], np.int64)
    shares = 0.0003 + 0.007 * rng.standard_normal(N_DAYS)
    for begins, depth in FALLS:
        shares[begins : begins + FALL_DAYS] += np.log1p(-depth) / FALL_DAYS
        back = shares[begins + FALL_DAYS : begins + FALL_DAYS + RECOVERY_DAYS]
        back -= np.log1p(-depth) / RECOVERY_DAYS
    category, categories = numbered([kind[2] for kind in kinds])
    moves = np.array([kind[4] for kind in kinds])
    is_calm = np.array([0.05 if kind[3] <= 2 else 1.0 for kind in kinds])
    own = 0.004 * rng.standard_normal((N_DAYS, len(categories)))[:, category] + 0.003 * rng.standard_normal((N_DAYS, len(kinds)))
    steps = shares[:, None] * moves + own * is_calm
    steps[0] = 0.0
    price = np.exp(np.cumsum(steps, axis=0))
    asset_class, classes = numbered([kind[0] for kind in kinds])
    cell, cells = numbered([f"{kind[0]}/{kind[1]}" for kind in kinds])
    return Market(
        dates=dates,
        total_return=price,
        grade=np.broadcast_to(np.array([kind[3] for kind in kinds]), price.shape),
        asset_class=asset_class,
        cell=cell,
        category=category,
        classes=classes,
        cells=cells,
        class_index=indices(price, asset_class, len(classes)),
        category_index=indices(price, category, len(categories)),
    )


@dataclass
class Ledger:
    """Everybody's units of each fund (I, F), and the orders that made them."""

    market: Market
    units: FloatArray
    rows: list[tuple[FloatArray, ...]] = field(default_factory=list)

    def value(self, day: int) -> FloatArray:
        return self.units * self.market.total_return[day]

    def trade(self, day: int, units: FloatArray) -> FloatArray:
        """Book what each buys (or sells, below 0) of each fund; returns the money that each received (I,)."""
        who, fund = np.nonzero(units)
        moved, price = units[who, fund], self.market.total_return[day]
        columns = (who, fund, np.full(len(who), self.market.dates[day]), moved > 0, np.abs(moved), np.abs(moved) * price[fund])
        self.rows.append(tuple(np.asarray(column, np.float64) for column in columns))
        self.units += units
        self.units[self.units < 1e-9] = 0.0
        return np.asarray(-(units * price).sum(axis=1))

    def trades(self) -> Trades:
        investor, fund, day, is_buy, units, worth = (np.concatenate(column) for column in zip(*self.rows, strict=True))
        whole = [column.astype(np.int64) for column in (investor, fund, day)]
        return Trades(np.arange(len(units)), *whole, is_buy.astype(bool), units, worth, worth, np.ones(len(units), bool))


def live(market: Market, tolerance: FloatArray, rng: np.random.Generator) -> Trades:
    """Let people with this trait of tolerance (I,) live through the market; returns all their orders."""
    n = len(tolerance)
    inclination = ANSWERS_TO_PANIC * tolerance + np.sqrt(1 - ANSWERS_TO_PANIC**2) * rng.standard_normal(n)
    wealth = 80_000 * np.exp(0.8 * rng.standard_normal(n))
    activity, is_chaser = np.exp(rng.standard_normal(n) - 4.2), rng.random(n) < 0.3
    is_risk = market.grade[0] >= 3
    ledger = Ledger(market, np.zeros((n, len(is_risk))))
    first = _first_weights(tolerance, is_risk, rng) * wealth[:, None]
    ledger.trade(0, first / market.total_return[0])
    waiting = np.zeros(n)  # what a panic brought, until it is put back
    for day in range(WEEK, N_DAYS, WEEK):
        mood = rng.standard_normal()
        loss = _loss_of_eight_weeks(ledger, day, is_risk)
        nerves = -6.4 + 1.6 * inclination + 14 * (loss - 0.06) + 0.8 * mood
        panics = (loss > 0.04) & (waiting == 0) & (rng.random(n) < 1 / (1 + np.exp(-nerves)))
        has_lost = market.total_return[day] < market.total_return[max(0, day - WEEK * LOOKS_BACK)]
        part = rng.beta(4.0, 1.2, n) * panics
        waiting += ledger.trade(day, -ledger.units * part[:, None] * (is_risk & has_lost))
        needs = (rng.random(n) < 0.006) * rng.uniform(0.1, 0.6, n)
        ledger.trade(day, -ledger.units * needs[:, None] * _one_of(ledger.units > 0, rng))
        changes = rng.random(n) < activity
        moved = ledger.trade(day, -ledger.units * (_one_of(ledger.units > 0, rng) & changes[:, None]))
        returns = (waiting > 0) & ~panics & (rng.random(n) < 0.05)
        saves = (rng.random(n) < 0.04) * 0.02 * wealth
        anything = np.broadcast_to(is_risk, ledger.units.shape)
        top = np.broadcast_to(_top(market, day), ledger.units.shape)
        target = _one_of(np.where((is_chaser & (rng.random(n) < 0.6))[:, None], top, anything), rng)
        ledger.trade(day, target * (moved + saves + waiting * returns)[:, None] / market.total_return[day])
        waiting[returns] = 0.0
    return ledger.trades()


def _first_weights(tolerance: FloatArray, is_risk: BoolArray, rng: np.random.Generator) -> FloatArray:
    share = 0.15 + 0.8 / (1 + np.exp(-0.3 - 0.8 * tolerance - 0.5 * rng.standard_normal(len(tolerance))))
    weights = np.zeros((len(tolerance), len(is_risk)))
    for kind, part, n_funds in ((is_risk, share, 3), (~is_risk, 1 - share, 2)):
        for _ in range(n_funds):
            weights += _one_of(np.broadcast_to(kind, weights.shape), rng) * (part / n_funds)[:, None]
    return weights


def _loss_of_eight_weeks(ledger: Ledger, day: int, is_risk: BoolArray) -> FloatArray:
    """What the risk assets held now have lost since then, a fraction; 0 for who holds none."""
    now = ledger.value(day)[:, is_risk].sum(axis=1)
    then = ledger.value(max(0, day - WEEK * LOOKS_BACK))[:, is_risk].sum(axis=1)
    return np.where(then > 0, 1 - now / np.where(then > 0, then, 1), 0.0)


def _one_of(allowed: BoolArray, rng: np.random.Generator) -> BoolArray:
    """Mark one allowed fund of each person (I, F), none where none is allowed."""
    draws = rng.random(allowed.shape) * allowed
    return (np.arange(allowed.shape[1]) == draws.argmax(axis=1)[:, None]) & allowed


def _top(market: Market, day: int) -> BoolArray:
    """The funds of the category that rose most in three months."""
    rise: IntArray = market.category_index[day] / market.category_index[max(1, day - 63)]
    return np.asarray(market.category == int(np.nanargmax(rise)))
