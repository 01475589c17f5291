"""A simulated market for tests of the screen: class indices, funds with skill, style, fees, and some that died."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from portfolios.kernels.market_record import Grid, Record, grid_until, record_of
from portfolios.kernels.screen_types import DeadFunds, FundFacts, GateRules, MarketData, ScreenRules
from portfolios.kernels.types import ReturnMatrix

# category: class, kind, grade, exposure to (bonds, shares), own volatility a year, fees a year, floor and ceiling of size in yuan
CATEGORIES = {
    "money": ("money_market", "money", 1, (0.0, 0.0), 0.0, 0.004, (2e8, np.inf)),
    "short_bond": ("short_bond", "active", 1, (0.25, 0.0), 0.002, 0.004, (2e8, 3e10)),
    "bond": ("bond", "active", 2, (1.0, 0.0), 0.008, 0.006, (2e8, 3e10)),
    "mixed": ("mixed", "active", 3, (0.5, 0.5), 0.04, 0.012, (2e8, 1e10)),
    "equity": ("equity", "active", 4, (0.0, 0.95), 0.06, 0.014, (2e8, 1e10)),
    "sector": ("sector_equity", "active", 5, (0.0, 1.1), 0.10, 0.014, (2e8, 1e10)),
    "index": ("equity", "index", 3, (0.0, 1.0), 0.004, 0.006, (2e8, np.inf)),
}
RULES = ScreenRules(
    gates=GateRules(36, 12, 24, 4, 1000.0, 20, 0.5, 1.5),
    weights={
        "active": {
            "mrar": 0.25, "drawdown": 0.15, "information_ratio": 0.15, "win_rate": 0.15, "cost": 0.15, "style_stability": 0.10,
            "tenure": 0.05,
        },
        "index": {"tracking": 0.40, "cost": 0.35, "size": 0.25},
        "money": {"seven_day": 0.50, "size": 0.30, "cost": 0.20},
    },
    shrink_months=36,
    enter=0.80,
    leave=0.60,
    quarters_to_leave=2,
    max_a_company=3,
    max_share=0.25,
    interval=0.90,
    n_bootstrap=40,
    block_months=6,
    cash_rate=0.015,
    style_classes=("money_market", "bond", "equity"),
    min_pool={1: 8, 2: 8, 3: 5, 4: 5, 5: 5},
    min_companies_a_grade=3,
    min_money_funds=3,
)  # fmt: skip
LAST_DAY = date(2024, 10, 30)
LAST_MONTH_END = date(2024, 9, 30)
GRID: Grid = grid_until(LAST_DAY.toordinal(), LAST_MONTH_END.toordinal())


def weekdays(first: int, last: int) -> np.ndarray:
    days = np.arange(first, last + 1)
    return days[(days - 1) % 7 < 5]


def indices(n_funds: int, *, seed: int = 1, skill: float = 0.03, categories=tuple(CATEGORIES), years: int = 6):
    """Daily total-return indices (T, n) of so many funds, with their categories, skills a year, and days."""
    rng = np.random.default_rng(seed)
    days = weekdays(LAST_DAY.toordinal() - 366 * years, LAST_DAY.toordinal())
    names = np.array(categories)[np.arange(n_funds) % len(categories)]
    factors = rng.standard_normal((len(days), 2)) * np.array([0.02, 0.20]) / 16 + np.array([0.02, 0.06]) / 261
    loads = np.array([CATEGORIES[name][3] for name in names]).T
    loads = loads * rng.uniform(0.9, 1.1, (1, n_funds))
    own = np.array([CATEGORIES[name][4] for name in names])
    skills = rng.standard_normal(n_funds) * skill * np.minimum(1.0, 20 * own + 0.02)
    noise = rng.standard_normal((len(days), n_funds)) * own / 16
    steps = factors @ loads + noise + (0.015 + skills) / 261
    return names, skills, days, np.exp(np.cumsum(steps, axis=0))


def facts(names: np.ndarray, *, seed: int = 1, **changed) -> FundFacts:
    """Facts of living funds of these categories that pass every gate on facts, unless changed."""
    rng, n = np.random.default_rng(seed + 1000), len(names)
    low, high = (np.array([CATEGORIES[name][6][side] for name in names]) for side in (0, 1))
    found = FundFacts(
        codes=tuple(f"F{i:05d}" for i in range(n)),
        category=names,
        asset_class=np.array([CATEGORIES[name][0] for name in names]),
        kind=np.array([CATEGORIES[name][1] for name in names]),
        grade=np.array([CATEGORIES[name][2] for name in names]),
        company=np.array([f"Company {i % 40}" for i in rng.permutation(n)]),
        family=np.full(n, "", dtype="<U20"),
        months=rng.integers(61, 120, n),
        manager_months=rng.uniform(25, 100, n),
        sizes=np.exp(rng.uniform(np.log(3e8), np.log(9e9), n)) * np.ones((4, 1)),
        size_low=low,
        size_high=high,
        retail_share=rng.uniform(0, 1, n),
        is_open=np.ones(n, bool),
        daily_limit=np.full(n, np.inf),
        is_warned=np.zeros(n, bool),
        cost=np.array([CATEGORIES[name][5] for name in names]) * rng.uniform(0.6, 1.4, n),
        was_in=np.zeros(n, bool),
        quarters_below=np.zeros(n, np.int64),
    )
    return replace(found, **changed)


def record(days: np.ndarray, values: np.ndarray) -> Record:
    return record_of(ReturnMatrix(tuple(str(i) for i in range(values.shape[1])), days, values), GRID)


def nobody(n_months: int = 61, n_weeks: int = 157) -> DeadFunds:
    no = np.empty(0)
    return DeadFunds(np.empty(0, "<U20"), np.empty(0, "<U20"), Record(np.empty((n_months, 0)), np.empty((n_weeks, 0)), no, no))


def market(n_funds: int, *, seed: int = 1, categories=tuple(CATEGORIES), **changed) -> MarketData:
    """A market of living funds; facts may be changed by name."""
    names, _, days, values = indices(n_funds, seed=seed, categories=categories)
    return MarketData(facts(names, seed=seed, **changed), record(days, values), nobody())


def day(n: int) -> date:
    return LAST_DAY - timedelta(days=n)
