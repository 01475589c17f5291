"""Invented people who answer a questionnaire, scored all at once by the formulas of `risk_profile`. They say nothing of
real people: they show what the grid does with answers that hang together as answers do.

One latent trait a block drives its items with a loading of .58 each, which gives a Cronbach's alpha of about .75; the
traits are correlated by .3. How often an answer is chosen at the middle of its trait is the questionnaire's own
expectation (`shares`), or equal for all. Seeded, so that the same questionnaire gives the same figures.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from advisor.kernels.retest import NODES, Norms, weights
from advisor.kernels.risk_profile import C1, C5, LOWEST, NEAR, Facts, Item, Rules, Sem, sheet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LOADING = 0.58
TRAIT_CORRELATION = 0.3
SEED = 20_261_122
N_PEOPLE = 100_000
_NORMAL = NormalDist()
_erfc: Callable[[Floats], NDArray[np.object_]] = np.frompyfunc(math.erfc, 1, 1)


@dataclass(frozen=True)
class Scored:
    """What became of n sheets, one entry each; names as in `risk_profile.Blend`."""

    tolerance: Floats
    capacity: Floats
    spread: Floats
    score: Floats
    error: Floats
    raw_level: Ints
    raw_certainty: Floats
    lowered_level: Ints
    level: Ints
    certainty: Floats
    retest: Floats | None  # without norms
    alone: Mapping[str, Bools]  # a ceiling or gate's name: without it alone the level would be higher


def ascending(item: Item) -> list[str]:
    """The options from the least to the most of their trait: by score, and knowledge by what it says."""
    places = list(item.options)

    def key(code: str) -> tuple[float, int]:
        option = item.options[code]
        known = float("knows" in option.facts) - float("no_experience" in option.facts)
        return (known if option.score is None else option.score, places.index(code))

    return sorted(places, key=key)


def draw_people(items: Sequence[Item], shares: Mapping[str, Mapping[str, float]], *, n: int = N_PEOPLE, seed: int = SEED) -> Ints:
    """Return (n, items): the place among its item's options of each person's answer, from their traits."""
    return draw_twice(items, shares, n=n, seed=seed)[0]


def draw_twice(
    items: Sequence[Item], shares: Mapping[str, Mapping[str, float]], *, n: int = N_PEOPLE, seed: int = SEED
) -> tuple[Ints, Ints]:
    """Return two sheets of the same people, each as `draw_people`, with errors of their own."""
    rng = np.random.default_rng(seed)
    traits = draw_traits(n, rng)
    return answered(items, shares, traits, rng), answered(items, shares, traits, rng)


def draw_traits(n: int, rng: np.random.Generator, correlation: float | None = None) -> dict[str, Floats]:
    """The latent trait of each block, (n,) each, standard normal; correlated as documented unless said otherwise."""
    alike = TRAIT_CORRELATION if correlation is None else correlation
    rest = math.sqrt(1 - alike**2)
    tolerance, *others = rng.standard_normal((3, n))
    return {"tolerance": tolerance} | {
        block: alike * tolerance + rest * own for block, own in zip(("capacity", "knowledge"), others, strict=True)
    }


def answered(
    items: Sequence[Item],
    shares: Mapping[str, Mapping[str, float]],
    traits: Mapping[str, Floats],
    rng: np.random.Generator,
    loading: float | None = None,
) -> Ints:
    """Return (n, items) as `draw_people`: answers of people with these traits, with new errors at each call."""
    drive = LOADING if loading is None else loading
    n = len(traits["tolerance"])
    columns = []
    for item in items:
        order, places = ascending(item), list(item.options)
        weights = [shares.get(item.code, {}).get(code, 1 / len(order)) for code in order]
        edges = [_NORMAL.inv_cdf(share) for share in np.cumsum(weights)[:-1]]
        latent = drive * traits[item.block] + math.sqrt(1 - drive**2) * rng.standard_normal(n)
        columns.append(np.array([places.index(code) for code in order])[np.searchsorted(edges, latent)])
    return np.stack(columns, axis=1)


def draw_uniform(items: Sequence[Item], *, n: int = N_PEOPLE, seed: int = SEED) -> Ints:
    """Return (n, items): answers without any sense, each option as likely as the others of its item."""
    rng = np.random.default_rng([seed, 1])
    return np.stack([rng.integers(len(item.options), size=n) for item in items], axis=1)


def scores_of(answers: Ints, items: Sequence[Item], block: str) -> Floats:
    """Return (n, items of the block): item scores in [0, 1]."""
    columns = [
        np.array([option.score for option in item.options.values()], dtype=np.float64)[answers[:, place]]
        for place, item in enumerate(items)
        if item.block == block
    ]
    return np.stack(columns, axis=1)


def raw_scores(tolerance: Floats, capacity: Floats, rules: Rules) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return T, K, s, T2 and R of every sheet, as `risk_profile.blend` does of one."""
    t, k = 100 * tolerance.mean(axis=1), 100 * capacity.mean(axis=1)
    spread = tolerance.std(axis=1)
    t2 = t * np.exp(-rules.spread_rate * np.maximum(0.0, spread - rules.free_spread))
    low, high = np.minimum(t2, k), np.maximum(t2, k)
    return t, k, spread, t2, low + rules.gap_weight * np.minimum(high - low, rules.gap_cap)


