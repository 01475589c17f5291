"""What the measures of behaviour are worked out from: the orders of a block of people, and the market they were made in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from django.db.models import Exists, Max, Min, OuterRef, QuerySet
from django.utils import timezone

from advisor.jurisdictions import advice_rules
from advisor.kernels.behaviour import Market, Trades
from advisor.kernels.behaviour_market import carried, crossings, fresh, indices, months_before, numbered
from portfolios.calendar import is_business_day
from portfolios.kernels.types import FloatArray, FundHistory, IntArray
from portfolios.models import Fund, GradeChange, Order
from portfolios.selectors import load_history

STALE_DAYS = 14  # a fund without a NAV for longer is not carried on in an index
SPARE_DAYS = 40
DONE = {Order.State.CONFIRMED.value, Order.State.PAID.value}
INVESTOR = "portfolio__goal__account__investor_id"


@dataclass(frozen=True)
class Indices:
    """Total-return indices of classes and categories on the trading days of `dates`, made of the oldest funds of each category."""

    dates: IntArray
    classes: tuple[str, ...]
    categories: tuple[str, ...]
    class_index: FloatArray
    category_index: FloatArray


@dataclass(frozen=True)
class BehaviourMarket:
    """A market with the place of each fund in it."""

    market: Market
    column: dict[int, int]


def traded_funds(investor_ids: Sequence[int] | None = None) -> QuerySet[Fund]:
    """Funds of which there is an order, of these people or of anybody."""
    orders = Order.objects.filter(fund=OuterRef("pk"))
    if investor_ids is not None:
        orders = orders.filter(portfolio__goal__account__investor__in=investor_ids)
    return Fund.objects.filter(Exists(orders)).order_by("pk")


def known_crossings(on: date) -> list[list[str]]:
    """The falls of classes that a reading of this day may look at: class and date of each crossing."""
    rules, found = advice_rules().for_ledger(), indices_until(on)
    marked = crossings(found.class_index, found.dates, rules)
    since = months_before(on, rules.window_months).toordinal()
    return sorted([found.classes[c], _iso(found.dates[t])] for t, c in np.argwhere(marked).tolist() if found.dates[t] > since)


def _iso(ordinal: int) -> str:
    return date.fromordinal(int(ordinal)).isoformat()


def indices_until(on: date) -> Indices:
    """The indices of a day, kept while this process works on it and no newer NAV has come."""
    newest = Fund.objects.filter(last_nav_date__lte=on).aggregate(newest=Max("last_nav_date"))["newest"]
    return _indices(on, newest)


@lru_cache(maxsize=1)
def _indices(on: date, newest: date | None) -> Indices:
    rules = advice_rules().ledger
    months = rules.window_months + max(rules.fall_months, rules.chasing_months)
    since = months_before(on, months) - timedelta(days=SPARE_DAYS)
    days = _business_days(since, on)
    sample = _sample(rules.index_funds)
    histories = load_history([pk for pk, _, _ in sample], since)
    known = [(pk, asset_class, category) for pk, asset_class, category in sample if pk in histories]
    columns = [fresh(days, histories[pk].dates, histories[pk].total_return, STALE_DAYS) for pk, _, _ in known]
    matrix = np.column_stack([np.empty((len(days), 0)), *columns])
    asset_class, classes = numbered([row[1] for row in known])
    category, categories = numbered([row[2] for row in known])
    return Indices(days, classes, categories, indices(matrix, asset_class, len(classes)), indices(matrix, category, len(categories)))


def _sample(n: int) -> list[tuple[int, str, str]]:
    """The n funds of each category whose history begins first, also those that have ended."""
    taken: dict[str, int] = {}
    found = []
    rows = Fund.objects.filter(inception_date__isnull=False).order_by("category", "inception_date", "code")
    for pk, asset_class, category in rows.values_list("pk", "asset_class", "category").iterator():
        taken[category] = taken.get(category, 0) + 1
        if taken[category] <= n:
            found.append((pk, asset_class, category))
    return found


def _business_days(since: date, until: date) -> IntArray:
    days = (since + timedelta(days=k) for k in range((until - since).days + 1))
    return np.array([day.toordinal() for day in days if is_business_day(day)], np.int64)


def load_market(on: date, funds: QuerySet[Fund]) -> BehaviourMarket:
    """The market of some funds from their first order until a day. The grade is the one in force on the day, region that of the class."""
    rules = advice_rules().ledger
    rows = list(funds.values_list("pk", "asset_class", "category", "risk_grade"))
    keys = [row[0] for row in rows]
    found = indices_until(on)
    first = Order.objects.filter(fund__in=keys).aggregate(first=Min("price_date"))["first"] if keys else None
    begins = date.fromordinal(int(found.dates[0])) if len(found.dates) else on
    since = min(first - timedelta(days=SPARE_DAYS), begins) if first else begins
    earlier = _business_days(since, begins - timedelta(days=1))
    days = np.concatenate([earlier, found.dates])
    histories = load_history(keys, date.fromordinal(int(days[0])) if len(days) else None)
    cells = [f"{asset_class}/{rules.regions[asset_class]}" if rules.regions.get(asset_class) else "" for _, asset_class, _, _ in rows]
    cell, cell_names = numbered(cells)
    market = Market(
        dates=days,
        total_return=np.column_stack([np.empty((len(days), 0)), *(_path(days, histories.get(key)) for key in keys)]),
        grade=_grades(days, rows),
        asset_class=_places([row[1] for row in rows], found.classes),
        cell=cell,
        category=_places([row[2] for row in rows], found.categories),
        classes=found.classes,
        cells=cell_names,
        class_index=_behind(found.class_index, len(days)),
        category_index=_behind(found.category_index, len(days)),
    )
    return BehaviourMarket(market, {key: place for place, key in enumerate(keys)})


def _path(days: IntArray, history: FundHistory | None) -> FloatArray:
    """A fund without prices stands still: its orders say what it is worth."""
    return np.ones(len(days)) if history is None else carried(days, history.dates, history.total_return)


def _places(names: Sequence[str], known: Sequence[str]) -> IntArray:
    places = {name: place for place, name in enumerate(known)}
    return np.array([places.get(name, -1) for name in names], np.int64)


def _behind(index: FloatArray, n_days: int) -> FloatArray:
    """Indices on more days: NaN before their first."""
    return np.vstack([np.full((n_days - len(index), index.shape[1]), np.nan), index])


def _grades(days: IntArray, rows: Sequence[tuple[int, str, str, int]]) -> np.ndarray[Any, np.dtype[np.int8]]:
    """The grade (T, F) of each fund on each day: what a change says from its own day on, what it replaced before."""
    grades = np.tile(np.array([row[3] for row in rows], np.int8), (len(days), 1))
    column = {row[0]: place for place, row in enumerate(rows)}
    changes = GradeChange.objects.filter(fund__in=list(column), from_grade__isnull=False).order_by("-made_at", "-pk")
    for fund, from_grade, made_at in changes.values_list("fund_id", "from_grade", "made_at"):
        before = int(np.searchsorted(days, timezone.localdate(made_at).toordinal()))
        grades[:before, column[fund]] = from_grade or 0
    return grades


def load_trades(investors: QuerySet[Any], market: BehaviourMarket, on: date) -> tuple[list[int], Trades]:
    """The confirmed orders of some people until a day, and who they are: `investors` yields their keys. Two queries.

    An order belongs to the day whose NAV it got. Its state is looked at here, for SQLite would look through every order that was
    ever confirmed.
    """
    people = list(investors.values_list("pk", flat=True).order_by("pk"))
    columns = ("pk", INVESTOR, "fund_id", "price_date", "side", "units_centi", "amount_minor", "nav_micro", "origin", "state")
    orders = Order.objects.filter(portfolio__goal__account__investor__in=investors.values("pk")).order_by()
    rows = [
        row for row in orders.values_list(*columns).iterator(chunk_size=10_000) if row[9] in DONE and row[3] is not None and row[3] <= on
    ]
    place = {pk: at for at, pk in enumerate(people)}
    rows = [row for row in rows if row[2] in market.column and row[1] in place]  # of a fund made or a consent given since: the next night
    rows.sort(key=lambda row: row[0])
    units = np.array([row[5] or 0 for row in rows], float)
    trades = Trades(
        key=np.array([row[0] for row in rows], np.int64),
        investor=np.array([place[row[1]] for row in rows], np.int64),
        fund=np.array([market.column[row[2]] for row in rows], np.int64),
        date=np.array([row[3].toordinal() for row in rows], np.int64),
        is_buy=np.array([row[4] == Order.Side.BUY for row in rows], bool),
        units=units,
        worth=units * np.array([row[7] or 0 for row in rows], float) / 1e6,
        paid=np.array([row[6] or 0 for row in rows], float),
        is_own=np.array([row[8] == Order.Origin.INVESTOR for row in rows], bool),
    )
    return people, trades
