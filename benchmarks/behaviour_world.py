"""Simulated ledgers for the measurement of behaviour: people, five funds each, some five orders a fund over four years. Arrays first."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from advisor.kernels.behaviour import Market, Trades
from advisor.kernels.behaviour_market import indices, numbered

FUNDS, POSITIONS, MORE_TRADES, SESSIONS = 120, 5, 4, 1000
KINDS = (
    ("money", "money_market", 1, 0.00), ("bond", "bond", 2, 0.05), ("mixed", "mixed", 3, 0.6), ("gold", "gold", 3, 0.1),
    ("index", "equity", 3, 1.0), ("equity", "equity", 4, 1.1), ("qdii", "overseas_equity", 4, 0.5), ("sector", "sector_equity", 5, 1.4),
)  # fmt: skip
OWN_SHARE, SALE_SHARE = 0.6, 0.45
START_MICRO = 1_000_000
PEOPLE_A_BLOCK = 4_000


@dataclass(frozen=True)
class World:
    """Prices (T, F) in millionths on trading days, and trades by person, fund and day; nobody sells what is not held."""

    days: np.ndarray
    nav_micro: np.ndarray
    n: int
    person: np.ndarray
    fund: np.ndarray
    session: np.ndarray
    is_buy: np.ndarray
    units_centi: np.ndarray
    is_own: np.ndarray

    @property
    def amount_minor(self) -> np.ndarray:
        return np.asarray(self.units_centi * self.nav_micro[self.session, self.fund] // 1_000_000)


def kind_of(fund: int) -> tuple[str, str, int, float]:
    return KINDS[fund % len(KINDS)]


def make_world(n: int, seed: int, today: date) -> World:
    from portfolios.calendar import is_business_day

    rng = np.random.default_rng(seed)
    back = (today - timedelta(days=k) for k in range(2 * SESSIONS))
    days = np.array([day.toordinal() for day in back if is_business_day(day)][SESSIONS - 1 :: -1], np.int64)
    common = np.cumsum(rng.standard_t(4, SESSIONS) * 0.009)
    beta = np.array([kind_of(fund)[3] for fund in range(FUNDS)])
    own = np.cumsum(rng.normal(0, 0.004, (SESSIONS, FUNDS)), axis=0) * (beta > 0)
    nav = np.maximum(10_000, (START_MICRO * np.exp(common[:, None] * beta + own)).astype(np.int64))
    n_positions = n * POSITIONS
    fund = ((rng.integers(0, FUNDS, n)[:, None] + 7 * np.arange(POSITIONS)) % FUNDS).ravel()
    count = 1 + rng.poisson(MORE_TRADES, n_positions)
    position = np.repeat(np.arange(n_positions), count)
    session = rng.integers(0, SESSIONS - 5, len(position))
    session = session[np.lexsort((session, position))]
    is_buy, units = _traded(rng, position, count, session, nav, fund)
    return World(days, nav, n, position // POSITIONS, fund[position], session, is_buy, units, rng.random(len(position)) < OWN_SHARE)


def _traded(rng: np.random.Generator, position: Any, count: Any, session: Any, nav: Any, fund: Any) -> tuple[Any, Any]:
    """Purchases of 1,000 to 20,000 yuan and sales of a part or all of what is held, the k-th trade of all positions together."""
    n = len(position)
    starts = np.cumsum(count) - count
    rank = np.arange(n) - starts[position]
    wish, part = rng.random(n) < SALE_SHARE, np.minimum(1.0, rng.uniform(0.2, 1.6, n))
    bought = rng.integers(100_000, 2_000_000, n) * 1_000_000 // nav[session, fund[position]]
    is_buy, units, held = np.ones(n, bool), np.zeros(n, np.int64), np.zeros(len(count), np.int64)
    for k in range(int(count.max())):
        rows = np.flatnonzero(rank == k)
        has = held[position[rows]]
        sells = wish[rows] & (has > 0)
        moved = np.where(sells, np.maximum(1, (has * part[rows]).astype(np.int64)), bought[rows])
        is_buy[rows], units[rows] = ~sells, moved
        held[position[rows]] = has + np.where(sells, -moved, moved)
    return is_buy, units


def market_of(world: World, regions: dict[str, str]) -> Market:
    """The market as the product makes it of the same prices."""
    kinds = [kind_of(fund) for fund in range(FUNDS)]
    total_return = world.nav_micro / world.nav_micro[0]
    asset_class, classes = numbered([kind[1] for kind in kinds])
    category, categories = numbered([kind[0] for kind in kinds])
    cell, cells = numbered([f"{kind[1]}/{regions[kind[1]]}" if kind[1] in regions else "" for kind in kinds])
    return Market(
        dates=world.days,
        total_return=total_return,
        grade=np.broadcast_to(np.array([kind[2] for kind in kinds]), total_return.shape),
        asset_class=asset_class,
        cell=cell,
        category=category,
        classes=classes,
        cells=cells,
        class_index=indices(total_return, asset_class, len(classes)),
        category_index=indices(total_return, category, len(categories)),
    )


def blocks_of(world: World, size: int) -> Iterator[tuple[int, Trades]]:
    """Trades of `size` people at a time, numbered from 0 in each block, with how many people these are."""
    worth = world.units_centi * world.nav_micro[world.session, world.fund] / 1e6
    amount = world.amount_minor.astype(float)
    for first in range(0, world.n, size):
        rows = slice(*np.searchsorted(world.person, [first, first + size]).tolist())
        units = world.units_centi[rows].astype(float)
        columns = (
            world.fund[rows],
            world.days[world.session[rows]],
            world.is_buy[rows],
            units,
            worth[rows],
            amount[rows],
            world.is_own[rows],
        )
        yield min(size, world.n - first), Trades(np.arange(rows.start, rows.stop), world.person[rows] - first, *columns)


def write_world(world: World) -> None:
    """The same as rows: funds with their prices, people who agreed to profiling with a level, and all their orders.

    Ledger entries are written of the night's new orders alone: a reading reads orders, and follows new entries.
    """
    from advisor.models import Branch, Household
    from portfolios.kernels.types import FundHistory
    from portfolios.models import Fund
    from portfolios.services import store_histories

    kinds = [kind_of(fund) for fund in range(FUNDS)]
    Fund.objects.bulk_create(
        Fund(code=f"B{at:03d}", name_en=f"Simulated {at}", category=kind[0], asset_class=kind[1], risk_grade=kind[2], source="simulated")
        for at, kind in enumerate(kinds)
    )
    total_return = world.nav_micro / world.nav_micro[0]
    store_histories(FundHistory(f"B{at:03d}", world.days, world.nav_micro[:, at], total_return[:, at]) for at in range(FUNDS))
    keys = np.array([pk for _, pk in sorted(Fund.objects.values_list("code", "pk"))], np.int64)
    household = Household.objects.create(name="Simulated", branch=Branch.objects.create(name="Simulated"))
    for first in range(0, world.n, PEOPLE_A_BLOCK):
        _write_people(world, household.pk, keys, slice(first, min(first + PEOPLE_A_BLOCK, world.n)))


def _write_people(world: World, household: int, fund_keys: np.ndarray, people: slice) -> None:
    from advisor.models import Account, Assessment, Consent, Goal, Investor
    from demo.services.rows import Rows, next_keys
    from identity.models import User
    from portfolios.models import Portfolio

    n, numbers = people.stop - people.start, range(people.start, people.stop)
    now = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "s")
    at = np.full(n, now)
    later = (date.today() + timedelta(days=3000)).isoformat()
    users, investors, accounts, portfolios = (next_keys(model, n) for model in (User, Investor, Account, Portfolio))
    answers, sha, key, level = _answered()
    rows = Rows()
    rows.add(User, n, id=users, email=[f"b{k}@example.com" for k in numbers], password="!", date_joined=at)
    rows.add(
        Investor,
        n,
        id=investors,
        user_id=users,
        household_id=household,
        pseudonym=[f"B{k}" for k in numbers],
        level=level,
        level_valid_until=later,
        is_simulated=True,
        joined_at=at,
    )
    rows.add(Consent, n, investor_id=investors, purpose="profiling", is_given=True, source="simulated", at=at)
    rows.add(
        Assessment,
        n,
        investor_id=investors,
        state="completed",
        instrument=key,
        instrument_sha256=sha,
        answers=answers,
        level=level,
        started_at=at,
        completed_at=at,
    )
    rows.add(Account, n, id=accounts, investor_id=investors, opened_at=at)
    rows.add(Portfolio, n, id=portfolios, opened_at=at)
    rows.add(
        Goal,
        n,
        account_id=accounts,
        portfolio_id=portfolios,
        name="Pot",
        kind="wealth",
        amount_minor=1_000_000,
        target_date=later,
        made_at=at,
    )
    trades = slice(*np.searchsorted(world.person, [people.start, people.stop]).tolist())
    add_orders(rows, world, trades, portfolios[world.person[trades] - people.start], fund_keys)
    rows.write()


def _answered() -> tuple[str, str, str, int]:
    """A sheet of answers from the middle, and the level it gives without behaviour."""
    from advisor.instruments import load_instrument
    from advisor.jurisdictions import advice_rules
    from advisor.kernels import risk_profile

    instrument = load_instrument(advice_rules().assessment.instrument)
    answers = {item.code: item.options[len(item.options) // 2].code for item in instrument.items}
    profile = risk_profile.assess(risk_profile.sheet(answers, instrument.for_scoring), advice_rules().for_scoring, instrument.sem)
    return json.dumps(answers), instrument.sha256, instrument.key, profile.level


def add_orders(rows: Any, world: World, trades: slice, portfolio: np.ndarray, fund_keys: np.ndarray, prefix: str = "0") -> np.ndarray:
    """The orders of some trades as rows to be written; returns their keys."""
    from demo.services.rows import next_keys
    from portfolios.models import Order

    n = trades.stop - trades.start
    keys = next_keys(Order, n)
    fund, session, is_buy = world.fund[trades], world.session[trades], world.is_buy[trades]
    day = (world.days[session] - date(1970, 1, 1).toordinal()).astype("datetime64[D]")
    moment = day.astype("datetime64[s]")
    rows.add(
        Order,
        n,
        id=keys,
        portfolio_id=portfolio,
        fund_id=fund_keys[fund],
        side=np.where(is_buy, "buy", "sell"),
        origin=np.where(world.is_own[trades], "investor", "proposal"),
        state=np.where(is_buy, "confirmed", "paid"),
        amount_minor=world.amount_minor[trades],
        units_centi=world.units_centi[trades],
        nav_micro=world.nav_micro[session, fund],
        price_date=day,
        confirm_date=day,
        clearance_id=[f"{prefix}{k:07x}-0000-4000-8000-{k:012x}" for k in keys.tolist()],
        idempotency_key=[f"b{k}" for k in keys.tolist()],
        placed_at=moment,
        confirmed_at=moment,
    )
    return keys
