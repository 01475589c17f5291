"""A simulated market: open-end funds whose daily NAVs come from a documented factor model. Pure numpy, seeded.

Calendar. Factors are drawn for every weekday from FIRST_DAY in blocks of ten years, and only then cut at the end date,
so a longer series always begins with the shorter one and a nightly extension needs no memory. Within a block each
factor is brought to mean zero and its stated volatility: over a whole block a fund earns what its class assumes.

Factors a day (annual volatility): market .18, rates .02, credit .008, style .10 (growth minus value), overseas .16, gold
.135, commodity .22, property .15, and six sectors .20. Shocks are Student t with five degrees of freedom. A two-state
regime (calm, about 16 months; stress, about two months) multiplies every shock by .85 or 1.7 and, in stress, pulls
market, credit, overseas, property and commodity down, so falls of 15 to 40 % and their recoveries appear.

A fund's return a day = (class mean + usual fee of the category - own fee + alpha) / 250 + loadings x factors +
own shock (t with six degrees). Fees are thus inside the NAV. Money-market funds follow a slow common yield instead; they
accumulate (their NAV rises) because this market has no distributions yet. Overseas funds show no time-zone lag.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from demo.names import COMPANIES, MOODS, THEMES

Floats = NDArray[np.float64]

FIRST_DAY = date(2016, 10, 31)  # a Monday
BLOCK_DAYS = 2610  # weekdays in ten years
DAYS_A_YEAR = 250.0
SECTORS = ["health", "technology", "consumer", "energy", "finance", "materials"]
FACTORS = ["market", "rates", "credit", "style", "overseas", "gold", "commodity", "property", *SECTORS]
FACTOR_VOL = np.array([0.18, 0.02, 0.008, 0.10, 0.16, 0.135, 0.22, 0.15, *[0.20] * 6])
# How far a day of stress pulls each factor down, in daily standard deviations.
STRESS_PULL = np.array([0.16, 0.0, 0.25, 0.0, 0.14, -0.05, 0.10, 0.12, *[0.0] * 6])
CALM_SHOCK, STRESS_SHOCK = 0.85, 1.7
TO_STRESS, TO_CALM = 1 / 350, 1 / 45


@dataclass(frozen=True)
class CategoryModel:
    """How the funds of a category behave: their share of the market, loadings (low, high), own shocks, fees, alpha."""

    n_of_600: int
    loadings: Mapping[str, tuple[float, float]]
    own_vol: float
    fee_bps: tuple[int, int]
    alpha: float
    n_in_pool: int


MODELS = {
    "money": CategoryModel(50, {}, 0.0, (22, 50), 0.0006, 6),
    "short_bond": CategoryModel(50, {"rates": (0.18, 0.24), "credit": (0.20, 0.35)}, 0.0020, (30, 50), 0.0012, 7),
    "bond": CategoryModel(90, {"rates": (0.90, 1.25), "credit": (0.40, 0.80)}, 0.004, (40, 70), 0.003, 9),
    "bond_plus": CategoryModel(50, {"rates": (0.8, 1.1), "credit": (0.6, 1.0), "market": (0.06, 0.11)}, 0.008, (70, 100), 0.006, 5),
    "mixed": CategoryModel(110, {"market": (0.52, 0.64), "rates": (0.3, 0.6), "style": (-0.1, 0.1)}, 0.04, (100, 140), 0.015, 6),
    "gold": CategoryModel(15, {"gold": (0.97, 1.0)}, 0.010, (50, 70), 0.001, 3),
    "index": CategoryModel(60, {"market": (0.98, 1.05), "style": (-0.05, 0.05)}, 0.008, (20, 60), 0.002, 6),
    "reit": CategoryModel(15, {"property": (0.9, 1.05), "market": (0.2, 0.35)}, 0.04, (60, 90), 0.008, 3),
    "equity": CategoryModel(70, {"market": (0.98, 1.12), "style": (-0.1, 0.1)}, 0.07, (110, 140), 0.02, 6),
    "qdii": CategoryModel(40, {"overseas": (0.95, 1.1), "market": (0.2, 0.3)}, 0.05, (90, 160), 0.015, 4),
    "sector": CategoryModel(35, {"market": (1.02, 1.15)}, 0.06, (60, 140), 0.02, 6),
    "commodity": CategoryModel(15, {"commodity": (0.9, 1.05), "market": (0.15, 0.3)}, 0.06, (70, 100), 0.01, 2),
}
STYLE_OF_THEME = {"growth": 0.45, "value": -0.45, "technology": 0.5, "health": 0.3, "energy": 0.3, "finance": -0.5, "consumer": -0.2}
GATE_MONTHS = {"index": 12}
AT_MOST_A_COMPANY = 2
SCREEN_DAYS = 783  # weekdays in three years
SCREEN_LAG = 522  # weekdays in the two years during which simulated people trade


@dataclass(frozen=True)
class FundSpec:
    """One simulated fund: what it is called and how it moves."""

    code: str
    name_zh: str
    name_en: str
    company: str
    category: str
    is_open: bool
    annual_fee_bps: int
    purchase_fee_bps: int
    inception: date
    loadings: tuple[float, ...]  # in the order of FACTORS
    own_vol: float
    drift: float  # a year, net of fees
    seed: int


@dataclass(frozen=True)
class Market:
    """NAVs of funds on weekdays: days are proleptic ordinals; nav is (T, n), NaN before a fund's inception."""

    codes: tuple[str, ...]
    days: NDArray[np.int64]
    nav: Floats


