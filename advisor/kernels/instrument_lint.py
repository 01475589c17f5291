"""Is a questionnaire's grid sane? Figures over answers without sense and over invented people, and what refuses it.

Source of the limits: spec/risk-assessment.md, Instrument. Sentences for the findings are the selectors' to say.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from advisor.kernels.instrument_people import (
    N_PEOPLE,
    SEED,
    Floats,
    Ints,
    angles,
    assess_all,
    draw_twice,
    draw_uniform,
    levels_of,
    raw_scores,
    scores_of,
)
from advisor.kernels.retest import BlockNorms, Norms
from advisor.kernels.risk_profile import C1, C5, LOWEST, Item, Rules, Sem

BLOCKS = ("tolerance", "capacity")
# Levels of a bank's questionnaires, conservative to aggressive: FAR-Trans, customers by their stated risk level.
BANK_MIX = (0.13, 0.42, 0.33, 0.11)
BANK_LEVELS = ((0, 1), (2,), (3,), (4, 5))  # ours that stand for each of them


@dataclass(frozen=True)
class Limits:
    most_of_a_raw_level: float = 0.60
    least_of_a_raw_level: float = 0.003
    least_of_a_final_level: float = 0.001
    alpha: tuple[float, float] = (0.70, 0.80)
    heaviest_item: float = 25.0  # points of R
    longest_reading: int = 1600  # Chinese characters
    most_one_way: float = 0.70  # of the scored items: best answer first on the screen, or last
    highest_straight_level: int = 3  # of somebody who always takes the same place on the screen


@dataclass(frozen=True)
class Questions:
    """A questionnaire as the linter sees it. The order of an item's options is their order on the screen."""

    items: Sequence[Item]
    shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    staircases: frozenset[str] = frozenset()  # items without options on the screen
    n_characters: int = 0


@dataclass(frozen=True)
class Finding:
    """What refuses the questionnaire: a code, the level, block, item or place it is about, the figure and its limit."""

    code: str
    item: str
    figure: float
    limit: float


@dataclass(frozen=True)
class Report:
    """Shares are fractions of 1; raw levels run C1..C5, final ones C1-min..C5."""

    n_people: int
    seed: int
    sem: Sem
    alpha: Mapping[str, float]
    uniform: tuple[float, ...]
    raw: tuple[float, ...]
    final: tuple[float, ...]
    lowered: float  # share that low confidence costs a level
    bank: tuple[float, ...]  # the bank's four levels
    final_as_bank: tuple[float, ...]  # ours on these
    raw_as_bank: tuple[float, ...]
    weights: Mapping[str, float]  # item: points of R
    decides: Mapping[str, float]  # ceiling or gate: share of people that it alone decides
    best_first: float  # share of the scored items whose best answer stands first
    straight: tuple[int, ...]  # raw level of somebody who always takes the first, second ... place
    n_characters: int
    findings: tuple[Finding, ...]

    @property
    def is_refused(self) -> bool:
        return bool(self.findings)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def lint(questions: Questions, rules: Rules, limits: Limits | None = None, *, n: int = N_PEOPLE, seed: int = SEED) -> Report:
    """Measure a questionnaire and list what refuses it; the same questions, rules and seed give the same report.

    `questions` has items of every block with at least two options each, scored ones in [0, 1]. Weights are in points of R.
    """
    limits, items = limits or Limits(), questions.items
    answers, second = draw_twice(items, questions.shares, n=n, seed=seed)
    blocks = {block: scores_of(answers, items, block) for block in BLOCKS}
    alpha = {block: cronbach_alpha(scores) for block, scores in blocks.items()}
    errors = {block: standard_error(scores, alpha[block]) for block, scores in blocks.items()}
    sem = Sem(errors["tolerance"], errors["capacity"])
    scored = assess_all(answers, items, rules, sem)
    senseless = draw_uniform(items, n=n, seed=seed)
    nonsense = raw_scores(scores_of(senseless, items, "tolerance"), scores_of(senseless, items, "capacity"), rules)[-1]
    raw, final = _shares(scored.raw_level, C1), _shares(scored.level, LOWEST)
    figures: dict[str, Any] = {
        "alpha": _rounded(alpha),
        "uniform": _shares(levels_of(nonsense, rules), C1),
        "raw": raw,
        "final": final,
        "weights": _rounded(item_weights(items, {block: _median(scores) for block, scores in blocks.items()}, rules), 2),
        "best_first": round(_best_first(questions), 4),
        "straight": straight_levels(questions, rules),
        "n_characters": questions.n_characters,
    }
    return Report(
        n_people=n,
        seed=seed,
        sem=Sem(round(sem.tolerance, 4), round(sem.capacity, 4), norms_of(*(_angles_of(one, items, rules) for one in (answers, second)))),
        lowered=round(float((scored.lowered_level < scored.raw_level).mean()), 5),
        bank=BANK_MIX,
        final_as_bank=_as_bank(final),
        raw_as_bank=_as_bank((0.0, *raw)),
        decides={name: round(float(alone.mean()), 5) for name, alone in scored.alone.items()},
        findings=tuple(_findings(figures, limits)),
        **figures,
    )


def cronbach_alpha(scores: Floats) -> float:
    """Return the alpha of (n, k) item scores, k >= 2."""
    k = scores.shape[1]
    return float(k / (k - 1) * (1 - scores.var(axis=0, ddof=1).sum() / scores.sum(axis=1).var(ddof=1)))


