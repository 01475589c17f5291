"""Inventing the funds of a simulated market: who runs them, what they charge, how they move, and how they end.

What a fund is hangs on the seed, its category and its place there alone: a small market holds the first funds of a large
one. Names are numbers here; `jurisdictions.simulated_names` has the words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

FIRST_DAY = date(2016, 10, 31)  # a Monday
DAYS_A_YEAR = 250.0
SECTORS = ["health", "technology", "consumer", "energy", "finance", "materials"]
FACTORS = ["market", "rates", "credit", "style", "overseas", "gold", "commodity", "property", *SECTORS]
COMPANIES, EARLY_COMPANIES, MOODS, MANAGERS_A_COMPANY = 160, 20, 10, 12
# From this place on a category's funds belong to any of the companies, and carry a number in their names.
NUMBERED_FROM = EARLY_COMPANIES * MOODS


@dataclass(frozen=True)
class CategoryModel:
    """How the funds of a category behave: their share of the market, loadings (low, high), own shocks, fees, alpha.

    `ends_a_year` is the share that is wound up each year, `decline` what such a fund loses a year in its last two;
    `size` the median in 100 million yuan with the standard deviation of its logarithm; `pays` the share that distributes.
    """

    n_of_600: int
    n_least: int
    loadings: Mapping[str, tuple[float, float]]
    own_vol: float
    fee_bps: tuple[int, int]
    alpha: float
    ends_a_year: float
    decline: float
    size: tuple[float, float]
    institutions: float
    pays: float
    sales_fee_bps: tuple[int, int]


MODELS = {
    "money": CategoryModel(50, 6, {}, 0.0, (22, 50), 0.0006, 0.003, 0.001, (120, 1.2), 0.35, 0.0, (10, 25)),
    "short_bond": CategoryModel(
        50, 7, {"rates": (0.18, 0.24), "credit": (0.20, 0.35)}, 0.002, (30, 50), 0.0012, 0.010, 0.004, (35, 1.0), 0.45, 0.2, (10, 30)
    ),
    "bond": CategoryModel(
        75, 9, {"rates": (0.90, 1.25), "credit": (0.40, 0.80)}, 0.004, (40, 70), 0.003, 0.012, 0.01, (30, 1.0), 0.75, 0.4, (20, 40)
    ),
    "bond_plus": CategoryModel(
        50, 5, {"rates": (0.8, 1.1), "credit": (0.6, 1.0), "market": (0.06, 0.11)},
        0.008, (70, 100), 0.006, 0.015, 0.02, (20, 1.0), 0.5, 0.3, (30, 40),
    ),
    "mixed": CategoryModel(
        85, 6, {"market": (0.52, 0.64), "rates": (0.3, 0.6), "style": (-0.1, 0.1)},
        0.04, (100, 140), 0.015, 0.02, 0.05, (13, 1.0), 0.2, 0.15, (40, 80),
    ),
    "gold": CategoryModel(15, 3, {"gold": (0.97, 1.0)}, 0.010, (50, 70), 0.001, 0.010, 0.01, (12, 0.9), 0.15, 0.0, (25, 35)),
    "index": CategoryModel(
        60, 6, {"market": (0.98, 1.05), "style": (-0.05, 0.05)}, 0.008, (20, 60), 0.002, 0.025, 0.005, (18, 1.2), 0.3, 0.1, (20, 40)
    ),
    "reit": CategoryModel(
        15, 3, {"property": (0.9, 1.05), "market": (0.2, 0.35)}, 0.04, (60, 90), 0.008, 0.012, 0.05, (10, 0.8), 0.3, 0.5, (30, 50)
    ),
    "equity": CategoryModel(
        65, 6, {"market": (0.98, 1.12), "style": (-0.1, 0.1)}, 0.07, (110, 140), 0.02, 0.02, 0.08, (12, 1.0), 0.2, 0.15, (40, 80)
    ),
    "qdii": CategoryModel(
        40, 4, {"overseas": (0.95, 1.1), "market": (0.2, 0.3)}, 0.05, (90, 160), 0.015, 0.015, 0.06, (9, 0.9), 0.15, 0.0, (30, 60)
    ),
    "sector": CategoryModel(65, 6, {"market": (1.02, 1.15)}, 0.06, (60, 140), 0.02, 0.02, 0.08, (10, 1.0), 0.15, 0.05, (40, 80)),
    "commodity": CategoryModel(
        30, 2, {"commodity": (0.9, 1.05), "market": (0.15, 0.3)}, 0.06, (70, 100), 0.01, 0.015, 0.06, (9, 0.9), 0.15, 0.0, (30, 50)
    ),
}  # fmt: skip
# The themes of a category, in turn; a theme decides loadings.
THEMES: dict[str, tuple[str, ...]] = {
    "money": ("", ""), "short_bond": ("", ""), "bond": ("rates", "credit", ""), "bond_plus": ("",), "mixed": ("growth", "value", ""),
    "gold": ("",), "index": ("", "growth", "value", ""), "reit": ("",), "equity": ("growth", "value", ""), "qdii": ("", "", "growth"),
    "sector": tuple(SECTORS), "commodity": ("",),
}  # fmt: skip
STYLE_OF_THEME = {"growth": 0.45, "value": -0.45, "technology": 0.5, "health": 0.3, "energy": 0.3, "finance": -0.5, "consumer": -0.2}
DRIFTING = {"bond_plus", "mixed", "equity", "sector"}  # categories of which a few funds change their style one day
DRIFT_SHARE, SPLIT_SHARE = 0.05, 0.25
SPLITTING = {"index", "equity", "sector", "mixed"}
# Of four funds in a row the fourth is the C class of the third: no purchase fee, a sales-service fee a year.
CLASS_EVERY = 4
# The first funds of a category live on, so that a tiny market can fill a pool.
FOUNDING = 8


@dataclass(frozen=True)
class FundSpec:
    """One simulated fund: what it is called, what it charges and how it moves. Days are dates, loadings in the order of FACTORS."""

    code: str
    category: str
    number: int  # its place in the category, from 0
    company: int
    mood: int
    theme: int  # of THEMES[category]
    share_class: str
    family_code: str
    is_index: bool
    is_open: bool  # False: closed for good some day
    annual_fee_bps: int
    purchase_fee_bps: int
    sales_fee_bps: int
    inception: date
    ended: date | None
    loadings: tuple[float, ...]
    changes_style: date | None
    loadings_after: tuple[float, ...]
    own_vol: float
    drift: float  # a year, net of fees
    seed: int
    pays: float  # the share of the gain above 1 that it distributes once a year, 0: never
    splits: bool
    events_until: date | None = None  # nothing is distributed or split later


def category_counts(n_funds: int) -> dict[str, int]:
    """Share n_funds over the categories as in a market of 600, but never fewer than a category's least, or 63 in all."""
    wanted = {name: max(model.n_least, round(model.n_of_600 * n_funds / 600)) for name, model in MODELS.items()}
    rest = n_funds - sum(wanted.values())
    largest = sorted(MODELS, key=lambda name: -MODELS[name].n_of_600)
    while rest:
        for name in largest:
            step = (rest > 0) - (rest < 0)
            if step and wanted[name] + step >= MODELS[name].n_least:
                wanted[name] += step
                rest -= step
        if rest < 0 and all(wanted[name] == MODELS[name].n_least for name in MODELS):
            raise ValueError(f"a market of fewer than {sum(wanted.values())} funds cannot fill the pool")
    return wanted


