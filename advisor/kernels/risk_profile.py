"""From sixteen answers to a legal class: scores of tolerance and capacity, the level they give, and what caps it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

LOWEST, C1, C5 = 0, 1, 5


class AnswerError(ValueError):
    """Answers that cannot be scored. `code` is missing_answers, unknown_item or unknown_option; `params` names them."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code, self.params = code, params


@dataclass(frozen=True)
class Option:
    """An answer: its score in [0, 1] (None in a knowledge item) and the facts that ceilings and gates look at."""

    score: float | None = None
    facts: frozenset[str] = frozenset()
    stated_loss: float | None = None


@dataclass(frozen=True)
class Item:
    code: str
    block: str  # capacity, tolerance or knowledge
    options: Mapping[str, Option]


@dataclass(frozen=True)
class Ceiling:
    name: str
    fact: str
    level: int


@dataclass(frozen=True)
class Rules:
    """`thresholds` are the scores at which C2, C3, C4 and C5 begin; `gates` pairs of name and fact."""

    thresholds: tuple[float, float, float, float] = (20, 40, 60, 80)
    free_spread: float = 0.25
    spread_rate: float = 1.5
    gap_weight: float = 0.25
    gap_cap: float = 20
    ceilings: tuple[Ceiling, ...] = ()
    gates: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Blend:
    """Scores in [0, 100], every intermediate number under the name it has in the method note."""

    tolerance: float  # T
    capacity: float  # K
    spread: float  # s, population standard deviation of the tolerance answers in [0, 1]
    tolerance_after_spread: float  # T1
    damage: float  # D, from behaviour
    tolerance_after_behaviour: float  # T2
    low: float  # lo
    high: float  # hi
    score: float  # R
    raw_level: int


@dataclass(frozen=True)
class Cap:
    name: str
    level: int
    binds: bool  # it is below the raw level, and no other cap is lower


@dataclass(frozen=True)
class Profile:
    blend: Blend
    caps: tuple[Cap, ...]
    gate: str | None
    stated_loss: float | None  # fraction of the money, largest loss bearable in a year
    level: int  # 0 (C1-min) .. 5

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"caps": [asdict(cap) for cap in self.caps]}


def blend(tolerance: Sequence[float], capacity: Sequence[float], rules: Rules, *, damage: float = 0.0) -> Blend:
    """Blend the two blocks into one score, the more averse one weighing most.

    `tolerance` and `capacity` are the item scores in [0, 1], at least one each; `damage` >= 0 comes from behaviour and
    can only lower. Source: spec/risk-assessment.md, Scores; the weights are this product's own, uncalibrated.
    """
    t, k = 100 * _mean(tolerance), 100 * _mean(capacity)
    spread = math.sqrt(_mean([(score - t / 100) ** 2 for score in tolerance]))
    t1 = t * math.exp(-rules.spread_rate * max(0.0, spread - rules.free_spread))
    t2 = max(0.0, t1 - max(0.0, damage))
    low, high = min(t2, k), max(t2, k)
    score = low + rules.gap_weight * min(high - low, rules.gap_cap)
    return Blend(t, k, spread, t1, damage, t2, low, high, score, level_of(score, rules))


def level_of(score: float, rules: Rules) -> int:
    """Return 1..5: a level begins at its threshold."""
    # Sums of floats such as 0.4 + 0.2 must not fall just short of a threshold they meet on paper.
    return C1 + sum(score >= threshold - 1e-9 for threshold in rules.thresholds)


def score(answers: Mapping[str, str], items: Sequence[Item], rules: Rules, *, damage: float = 0.0) -> Profile:
    """Score a complete sheet of answers (item code -> option code).

    Raises AnswerError when an answer is missing, or names an item or option that is not in `items`; the caller shows
    which and keeps the sheet open.
    """
    chosen = _chosen(answers, items)
    blocks = {
        block: [option.score for item, option in zip(items, chosen, strict=True) if item.block == block and option.score is not None]
        for block in ("tolerance", "capacity")
    }
    mixed = blend(blocks["tolerance"], blocks["capacity"], rules, damage=damage)
    facts = set().union(*(option.facts for option in chosen))
    if "knows" not in facts:
        facts.add("no_knowledge")
    stated = [option.stated_loss for option in chosen if option.stated_loss is not None]
    gate = next((name for name, fact in rules.gates if fact in facts), None)
    caps = [ceiling for ceiling in rules.ceilings if ceiling.fact in facts]
    lowest = min((ceiling.level for ceiling in caps), default=C5)
    return Profile(
        blend=mixed,
        caps=tuple(Cap(c.name, c.level, binds=c.level == lowest < mixed.raw_level) for c in caps),
        gate=gate,
        stated_loss=min(stated, default=None),
        level=LOWEST if gate else min(mixed.raw_level, lowest),
    )


def _chosen(answers: Mapping[str, str], items: Sequence[Item]) -> list[Option]:
    if foreign := sorted(answers.keys() - {item.code for item in items}):
        raise AnswerError("unknown_item", items=foreign)
    if missing := [item.code for item in items if item.code not in answers]:
        raise AnswerError("missing_answers", items=missing)
    if wrong := [item.code for item in items if answers[item.code] not in item.options]:
        raise AnswerError("unknown_option", items=wrong)
    return [item.options[answers[item.code]] for item in items]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