def standard_error(scores: Floats, alpha: float) -> float:
    """Return SD sqrt(1 - alpha) of the block's score, in points of 100."""
    return float(100 * scores.mean(axis=1).std(ddof=1) * math.sqrt(max(0.0, 1 - alpha)))


def norms_of(first: Floats, second: Floats) -> Norms:
    """Return the norms of two sheets of the same people, each (2, n): the angles of T1 and of K."""
    both = np.corrcoef(first, second)  # T1, K, and again T1, K
    mean, sd = ((measure(first, axis=1) + measure(second, axis=1)) / 2 for measure in (np.mean, np.std))
    tolerance, capacity = (
        BlockNorms(*(round(float(one), 5) for one in (mean[place], sd[place], both[place, 2 + place]))) for place in (0, 1)
    )
    return Norms(tolerance, capacity, round(float(both[0, 1] + both[2, 3]) / 2, 5))


def _angles_of(answers: Ints, items: Sequence[Item], rules: Rules) -> Floats:
    _, k, _, t1, _ = raw_scores(scores_of(answers, items, "tolerance"), scores_of(answers, items, "capacity"), rules)
    return angles(np.stack([t1, k]))


def item_weights(items: Sequence[Item], medians: Mapping[str, Floats], rules: Rules) -> dict[str, float]:
    """Return for each scored item how far R moves over its options while all others stay at the median of their answers."""
    weights = {}
    for block in BLOCKS:
        for column, item in enumerate(one for one in items if one.block == block):
            scores = np.array([option.score for option in item.options.values()], dtype=np.float64)
            tried = {name: np.tile(medians[name], (len(scores), 1)) for name in BLOCKS}
            tried[block][:, column] = scores
            moved = raw_scores(tried["tolerance"], tried["capacity"], rules)[-1]
            weights[item.code] = float(moved.max() - moved.min())
    return weights


def _median(scores: Floats) -> Floats:
    """The middle answer of each item, one that somebody gave."""
    return np.sort(scores, axis=0)[len(scores) // 2]


def straight_levels(questions: Questions, rules: Rules) -> tuple[int, ...]:
    """Return the raw level of who always takes the first, the second ... place on the screen; the last where there are fewer.

    Staircases have no places: they count with their best option, against the questionnaire.
    """
    most = max(len(item.options) for item in questions.items)
    tried: dict[str, list[list[float]]] = {block: [] for block in BLOCKS}
    for item in questions.items:
        if item.block in tried:
            scores = [option.score or 0.0 for option in item.options.values()]
            best = [max(scores)] * most
            tried[item.block].append(best if item.code in questions.staircases else [scores[min(p, len(scores) - 1)] for p in range(most)])
    score = raw_scores(np.array(tried["tolerance"]).T, np.array(tried["capacity"]).T, rules)[-1]
    return tuple(int(level) for level in levels_of(score, rules))


def _best_first(questions: Questions) -> float:
    chosen = [item for item in questions.items if item.block in BLOCKS and item.code not in questions.staircases]
    ends = [[option.score or 0.0 for option in item.options.values()][:: len(item.options) - 1] for item in chosen]
    return sum(first > last for first, last in ends) / len(chosen)


def _findings(figures: Mapping[str, Any], limits: Limits) -> list[Finding]:
    raw = [(f"C{C1 + place}", share) for place, share in enumerate(figures["raw"])]
    final = [(f"C{place}" if place > LOWEST else "C1-min", share) for place, share in enumerate(figures["final"])]
    uniform = [(f"C{C1 + place}", share) for place, share in enumerate(figures["uniform"])]
    straight = [(str(place), level) for place, level in enumerate(figures["straight"], 1)]
    ways = figures["best_first"], round(1 - figures["best_first"], 4)
    return [
        *_above("uniform_level", uniform, limits.most_of_a_raw_level),
        *_above("raw_level_common", raw, limits.most_of_a_raw_level),
        *_below("raw_level_rare", raw, limits.least_of_a_raw_level),
        *_below("final_level_rare", final, limits.least_of_a_final_level),
        *_below("alpha_low", figures["alpha"].items(), limits.alpha[0]),
        *_above("alpha_high", figures["alpha"].items(), limits.alpha[1]),
        *_above("heavy_item", figures["weights"].items(), limits.heaviest_item),
        *_above("one_way", zip(("first", "last"), ways, strict=True), limits.most_one_way),
        *_above("straight_line", straight, limits.highest_straight_level),
        *_above("long_reading", [("", figures["n_characters"])], limits.longest_reading),
    ]


def _above(code: str, figures: Iterable[tuple[str, float]], limit: float) -> list[Finding]:
    return [Finding(code, item, figure, limit) for item, figure in figures if figure > limit]


def _below(code: str, figures: Iterable[tuple[str, float]], limit: float) -> list[Finding]:
    return [Finding(code, item, figure, limit) for item, figure in figures if figure < limit]


def _shares(levels: Ints, lowest: int) -> tuple[float, ...]:
    return tuple(round(float((levels == level).mean()), 5) for level in range(lowest, C5 + 1))


def _as_bank(final: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(sum(final[level] for level in levels), 5) for levels in BANK_LEVELS)


def _rounded(values: Mapping[str, float], digits: int = 4) -> dict[str, float]:
    return {name: round(value, digits) for name, value in values.items()}
