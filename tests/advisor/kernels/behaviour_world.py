"""Small ledgers and prices for the tests of behaviour, and the five measures once more in plain Python, an investor at a time."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from advisor.kernels.behaviour import BehaviourRules, Market, Trades
from advisor.kernels.behaviour_market import equal_weighted

RULES = BehaviourRules(
    window_months=24, risk_grade=3, min_risk_assets=5_000.0, average_days=90, min_opening=5_000.0, fall=0.10, fall_months=12, fall_days=60,
    switch_days=10, panic_share=0.5, pseudo_sales=20, prior_pgr=0.148, prior_plr=0.098, min_holdings=2, chasing_months=3, top_share=0.10,
    half_evidence={"turnover": 6, "disposition": 8, "concentration": 6, "chasing": 10},
)  # fmt: skip


@dataclass(frozen=True)
class OneFund:
    """A fund of the tests: a price a weekday."""

    prices: list[float]
    asset_class: str = "equity"
    region: str = "cn"
    category: str = "index"
    grade: int = 4


def weekdays(start: date, n: int) -> list[date]:
    days = (start + timedelta(days=k) for k in range(2 * n + 10))
    return [day for day in days if day.weekday() < 5][:n]


def market_of(dates: list[date], *funds: OneFund) -> Market:
    """The market of some funds, indices made of them as the product does."""
    prices = np.array([fund.prices for fund in funds], float).T
    classes = sorted({fund.asset_class for fund in funds if fund.asset_class})
    cells = sorted({f"{fund.asset_class}/{fund.region}" for fund in funds if fund.asset_class and fund.region})
    categories = sorted({fund.category for fund in funds if fund.category})

    def number(names: list[str], said: list[str]) -> np.ndarray:
        return np.array([names.index(name) if name in names else -1 for name in said], np.int64)

    def index(names: list[str], said: list[str]) -> np.ndarray:
        columns = [equal_weighted([prices[:, [i for i, one in enumerate(said) if one == name]]], len(dates)) for name in names]
        return np.array(columns).T.reshape(len(dates), len(names))

    return Market(
        dates=np.array([day.toordinal() for day in dates], np.int64),
        total_return=prices,
        grade=np.broadcast_to(np.array([fund.grade for fund in funds]), prices.shape),
        asset_class=number(classes, [fund.asset_class for fund in funds]),
        cell=number(cells, [f"{fund.asset_class}/{fund.region}" for fund in funds]),
        category=number(categories, [fund.category for fund in funds]),
        classes=tuple(classes),
        cells=tuple(cells),
        class_index=index(classes, [fund.asset_class for fund in funds]),
        category_index=index(categories, [fund.category for fund in funds]),
    )


def trades_of(market: Market, rows: list[tuple]) -> Trades:
    """Trades from rows (investor, day, fund, side, units) with an origin where it is not the investor's; the key is the row's number."""
    said = [(*row, "investor")[:6] for row in rows]
    investor, day, fund, side, units, origin = (list(column) for column in zip(*said, strict=True)) if said else [[]] * 6
    dates = np.array([one.toordinal() for one in day], np.int64)
    at = np.searchsorted(market.dates, dates, side="right") - 1
    worth = np.array(units, float) * market.total_return[at, np.array(fund, np.int64)]
    return Trades(
        key=np.arange(len(said)),
        investor=np.array(investor, np.int64),
        fund=np.array(fund, np.int64),
        date=dates,
        is_buy=np.array([one == "buy" for one in side], bool),
        units=np.array(units, float),
        worth=worth,
        paid=worth,
        is_own=np.array([one == "investor" for one in origin], bool),
    )


def same_day(day: date, months: int) -> date:
    """So many months earlier, or the last day of the month."""
    for less in range(4):
        try:
            year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
            return date(year, month + 1, day.day - less)
        except ValueError:
            continue
    raise AssertionError


class Naive:
    """One investor, one loop a sentence of the method note; shares no code with the kernel."""

    def __init__(self, market: Market, trades: Trades, investor: int, as_of: date, rules: BehaviourRules = RULES):
        self.rules, self.as_of = rules, as_of
        self.days = [int(day) for day in market.dates if day <= as_of.toordinal()]
        self.market = market
        mine = [i for i in range(len(trades)) if trades.investor[i] == investor and trades.date[i] <= as_of.toordinal()]
        self.rows = sorted(mine, key=lambda i: (trades.date[i], i))
        self.t = trades
        self.since = same_day(as_of, rules.window_months).toordinal()

    # What is held.

    def session(self, day: int) -> int:
        return bisect_right(self.days, day) - 1

    def price(self, fund: int, session: int) -> float:
        return float(self.market.total_return[session, fund])

    def morning(self, session: int) -> dict[int, tuple[float, float]]:
        """Units and cost by fund before the trades of a session."""
        held: dict[int, tuple[float, float]] = {}
        for i in self.rows:
            if self.session(int(self.t.date[i])) >= session:
                continue
            fund, moved = int(self.t.fund[i]), float(self.t.units[i])
            units, cost = held.get(fund, (0.0, 0.0))
            if self.t.is_buy[i]:
                held[fund] = (units + moved, cost + float(self.t.paid[i]))
            else:
                left = units - moved
                held[fund] = (left, cost * left / units) if left > 1e-9 else (0.0, 0.0)
        return {fund: state for fund, state in held.items() if state[0] > 0}

    def values(self, session: int, at: int) -> dict[int, float]:
        return {fund: units * self.price(fund, at) for fund, (units, _) in self.morning(session).items()}

    def is_risk(self, fund: int) -> bool:
        return int(self.market.grade[0, fund]) >= self.rules.risk_grade

    def own(self, *, buys: bool, since: int) -> list[int]:
        return [i for i in self.rows if self.t.is_own[i] and bool(self.t.is_buy[i]) == buys and self.t.date[i] > since]

    # The measures.

    def risk_assets(self) -> float:
        total = 0.0
        for back in range(self.rules.average_days):
            at = self.session(self.as_of.toordinal() - back)
            if at >= 0:
                total += sum(value for fund, value in self.values(at + 1, at).items() if self.is_risk(fund))
        return total / self.rules.average_days

    def falls(self, asset_class: int) -> list[int]:
        index = [float(value) for value in self.market.class_index[: len(self.days), asset_class]]
        below = []
        for t, day in enumerate(self.days):
            start = bisect_left(self.days, same_day(date.fromordinal(day), self.rules.fall_months).toordinal())
            high = max(index[start : t + 1])
            below.append(index[t] <= high * (1 - self.rules.fall) + 1e-12)
        return [t for t in range(1, len(below)) if below[t] and not below[t - 1]]

    def panic(self) -> tuple[float, int]:
        falls = {c: self.falls(c) for c in range(len(self.market.classes))}
        sales = []
        for i in self.own(buys=False, since=0):
            fund, at = int(self.t.fund[i]), self.session(int(self.t.date[i]))
            mine = falls.get(int(self.market.asset_class[fund]), [])
            if self.is_risk(fund) and any(t <= at <= t + self.rules.fall_days for t in mine):
                sales.append([i, at, float(self.t.paid[i])])
        left = {i: float(self.t.paid[i]) for i in self.own(buys=True, since=0)}
        for sale in sales:
            for i in sorted(left, key=lambda i: (self.t.date[i], self.t.fund[i], i)):
                at = self.session(int(self.t.date[i]))
                grade = int(self.market.grade[0, int(self.t.fund[i])])
                if sale[1] <= at <= sale[1] + self.rules.switch_days and grade >= int(self.market.grade[0, int(self.t.fund[sale[0]])]):
                    took = min(left[i], sale[2])
                    left[i] -= took
                    sale[2] -= took
        worst, n = 0.0, 0
        for asset_class, crossed in falls.items():
            for t in crossed:
                held = {fund: value for fund, value in self.values(t, t).items() if self.is_risk(fund)}
                if self.days[t] <= self.since or not any(self.market.asset_class[fund] == asset_class for fund in held):
                    continue
                n += 1
                sold = sum(sale[2] for sale in sales if t <= sale[1] <= t + self.rules.fall_days)
                worst = max(worst, sold / sum(held.values()))
        return worst, n

    def months(self) -> list[tuple[int, int]]:
        after = self.as_of + timedelta(days=1)
        while after.weekday() >= 5:
            after += timedelta(days=1)
        end = date(after.year, after.month, 1) if after.month != self.as_of.month else date(self.as_of.year, self.as_of.month, 1)
        firsts = [same_day(end, k).toordinal() for k in range(self.rules.window_months, -1, -1)]
        return list(pairwise(firsts))

    def turnover(self) -> tuple[float, int]:
        monthly = []
        for first, after in self.months():
            begins = bisect_left(self.days, first)
            opening = sum(self.values(begins, max(begins - 1, 0)).values())
            if opening >= self.rules.min_opening:
                moved = [float(self.t.paid[i]) for i in self.rows if self.t.is_own[i] and first <= self.t.date[i] < after]
                monthly.append(sum(moved) / 2 / opening)
        return (12 * sum(monthly) / len(monthly) if monthly else 0.0), len(monthly)

    def concentration(self) -> tuple[float, int]:
        found = []
        for _first, after in self.months():
            ends = bisect_left(self.days, after)
            risk = {fund: value for fund, value in self.values(ends, max(ends - 1, 0)).items() if self.is_risk(fund)}
            if not risk or any(self.market.cell[fund] < 0 for fund in risk):
                continue
            cells: dict[int, float] = {}
            for fund, value in risk.items():
                cells[int(self.market.cell[fund])] = cells.get(int(self.market.cell[fund]), 0.0) + value
            found.append(sum((value / sum(risk.values())) ** 2 for value in cells.values()))
        return (sum(found) / len(found) if found else 0.0), len(found)

    def disposition(self) -> tuple[float, int]:
        rg = pg = rl = pl = n = 0
        for at in sorted({self.session(int(self.t.date[i])) for i in self.own(buys=False, since=self.since)}):
            held = self.morning(at)
            if len(held) < self.rules.min_holdings:
                continue
            n += 1
            today = [i for i in self.rows if self.session(int(self.t.date[i])) == at and not self.t.is_buy[i]]
            sold = {int(self.t.fund[i]) for i in today if self.t.is_own[i]}
            moved = {int(self.t.fund[i]) for i in today if not self.t.is_own[i]} - sold
            for fund, (units, cost) in held.items():
                gain = units * self.price(fund, at) - cost
                if fund in moved or abs(gain) <= 1e-9 * cost:
                    continue
                if gain > 0:
                    rg, pg = rg + (fund in sold), pg + (fund not in sold)
                else:
                    rl, pl = rl + (fund in sold), pl + (fund not in sold)
        pgr, plr = (rg + 20 * 0.148) / (rg + pg + 20), (rl + 20 * 0.098) / (rl + pl + 20)
        return pgr - plr, n

    def chasing(self) -> tuple[float, int]:
        n = top = 0
        for i in self.own(buys=True, since=self.since):
            at = self.session(int(self.t.date[i]))
            then = self.session(same_day(date.fromordinal(self.days[at]), 3).toordinal())
            if then < 0 or then >= at - 1:
                continue
            index = self.market.category_index
            rises = {c: float(index[at - 1, c] / index[then, c] - 1) for c in range(index.shape[1])}
            rises = {c: rise for c, rise in rises.items() if rise == rise}
            category = int(self.market.category[int(self.t.fund[i])])
            if category not in rises or len(rises) < 2:
                continue
            n += 1
            places = max(1, int(0.10 * len(rises) + 0.5))
            top += sum(rise >= rises[category] for rise in rises.values()) <= places
        return (top / n if n else 0.0), n


def without_floor(rules: BehaviourRules = RULES) -> BehaviourRules:
    return replace(rules, min_risk_assets=0.0, min_opening=1e-9)