@dataclass(frozen=True)
class PoolChoice:
    code: str
    category: str
    rank: int
    n_ranked: int


def weekdays(until: date) -> NDArray[np.int64]:
    """Return the proleptic ordinals of all weekdays from FIRST_DAY until a date, both included."""
    days = np.arange(FIRST_DAY.toordinal(), until.toordinal() + 1)
    return days[(days - 1) % 7 < 5]  # ordinal 1 was a Monday


def category_counts(n_funds: int) -> dict[str, int]:
    """Share n_funds over the categories as in a market of 600, but never fewer than what the pool takes, or 80 in all."""
    wanted = {name: max(model.n_in_pool, round(model.n_of_600 * n_funds / 600)) for name, model in MODELS.items()}
    rest = n_funds - sum(wanted.values())
    largest = sorted(MODELS, key=lambda name: -MODELS[name].n_of_600)
    while rest:
        for name in largest:
            step = (rest > 0) - (rest < 0)
            if step and wanted[name] + step >= MODELS[name].n_in_pool:
                wanted[name] += step
                rest -= step
        if rest < 0 and all(wanted[name] == MODELS[name].n_in_pool for name in MODELS):
            raise ValueError(f"a market of fewer than {sum(wanted.values())} funds cannot fill the pool")
    return wanted


def make_funds(*, seed: int, n_funds: int, class_means: Mapping[str, float], fee_caps_bps: Mapping[str, int]) -> list[FundSpec]:
    """Invent n_funds funds. class_means and fee_caps_bps are by category; the i-th fund of a category is the same in every market."""
    counts = category_counts(n_funds)
    return [
        _make_fund(seed, position, category, i, class_means[category], fee_caps_bps[category])
        for position, category in enumerate(MODELS, start=1)
        for i in range(counts[category])
    ]


