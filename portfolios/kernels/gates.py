"""The gates of the screen: what a fund must be before it is ranked. Each says where it fails, and with which figures."""

import numpy as np

from portfolios.kernels.market_record import QUARTERS, WINDOW_MONTHS, group_means, month_returns, week_returns
from portfolios.kernels.ranks import BoolArray, places_within
from portfolios.kernels.screen_types import FundFacts, Gate, GateRules, MarketData, ScreenRules
from portfolios.kernels.styles import WEEKS_A_QUARTER, distances_from_mean, quarterly_styles, style_shift
from portfolios.kernels.types import FloatArray

RECENT_QUARTERS = 4
# An include by hand never opens these: one cannot or must not buy such a fund.
BARRED = ("not_priced", "closed", "liquidation_warning")


def style_measures(data: MarketData, style_classes: tuple[str, ...]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Measure style over the last twelve quarters on the indices of the style classes that have whole ones.

    Returns the quarters' distances (12, n) from the fund's mean style, and the L1 distance and variance ratio (n,) of
    `styles.style_shift` for the last four quarters. Class indices are equal-weight means, dead funds included. NaN for a
    fund without the whole of twelve quarters, and for all where fewer than two classes have an index.
    """
    n_funds = len(data.facts.codes)
    weeks = week_returns(data.record)
    names = list(style_classes)
    place = {name: column for column, name in enumerate(names)}
    classes = np.concatenate([data.facts.asset_class, data.dead.asset_class])
    groups = np.array([place.get(str(name), len(names)) for name in classes], np.int64)
    every = np.concatenate([weeks, week_returns(data.dead.record)], axis=1)
    indices = group_means(every, groups, len(names) + 1)[:, : len(names)]
    indices = indices[:, np.isfinite(indices).all(axis=0)]
    if indices.shape[1] < 2:
        nothing = np.full(n_funds, np.nan)
        return np.full((QUARTERS, n_funds), np.nan), nothing, nothing
    distances = distances_from_mean(quarterly_styles(weeks, indices))
    shift, ratio = style_shift(weeks, indices, RECENT_QUARTERS * WEEKS_A_QUARTER)
    return distances, shift, ratio


def gates_of(data: MarketData, rules: ScreenRules, shift: FloatArray, ratio: FloatArray) -> tuple[Gate, ...]:
    """Hold every living fund to every gate; the cheapest share class of a family is sought among those that pass the rest."""
    facts, limits = data.facts, rules.gates
    is_index = facts.kind == "index"
    needed = np.where(is_index, limits.min_months_index, limits.min_months)
    broken = (facts.kind == "active") & (shift > limits.max_style_break) & (ratio > limits.style_break_variance)
    new_manager = (facts.manager_months < limits.min_manager_months) & ~is_index
    gates = [
        Gate("not_priced", ~np.isfinite(data.record.week_values[-1])),
        Gate("closed", ~facts.is_open),
        Gate("liquidation_warning", facts.is_warned),
        Gate("too_young", facts.months < needed, {"months": facts.months, "needs": needed}),
        Gate("record_broken", (facts.months >= needed) & ~_is_whole(data, needed)),
        *_size_gates(facts, limits),
        Gate("manager_unknown", np.isnan(facts.manager_months) & ~is_index),
        Gate("manager_new", new_manager, {"months": facts.manager_months, "needs": limits.min_manager_months}),
        Gate("limited", facts.daily_limit < limits.min_daily_limit, {"limit": facts.daily_limit, "needs": limits.min_daily_limit}),
        Gate("style_break", broken, {"distance": shift, "limit": limits.max_style_break}),
    ]
    return (*gates, _cheaper_class(facts, passing(gates)))


def passing(gates: list[Gate] | tuple[Gate, ...]) -> BoolArray:
    """Which funds fail no gate."""
    return ~np.logical_or.reduce([gate.fails for gate in gates])


def _is_whole(data: MarketData, needed: np.ndarray) -> BoolArray:
    """Whether a fund has a return in each of the last months of its window."""
    known = np.isfinite(month_returns(data.record))[::-1]
    unbroken = np.where(known.all(axis=0), len(known), np.argmin(known, axis=0))
    return unbroken >= np.minimum(needed, WINDOW_MONTHS)


def _size_gates(facts: FundFacts, limits: GateRules) -> list[Gate]:
    sizes = facts.sizes[-limits.size_quarters :]
    known = np.asarray(np.isfinite(sizes).all(axis=0))
    whole = known if len(sizes) == limits.size_quarters else np.zeros_like(known)
    smallest, largest = (np.where(whole, extreme(sizes, axis=0), np.nan) for extreme in (np.min, np.max))
    return [
        Gate("size_unknown", np.asarray(~whole)),
        Gate("too_small", smallest < facts.size_low, {"size": smallest, "needs": facts.size_low}),
        Gate("too_large", largest > facts.size_high, {"size": largest, "limit": facts.size_high}),
    ]


def _cheaper_class(facts: FundFacts, passes: BoolArray) -> Gate:
    """Fail the share classes that passed all else where another one of their family that did is cheaper; the first code of equals."""
    stands = np.flatnonzero(passes & (facts.family != ""))
    _, family = np.unique(facts.family[stands], return_inverse=True)
    place = places_within(family.astype(np.int64), facts.cost[stands])
    best = np.zeros(family.max(initial=-1) + 1, np.int64)
    best[family[place == 0]] = stands[place == 0]
    fails = np.zeros(len(facts.codes), bool)
    fails[stands[place > 0]] = True
    cheapest = np.array(facts.codes, dtype=object)
    cheapest[stands] = np.array(facts.codes, dtype=object)[best[family]]
    return Gate("cheaper_class", fails, {"fund": cheapest})