def levels_of(score: Floats, rules: Rules) -> Ints:
    return C1 + (score[:, None] >= np.array(rules.thresholds) - NEAR).sum(axis=1)


def assess_all(answers: Ints, items: Sequence[Item], rules: Rules, sem: Sem) -> Scored:
    """Give every sheet its level as `risk_profile.assess` does of one, without behaviour and confirmed contradictions."""
    t, k, spread, t2, score = raw_scores(scores_of(answers, items, "tolerance"), scores_of(answers, items, "capacity"), rules)
    raw = levels_of(score, rules)
    weights = np.where((np.abs(t2 - k) >= rules.gap_cap - NEAR)[:, None], (1.0, 0.0), (1.0 - rules.gap_weight, rules.gap_weight))
    errors = np.where((t2 <= k)[:, None], (sem.tolerance, sem.capacity), (sem.capacity, sem.tolerance))
    disagreement = rules.spread_error * np.maximum(0.0, spread - rules.free_spread)
    error = np.sqrt((weights**2 * errors**2).sum(axis=1) + disagreement**2)
    edges = np.array([0.0, *rules.thresholds, 100.0])
    certainty = mass_above(raw, score, error, rules)
    in_lower_half = score < (edges[raw - 1] + edges[raw]) / 2 - NEAR
    lowered = np.maximum(C1, raw - ((certainty < rules.queue_below) & in_lower_half))
    level, alone = _limited(lowered, _limits(answers, items, rules))
    again = chances_again(level, t2, k, rules, sem.norms) if sem.norms else None
    return Scored(t, k, spread, score, error, raw, certainty, lowered, level, mass_above(level, score, error, rules), again, alone)


def mass_above(level: Ints, score: Floats, error: Floats, rules: Rules) -> Floats:
    """`risk_profile.mass_at_or_above` of many; the errors are above 0."""
    edges = np.array([-math.inf, -math.inf, *rules.thresholds])
    with np.errstate(invalid="ignore"):
        return _normal_mass((score - edges[level]) / error)


def _normal_mass(z: Floats) -> Floats:
    return 0.5 * _erfc(-z / math.sqrt(2)).astype(np.float64)


def angles(scores: Floats) -> Floats:
    """`retest.angle` of many."""
    return np.arcsin(np.sqrt(np.clip(scores / 100, 0.0, 1.0)))