def make_funds(
    *, seed: int, n_funds: int, class_means: Mapping[str, float], fee_caps_bps: Mapping[str, int], events_until: date | None = None
) -> list[FundSpec]:
    """Invent n_funds funds. class_means and fee_caps_bps are by category; the i-th fund of a category is the same in every market.

    After `events_until` no fund distributes, splits or ends.
    """
    counts = category_counts(n_funds)
    funds = [
        _make_fund(seed, position, category, i, class_means[category], fee_caps_bps[category])
        for position, category in enumerate(MODELS, start=1)
        for i in range(counts[category])
    ]
    return funds if events_until is None else [_without_later_events(fund, events_until) for fund in funds]


def _without_later_events(fund: FundSpec, events_until: date) -> FundSpec:
    lives_on = fund.ended is not None and fund.ended > events_until
    return replace(fund, ended=None if lives_on else fund.ended, events_until=events_until)


def _make_fund(seed: int, position: int, category: str, i: int, class_mean: float, fee_cap_bps: int) -> FundSpec:
    if i % CLASS_EVERY == CLASS_EVERY - 1:
        return _class_c(_make_fund(seed, position, category, i - 1, class_mean, fee_cap_bps), position, i)
    model, rng = MODELS[category], np.random.default_rng([seed, position, i])
    theme_number = i % len(THEMES[category])
    theme = THEMES[category][theme_number]
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
    inception = date.fromordinal(FIRST_DAY.toordinal() + late_by)
    alpha = float(rng.normal(0.0, model.alpha))
    spec = FundSpec(
        code=f"S{position:02d}{i + 1:03d}",
        category=category,
        number=i,
        company=_company(i, position),
        mood=(i // EARLY_COMPANIES + position) % MOODS,
        theme=theme_number,
        share_class="A" if i % CLASS_EVERY == CLASS_EVERY - 2 else "",
        family_code=f"S{position:02d}{i + 1:03d}" if i % CLASS_EVERY == CLASS_EVERY - 2 else "",
        is_index=category == "index",
        is_open=bool(rng.random() > 0.04),
        annual_fee_bps=fee,
        purchase_fee_bps=int(fee_cap_bps * rng.choice([0.1, 0.15, 0.25, 0.5])),
        sales_fee_bps=0,
        inception=inception,
        ended=None,
        loadings=tuple(loadings.get(name, 0.0) for name in FACTORS),
        changes_style=None,
        loadings_after=(),
        own_vol=model.own_vol * float(rng.uniform(0.8, 1.2)),
        drift=class_mean + ((low + high) / 2 - fee) / 1e4 + alpha,
        seed=int(rng.integers(2**31)),
        pays=0.0,
        splits=False,
    )
    return _with_its_fate(spec, np.random.default_rng([seed, position, i, 1]))


def _company(i: int, position: int) -> int:
    """The first companies have the first funds; two funds of one company, mood, theme and number do not meet."""
    if i < NUMBERED_FROM:
        return (i * 7 + position) % EARLY_COMPANIES
    return (i * 7 + position + i // NUMBERED_FROM * 23) % COMPANIES


def _with_its_fate(spec: FundSpec, rng: np.random.Generator) -> FundSpec:
    """Draw the end, the change of style, the tracking of an index fund, distributions and splits."""
    model, born = MODELS[spec.category], spec.inception.toordinal()
    end = born + 800 + int(rng.exponential(365.25 / model.ends_a_year))
    dies = spec.number >= FOUNDING and end < date(2200, 1, 1).toordinal()
    drifts, drift_after, tilt = rng.random() < DRIFT_SHARE, int(rng.uniform(900, 3300)), 0.6 * (1 if rng.random() < 0.5 else -1)
    tracking, pays, share, splits = rng.uniform(0.003, 0.02), rng.random() < model.pays, rng.uniform(0.4, 0.8), rng.random() < SPLIT_SHARE
    if drifts and spec.category in DRIFTING:
        style = FACTORS.index("style")
        # Away from where it leans: a growth fund turns to value.
        tilt = -0.9 * np.sign(spec.loadings[style]) if abs(spec.loadings[style]) > 0.2 else tilt
        after = tuple(loading + tilt * (at == style) for at, loading in enumerate(spec.loadings))
        spec = replace(spec, changes_style=date.fromordinal(born + drift_after), loadings_after=after)
    return replace(
        spec,
        ended=date.fromordinal(end) if dies else None,
        own_vol=float(tracking) if spec.is_index else spec.own_vol,
        pays=float(share) if pays else 0.0,
        splits=bool(splits) and spec.category in SPLITTING,
    )


def _class_c(of_a: FundSpec, position: int, i: int) -> FundSpec:
    low, high = MODELS[of_a.category].sales_fee_bps
    sales_fee = low + of_a.seed % (high - low + 1)
    return replace(
        of_a,
        code=f"S{position:02d}{i + 1:03d}",
        number=i,
        share_class="C",
        purchase_fee_bps=0,
        sales_fee_bps=sales_fee,
        drift=of_a.drift - sales_fee / 1e4,
    )