def _make_fund(seed: int, position: int, category: str, i: int, class_mean: float, fee_cap_bps: int) -> FundSpec:
    model, rng = MODELS[category], np.random.default_rng([seed, position, i])
    company_zh, company_en = COMPANIES[(i * 7 + position) % len(COMPANIES)]
    mood_zh, mood_en = MOODS[(i // len(COMPANIES) + position) % len(MOODS)]
    theme, theme_zh, theme_en = THEMES[category][i % len(THEMES[category])]
    loadings = {name: rng.uniform(low, high) for name, (low, high) in model.loadings.items()}
    if theme in STYLE_OF_THEME:
        loadings["style"] = loadings.get("style", 0.0) + STYLE_OF_THEME[theme]
    if theme in SECTORS:
        loadings[theme] = rng.uniform(0.9, 1.05)
    if theme in {"rates", "credit"}:
        loadings[theme] *= 1.15
    low, high = model.fee_bps
    fee = int(rng.integers(low, high + 1))
    late_by = int(rng.uniform(100, 3200)) if rng.random() < 0.25 else 0
    alpha = float(rng.normal(0.0, model.alpha))
    return FundSpec(
        code=f"S{position:02d}{i + 1:03d}",
        name_zh=f"{company_zh}{mood_zh}{theme_zh}",
        name_en=f"{company_en} {mood_en} {theme_en}",
        company=f"{company_zh}基金 {company_en}",
        category=category,
        is_open=bool(rng.random() > 0.04),
        annual_fee_bps=fee,
        purchase_fee_bps=int(fee_cap_bps * rng.choice([0.1, 0.15, 0.25, 0.5])),
        inception=date.fromordinal(FIRST_DAY.toordinal() + late_by),
        loadings=tuple(loadings.get(name, 0.0) for name in FACTORS),
        own_vol=model.own_vol * float(rng.uniform(0.8, 1.2)),
        drift=class_mean + ((low + high) / 2 - fee) / 1e4 + alpha,
        seed=int(rng.integers(2**31)),
    )


def _standard_block(shocks: Floats) -> Floats:
    """Bring each column of a whole block to mean 0 and standard deviation 1."""
    return (shocks - shocks.mean(axis=0)) / shocks.std(axis=0)


def _regime_block(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return where a block of days is in stress."""
    stress, draws, state = np.zeros(BLOCK_DAYS, dtype=bool), rng.random(BLOCK_DAYS), False
    for day, draw in enumerate(draws):
        state = draw >= TO_CALM if state else draw < TO_STRESS
        stress[day] = state
    return stress


def factor_returns(*, seed: int, n_days: int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Draw daily factors (n_days, factors), the common money-market yield a year (n_days,), and where the market is in stress."""
    blocks, yields, regimes = [], [], []
    for block in range(-(-n_days // BLOCK_DAYS)):
        rng = np.random.default_rng([seed, 0, block])
        stress = _regime_block(rng)
        shocks = rng.standard_t(5, (BLOCK_DAYS, len(FACTORS))) / np.sqrt(5 / 3)
        shocks = np.where(stress[:, None], STRESS_SHOCK * shocks - STRESS_PULL, CALM_SHOCK * shocks)
        blocks.append(_standard_block(shocks) * FACTOR_VOL / np.sqrt(DAYS_A_YEAR))
        slow, level = rng.standard_normal(BLOCK_DAYS), np.empty(BLOCK_DAYS)
        state = 0.0
        for day in range(BLOCK_DAYS):
            state = 0.995 * state + 0.1 * slow[day]
            level[day] = state
        yields.append(_standard_block(level[:, None])[:, 0] * 0.0035)
        regimes.append(stress)
    return np.concatenate(blocks)[:n_days], np.concatenate(yields)[:n_days], np.concatenate(regimes)[:n_days]


def _own_shocks(fund: FundSpec, n_days: int) -> Floats:
    parts = []
    for block in range(-(-n_days // BLOCK_DAYS)):
        rng = np.random.default_rng([fund.seed, block])
        parts.append(_standard_block(rng.standard_t(6, (BLOCK_DAYS, 1)))[:, 0])
    return np.concatenate(parts)[:n_days] * fund.own_vol / np.sqrt(DAYS_A_YEAR)


def simulate(funds: list[FundSpec], *, seed: int, until: date) -> Market:
    """Return the NAVs of the funds until a date; 1.0 at inception, rounded as published (four decimals, money-market six)."""
    days = weekdays(until)
    factors, money_yield, _stress = factor_returns(seed=seed, n_days=len(days))
    nav = np.full((len(days), len(funds)), np.nan)
    for column, fund in enumerate(funds):
        if fund.category == "money":
            returns = np.maximum(fund.drift + money_yield, 0.003) / DAYS_A_YEAR
        else:
            returns = fund.drift / DAYS_A_YEAR + factors @ np.array(fund.loadings) + _own_shocks(fund, len(days))
        born = int(np.searchsorted(days, fund.inception.toordinal()))
        path = np.cumprod(1.0 + np.maximum(returns[born:], -0.15))
        if len(path):
            nav[born:, column] = np.round(path / path[0], 6 if fund.category == "money" else 4)
    return Market(tuple(fund.code for fund in funds), days, nav)


def choose_pool(funds: list[FundSpec], market: Market) -> list[PoolChoice]:
    """Choose the pool by a plain rule, category by category, on what was known SCREEN_LAG weekdays before the last day.

    In: open for purchase, at least 36 months old by then (index funds 12). Ranked by the sum of two ranks: three-year
    return over volatility (money-market funds: return alone), and running fee, the lower the better. At most two funds a
    company and category, until the category's number is full. The lag keeps people who trade in the pool from profiting
    from having been chosen with hindsight.
    """
    end = len(market.days) - SCREEN_LAG
    if end < 2:
        raise ValueError("the market is too short for a pool")
    chosen: list[PoolChoice] = []
    for category, model in MODELS.items():
        columns = [column for column, fund in enumerate(funds) if fund.category == category and fund.is_open]
        old_enough = [column for column in columns if _is_old_enough(funds[column], int(market.days[end - 1]))]
        # In a tiny market age gives way before the pool stays empty.
        columns = old_enough if len(old_enough) >= model.n_in_pool else columns
        taken: dict[str, int] = {}
        for rank, column in enumerate(_ranked(funds, market.nav[max(0, end - SCREEN_DAYS) : end], columns), start=1):
            fund = funds[column]
            if sum(taken.values()) < model.n_in_pool and taken.get(fund.company, 0) < AT_MOST_A_COMPANY:
                taken[fund.company] = taken.get(fund.company, 0) + 1
                chosen.append(PoolChoice(fund.code, category, rank, len(columns)))
    return chosen


def _is_old_enough(fund: FundSpec, on: int) -> bool:
    return on - fund.inception.toordinal() >= GATE_MONTHS.get(fund.category, 36) * 30.5


def _ranked(funds: list[FundSpec], window: Floats, columns: list[int]) -> list[int]:
    """Sort columns of one category from best to worst."""
    growth = np.diff(np.log(window[:, columns]), axis=0)
    known = np.isfinite(growth).sum(axis=0) > 20  # too young to have a return: last
    growth = np.where(known & np.isfinite(growth), growth, 0.0)
    mean, vol = growth.mean(axis=0), np.maximum(growth.std(axis=0), 1e-12)
    merit = np.where(known, mean if funds[columns[0]].category == "money" else mean / vol, -np.inf)
    fee = np.array([funds[column].annual_fee_bps for column in columns])
    score = merit.argsort(kind="stable").argsort() + (-fee).argsort(kind="stable").argsort()
    return [columns[i] for i in np.lexsort((np.array([funds[column].code for column in columns]), -score))]
