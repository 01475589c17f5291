"""From figures to P: sub-scores among peers, their weighted sum, its shrinkage by age, the rank of that, and its interval."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from portfolios.kernels.ranks import BoolArray, percentile_ranks
from portfolios.kernels.scores import AS_IT_WAS, Draws, Past, figures, redraw
from portfolios.kernels.screen_types import FundFacts, MarketData, Ranking, ScreenRules
from portfolios.kernels.types import FloatArray, IntArray

# The figures each sub-score is made of; of two or more the sub-score is the rank of their mean rank.
PARTS = {
    "active": {
        "mrar": ("mrar_3y", "mrar_5y"),
        "drawdown": ("calmar", "fall"),
        "information_ratio": ("information_ratio",),
        "win_rate": ("win_rate",),
        "cost": ("cost",),
        "style_stability": ("style_stability",),
        "tenure": ("manager", "moderate_size"),
    },
    "index": {"tracking": ("tracking_error",), "cost": ("cost",), "size": ("size", "limit")},
    "money": {"seven_day": ("yield",), "size": ("size", "retail"), "cost": ("cost",)},
}


@dataclass(frozen=True)
class PeerGroup:
    """Funds of one kind that are ranked together: a category, or its class, of whose members only `mine` keep the rank."""

    name: str
    kind: str
    members: IntArray
    mine: IntArray
    is_class: bool = False


def peer_groups(facts: FundFacts, passes: BoolArray, min_peers: int) -> Iterator[PeerGroup]:
    """Cut the market into peer groups by category and kind; one with too few that pass the gates is ranked in its class."""
    for kind in np.unique(facts.kind):
        of_kind = facts.kind == kind
        for category in np.unique(facts.category[of_kind]):
            mine = np.flatnonzero(of_kind & (facts.category == category))
            if passes[mine].sum() >= min_peers:
                yield PeerGroup(str(category), str(kind), mine, mine)
                continue
            for asset_class in np.unique(facts.asset_class[mine]):
                members = np.flatnonzero(of_kind & (facts.asset_class == asset_class))
                yield PeerGroup(str(asset_class), str(kind), members, mine[facts.asset_class[mine] == asset_class], is_class=True)


def rank_market(data: MarketData, past: Past, passes: BoolArray, rules: ScreenRules, rng: np.random.Generator) -> Ranking:
    """Rank every fund within its peer group, those that fail a gate among those that pass.

    P and its interval are for funds that pass. The interval is that of P over redrawn pasts, widened to hold P itself.
    """
    facts = data.facts
    n_funds = len(facts.codes)
    draws = redraw(rng, rules.n_bootstrap, rules.block_months)
    names = sorted({name for parts in PARTS.values() for name in parts})
    subs = {name: np.full(n_funds, np.nan) for name in names}
    score, shrunk, percentile, low, high = (np.full(n_funds, np.nan) for _ in range(5))
    group_names, n_peers = np.full(n_funds, "", dtype="<U40"), np.zeros(n_funds, np.int64)
    notes: list[list[dict[str, Any]]] = [[] for _ in range(n_funds)]
    for group in peer_groups(facts, passes, rules.gates.min_peers):
        found = _rank(data, past, group, passes, AS_IT_WAS, rules)
        kept = np.isin(group.members, group.mine)
        for name, values in found.subs.items():
            subs[name][group.mine] = values[0, kept]
        score[group.mine], shrunk[group.mine] = found.score[0, kept], found.shrunk[0, kept]
        percentile[group.mine] = np.where(passes[group.mine], found.percentile[0, kept], np.nan)
        group_names[group.mine], n_peers[group.mine] = group.name, int(passes[group.members].sum())
        ranked, interval = _interval(data, past, group, passes, draws, rules)
        low[ranked], high[ranked] = interval
        _say(notes, group, int(passes[group.members].sum()), found, rules)
    low, high = np.fmin(low, percentile), np.fmax(high, percentile)
    return Ranking(group_names, n_peers, subs, score, shrunk, percentile, low, high, tuple(tuple(said) for said in notes))


@dataclass(frozen=True)
class _Found:
    parts: dict[str, FloatArray]
    subs: dict[str, FloatArray]
    score: FloatArray
    shrunk: FloatArray
    percentile: FloatArray


def _rank(data: MarketData, past: Past, group: PeerGroup, passes: BoolArray, draws: Draws, rules: ScreenRules) -> _Found:
    counted = passes[group.members]
    parts = {name: percentile_ranks(values, counted) for name, values in figures(data, past, group.members, group.kind, draws).items()}
    subs = {name: _joined([parts[part] for part in made_of], counted) for name, made_of in PARTS[group.kind].items()}
    weights = rules.weights[group.kind]
    score = _weighted_mean([subs[name] for name in weights], list(weights.values()))
    months = data.facts.months[group.members]
    shrunk = 0.5 + (score - 0.5) * (months / (months + rules.shrink_months))
    return _Found(parts, subs, score, shrunk, percentile_ranks(shrunk, counted))


def _joined(parts: list[FloatArray], counted: BoolArray) -> FloatArray:
    return parts[0] if len(parts) == 1 else percentile_ranks(_weighted_mean(parts, [1.0] * len(parts)), counted)


def _weighted_mean(values: list[FloatArray], weights: list[float]) -> FloatArray:
    """Mean of what is known (d or 1, n) by weights, which what is not known leaves to the rest."""
    total = sum(weight * np.nan_to_num(value) for value, weight in zip(values, weights, strict=True))
    held = sum(weight * np.isfinite(value) for value, weight in zip(values, weights, strict=True))
    total, held = np.broadcast_arrays(np.asarray(total, np.float64), np.asarray(held, np.float64))
    return np.divide(total, held, out=np.full(total.shape, np.nan), where=held > 0)


def _interval(
    data: MarketData, past: Past, group: PeerGroup, passes: BoolArray, draws: Draws, rules: ScreenRules
) -> tuple[IntArray, FloatArray]:
    """Which of the group's own funds pass, and the interval (2, m) of their P from redrawn pasts of all members that do."""
    members = group.members[passes[group.members]]
    kept = np.isin(members, group.mine)
    if not kept.any():
        return members[kept], np.empty((2, 0))
    redrawn = _rank(data, past, PeerGroup(group.name, group.kind, members, members), passes, draws, rules)
    outside = (1.0 - rules.interval) / 2
    ranks = np.sort(redrawn.percentile[:, kept], axis=0)
    return members[kept], ranks[[round(share * (len(ranks) - 1)) for share in (outside, 1.0 - outside)]]


def _say(notes: list[list[dict[str, Any]]], group: PeerGroup, n_peers: int, found: _Found, rules: ScreenRules) -> None:
    """Note what was left out of a fund's score, and a group that was too small."""
    parts, subs = found.parts, found.subs
    place = {int(fund): column for column, fund in enumerate(group.members)}
    missing = {name: ~np.isfinite(subs[name][0]) for name in rules.weights[group.kind]}
    short = {part: ~np.isfinite(values[0]) for part, values in parts.items()}
    for fund in group.mine:
        column, said = place[int(fund)], notes[int(fund)]
        if left_out := [name for name, absent in missing.items() if absent[column]]:
            said.append({"code": "left_out", "names": left_out})
        if "mrar_5y" in short and short["mrar_5y"][column] and not missing["mrar"][column]:
            said.append({"code": "three_years_only"})
        if group.is_class:
            said.append({"code": "ranked_in_class", "group": group.name, "n_peers": n_peers, "needs": rules.gates.min_peers})