def chances_again(level: Ints, t1: Floats, k: Floats, rules: Rules, norms: Norms) -> Floats:
    """`risk_profile.chance_again` of many without behaviour; thresholds lie where both blocks can reach what is needed."""
    z_t, z_k = (angles(t1) - norms.tolerance.mean) / norms.tolerance.sd, (angles(k) - norms.capacity.mean) / norms.capacity.sd
    (own_t, other_t, error_t), (own_k, other_k, error_k) = (weights(one, norms.correlation) for one in (norms.tolerance, norms.capacity))
    mean_t = norms.tolerance.mean + norms.tolerance.sd * (own_t * z_t + other_t * z_k)
    mean_k = norms.capacity.mean + norms.capacity.sd * (own_k * z_k + other_k * z_t)
    weight, edge = rules.gap_weight, np.array([0.0, 0.0, *rules.thresholds])[level]
    start, top = edge - weight * rules.gap_cap, np.minimum(100.0, edge + (1 - weight) * rules.gap_cap)

    def needed(of_k: Floats) -> Floats:
        below, beyond = (edge - (1 - weight) * of_k) / weight, (edge - weight * of_k) / (1 - weight)
        return np.where(of_k < edge, below, np.maximum(start, beyond))

    found = _normal_mass((mean_k - angles(top)) / error_k) * _normal_mass((mean_t - angles(needed(top))) / error_t)
    for low, high in ((start, edge), (edge, top)):
        middle, half = (angles(high) + angles(low)) / 2, (angles(high) - angles(low)) / 2
        for place, share in NODES:
            at = middle + half * place
            density = np.exp(-(((at - mean_k) / error_k) ** 2) / 2) / (error_k * math.sqrt(2 * math.pi))
            found += share * half * density * _normal_mass((mean_t - angles(needed(100 * np.sin(at) ** 2))) / error_t)
    return np.where(level <= C1, 1.0, np.minimum(1.0, found))


def _limits(answers: Ints, items: Sequence[Item], rules: Rules) -> dict[str, tuple[int, Bools]]:
    """For each ceiling and gate: its level, and whom it applies to."""
    each = [[sheet({item.code: code}, [item]) for code in item.options] for item in items]

    def said(read: Callable[[object], float | None]) -> Floats:
        """(n, items), nan where the answer says nothing of it."""
        columns = [[np.nan if (value := read(one)) is None else float(value) for one in options] for options in each]
        return np.stack([np.array(column)[answers[:, place]] for place, column in enumerate(columns)], axis=1)

    values = {fact.name: _least(said(lambda one, name=fact.name: getattr(one.facts, name))) for fact in fields(Facts)}  # type: ignore[misc]
    values["n_correct"] = said(lambda one: one.n_correct).sum(axis=1)  # type: ignore[attr-defined]
    values["is_experienced"] = _least(said(lambda one: one.is_experienced))  # type: ignore[attr-defined]
    limits: dict[str, tuple[int, Bools]] = {}
    for ceiling in rules.ceilings:
        kinds, place = np.unique(values[ceiling.fact], return_inverse=True)
        limits[ceiling.name] = ceiling.level, np.array([not np.isnan(kind) and ceiling.holds(kind) for kind in kinds])[place]
    is_able = _least(said(lambda one: one.has_civil_capacity)) == 1  # type: ignore[attr-defined]
    bears_loss = (_least(said(lambda one: one.accepts_loss)) == 1) & ~(values["max_loss"] <= NEAR)  # type: ignore[attr-defined]
    return limits | {"no_civil_capacity": (LOWEST, ~is_able), "no_loss": (LOWEST, ~bears_loss)}


def _least(values: Floats) -> Floats:
    least = np.where(np.isnan(values), np.inf, values).min(axis=1)
    return np.where(np.isinf(least), np.nan, least)


def _limited(lowered: Ints, limits: Mapping[str, tuple[int, Bools]]) -> tuple[Ints, dict[str, Bools]]:
    capped = np.stack([np.where(applies, level, C5) for level, applies in limits.values()], axis=1)
    level = np.minimum(lowered, capped.min(axis=1))
    without = [np.minimum(lowered, np.delete(capped, place, axis=1).min(axis=1)) for place in range(len(limits))]
    return level, {name: others > level for name, others in zip(limits, without, strict=True)}
