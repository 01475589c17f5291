"""From sixteen answers, and what was really done, to a legal class: every number on the way, and what limited it.

Source: spec/risk-assessment.md; docs/method-risk.md has the formulas. The weights are this product's own, uncalibrated.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, TypedDict, Unpack

from advisor.kernels.retest import Forecast, Norms, chance, forecast

LOWEST, C1, C5 = 0, 1, 5
PANIC = "panic"
LOW, MEDIUM, HIGH = "low", "medium", "high"
# Sums of floats such as 0.4 + 0.2 must not fall just short of a threshold they meet on paper.
NEAR = 1e-9


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


# ── What is known of a person ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Measure:
    """One measure of behaviour as the ledger gives it; `evidence` in [0, 1] is how much it rests on."""

    value: float
    evidence: float
    months_since_sale: float | None = None  # of the latest panic sale


@dataclass(frozen=True)
class Facts:
    """What ceilings look at. None is not known, and limits nothing."""

    max_loss: float | None = None  # largest one-year loss bearable, a fraction of the money; 1 is more than half
    horizon_years: float | None = None
    reserve_months: float | None = None
    has_consumer_debt: bool | None = None
    age: float | None = None


@dataclass(frozen=True)
class Sheet:
    """All that an assessment rests on. Item scores are in [0, 1], in any order, at least one a block.

    `n_soft_confirmed` counts the unlikely pairs of answers that were asked about and confirmed; `behaviour` is left
    aside without consent to profiling.
    """

    tolerance: Sequence[float]
    capacity: Sequence[float]
    n_correct: int
    is_experienced: bool
    facts: Facts
    has_civil_capacity: bool
    accepts_loss: bool
    n_soft_confirmed: int = 0
    age_reviewed: bool = False
    is_low_quality: bool = False
    has_profiling_consent: bool = True
    behaviour: Mapping[str, Measure] | None = None


class Known(TypedDict, total=False):
    """What `sheet` takes beside the answers."""

    n_soft_confirmed: int
    age_reviewed: bool
    is_low_quality: bool
    has_profiling_consent: bool
    behaviour: Mapping[str, Measure] | None


@dataclass(frozen=True)
class Sem:
    """Standard errors of measurement of the two blocks' scores, in points of 100, and the norm group they come from; they
    belong to the instrument. Without norms nobody can say what another sheet would hold."""

    tolerance: float
    capacity: float
    norms: Norms | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what the linter kept; reports of the first releases have no norms."""
        norms = data.get("norms")
        return cls(data["tolerance"], data["capacity"], Norms.from_json(norms) if norms else None)


# ── The settings ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Ceiling:
    """A highest level where a fact of the sheet lies within bounds; booleans count as 0 and 1."""

    name: str
    fact: str  # a field of Facts, n_correct or is_experienced
    level: int
    above: float = -math.inf
    at_least: float = -math.inf
    below: float = math.inf
    up_to: float = math.inf
    lifted_by_review: bool = False

    def holds(self, value: float) -> bool:
        return self.above + NEAR < value < self.below - NEAR and self.at_least - NEAR <= value <= self.up_to + NEAR


@dataclass(frozen=True)
class MeasureRule:
    """z = (value - start) / span, clipped to [0, 1]; `weight` is its share of the greatest damage."""

    weight: float
    start: float
    span: float


@dataclass(frozen=True)
class Rules:
    """`thresholds` are the scores at which C2, C3, C4 and C5 begin; the rest stands in the jurisdiction's table."""

    thresholds: tuple[float, float, float, float] = (20, 40, 60, 80)
    free_spread: float = 0.25
    spread_rate: float = 1.5
    soft_spread: float = 0.05
    gap_weight: float = 0.25
    gap_cap: float = 20
    damage_scale: float = 20
    measures: Mapping[str, MeasureRule] = field(default_factory=dict)
    panic_from: float = 0.5
    panic_months: float = 12
    spread_error: float = 24
    queue_below: float = 0.60
    medium_from: float = 0.60
    high_from: float = 0.85
    ceilings: tuple[Ceiling, ...] = ()


# ── What comes out ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Reading:
    """A measure of behaviour as it was weighed: `damage` points were taken off the tolerance for it."""

    name: str
    value: float
    evidence: float  # e
    z: float
    weight: float  # omega
    damage: float


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
    binds: bool  # it is below the level that step 1 left, and no other cap is lower


@dataclass(frozen=True)
class Profile:
    """The level of a person (0 is C1-min) with every number on the way to it.

    `lowered_by` holds low_confidence, panic_sale, both or neither: the level falls by one for either. `is_queued` says
    that an advisor should look at it.
    """

    blend: Blend
    readings: tuple[Reading, ...]
    error: float  # sigma_R, the standard error of R
    raw_certainty: float  # p0, mass of R at or above the lower edge of the raw level
    is_queued: bool
    lowered_by: tuple[str, ...]
    lowered_level: int  # after step 1
    caps: tuple[Cap, ...]
    gate: str | None
    stated_loss: float | None  # fraction of the money, largest loss bearable in a year
    certainty: float  # p, the same mass for the final level
    confidence_by_p: str  # high, medium or low
    forecast: Forecast | None  # of another sheet; None without norms
    retest: float | None  # p_retest, chance that another sheet reaches the lower edge of the final level
    confidence: str  # as it is shown: the lower of the bands of p and p_retest
    level: int  # 0 (C1-min) .. 5

    def as_json(self) -> dict[str, Any]:
        return vars(self) | {
            "blend": vars(self.blend),
            "readings": [vars(reading) for reading in self.readings],
            "forecast": vars(self.forecast) if self.forecast else None,
            "lowered_by": list(self.lowered_by),
            "caps": [vars(cap) for cap in self.caps],
        }


# ── The steps ────────────────────────────────────────────────────────────────────────────────────────────────────


def assess(sheet: Sheet, rules: Rules, sem: Sem) -> Profile:
    """Give the level of a sheet: the blended score, then the steps down in their order, and how sure it is.

    Only what is in `rules.measures` may stand in `sheet.behaviour`: raises KeyError for another measure, ValueError for
    a block without scores.
    """
    readings = weigh(sheet.behaviour or {}, rules) if sheet.has_profiling_consent else ()
    mixed = blend(
        sheet.tolerance,
        sheet.capacity,
        rules,
        damage=math.fsum(reading.damage for reading in readings),
        n_soft_confirmed=sheet.n_soft_confirmed,
    )
    error = score_error(mixed, rules, sem)
    raw_certainty = mass_at_or_above(mixed.raw_level, mixed.score, error, rules)
    is_queued = sheet.is_low_quality or raw_certainty < rules.queue_below
    if readings and not is_queued:
        # The error steps down where the blocks come within the cap: without this, deeds that narrow the gap could lift a level.
        is_queued = assess(replace(sheet, behaviour=None), rules, sem).is_queued
    lowered_by = _reasons_to_lower(mixed, readings, sheet, is_queued, rules)
    lowered_level = max(C1, mixed.raw_level - bool(lowered_by))
    caps = _caps(sheet, lowered_level, rules)
    gate = _gate(sheet)
    level = LOWEST if gate else min([lowered_level, *(cap.level for cap in caps)])
    certainty = mass_at_or_above(level, mixed.score, error, rules)
    another = forecast(mixed.tolerance_after_spread, mixed.capacity, sem.norms) if sem.norms else None
    retest = chance_again(level, another, mixed.damage, rules) if another else None
    return Profile(
        blend=mixed,
        readings=readings,
        error=error,
        raw_certainty=raw_certainty,
        is_queued=is_queued,
        lowered_by=lowered_by,
        lowered_level=lowered_level,
        caps=caps,
        gate=gate,
        stated_loss=sheet.facts.max_loss,
        certainty=certainty,
        confidence_by_p=_confidence(certainty, is_queued, sheet, rules),
        forecast=another,
        retest=retest,
        confidence=_confidence(certainty if retest is None else min(certainty, retest), is_queued, sheet, rules),
        level=level,
    )


def weigh(behaviour: Mapping[str, Measure], rules: Rules) -> tuple[Reading, ...]:
    """Turn raw measures into what each takes off the tolerance, in the order of the rules: D is the sum of `damage`."""
    if foreign := behaviour.keys() - rules.measures.keys():
        raise KeyError(f"no rule for the measures {sorted(foreign)}")
    readings = []
    for name, rule in rules.measures.items():
        if name in behaviour:
            value, evidence = behaviour[name].value, behaviour[name].evidence
            z = min(1.0, max(0.0, (value - rule.start) / rule.span))
            readings.append(Reading(name, value, evidence, z, rule.weight, rules.damage_scale * rule.weight * evidence * z))
    return tuple(readings)


def blend(tolerance: Sequence[float], capacity: Sequence[float], rules: Rules, *, damage: float = 0.0, n_soft_confirmed: int = 0) -> Blend:
    """Blend the two blocks into one score, the more averse one weighing most.

    `tolerance` and `capacity` are the item scores in [0, 1], at least one each; `damage` >= 0 comes from behaviour and
    can only lower. Raises ValueError for a block without scores.
    """
    if not tolerance or not capacity:
        raise ValueError("a block has no scores")
    t, k = 100 * _mean(tolerance), 100 * _mean(capacity)
    spread = math.sqrt(_mean([(score - t / 100) ** 2 for score in tolerance])) + rules.soft_spread * n_soft_confirmed
    t1 = t * math.exp(-rules.spread_rate * max(0.0, spread - rules.free_spread))
    t2 = max(0.0, t1 - max(0.0, damage))
    low, high = min(t2, k), max(t2, k)
    score = low + rules.gap_weight * min(high - low, rules.gap_cap)
    return Blend(t, k, spread, t1, damage, t2, low, high, score, level_of(score, rules))


def level_of(score: float, rules: Rules) -> int:
    """Return 1..5: a level begins at its threshold."""
    return C1 + sum(score >= threshold - NEAR for threshold in rules.thresholds)


def score_error(mixed: Blend, rules: Rules, sem: Sem) -> float:
    """Return sigma_R, the standard error of the score: of the blocks as they weigh in it, and of answers that disagree.

    Where the blocks are equal, tolerance counts as the lower one.
    """
    errors = (sem.tolerance, sem.capacity) if mixed.tolerance_after_behaviour <= mixed.capacity else (sem.capacity, sem.tolerance)
    is_wide = mixed.high - mixed.low >= rules.gap_cap - NEAR
    weights = (1.0, 0.0) if is_wide else (1.0 - rules.gap_weight, rules.gap_weight)
    disagreement = rules.spread_error * max(0.0, mixed.spread - rules.free_spread)
    return math.hypot(weights[0] * errors[0], weights[1] * errors[1], disagreement)


def mass_at_or_above(level: int, score: float, error: float, rules: Rules) -> float:
    """Return the normal mass of the score at or above the lower edge of a level; 1 for C1 and C1-min, which have none."""
    if level <= C1:
        return 1.0
    above = score - rules.thresholds[level - 2]
    if error <= 0:
        return float(above >= -NEAR)
    return 0.5 * math.erfc(-above / (error * math.sqrt(2)))


def chance_again(level: int, another: Forecast, damage: float, rules: Rules) -> float:
    """Return the probability that another sheet reaches the lower edge of a level; 1 for C1 and C1-min, which have none."""
    if level <= C1:
        return 1.0
    return chance(another, rules.thresholds[level - 2], gap_weight=rules.gap_weight, gap_cap=rules.gap_cap, damage=damage)


def _reasons_to_lower(mixed: Blend, readings: Sequence[Reading], sheet: Sheet, is_queued: bool, rules: Rules) -> tuple[str, ...]:
    low, high = ([0.0, *rules.thresholds, 100.0][mixed.raw_level + offset] for offset in (-1, 0))
    is_in_lower_half = mixed.score < (low + high) / 2 - NEAR
    panics = [reading for reading in readings if reading.name == PANIC and reading.evidence > 0 and reading.z >= rules.panic_from - NEAR]
    since = sheet.behaviour[PANIC].months_since_sale if panics and sheet.behaviour else None
    return (
        *(["low_confidence"] if is_queued and is_in_lower_half else []),
        *(["panic_sale"] if since is not None and since <= rules.panic_months else []),
    )


def _caps(sheet: Sheet, level: int, rules: Rules) -> tuple[Cap, ...]:
    values = {name: getattr(sheet.facts, name) for name in FACTS} | {"n_correct": sheet.n_correct, "is_experienced": sheet.is_experienced}
    found = [
        ceiling
        for ceiling in rules.ceilings
        if (value := values[ceiling.fact]) is not None and ceiling.holds(value) and not (ceiling.lifted_by_review and sheet.age_reviewed)
    ]
    lowest = min((ceiling.level for ceiling in found), default=C5)
    return tuple(Cap(ceiling.name, ceiling.level, binds=ceiling.level == lowest < level) for ceiling in found)


def _gate(sheet: Sheet) -> str | None:
    if not sheet.has_civil_capacity:
        return "no_civil_capacity"
    is_without_loss = sheet.facts.max_loss is not None and sheet.facts.max_loss <= NEAR
    return "no_loss" if is_without_loss or not sheet.accepts_loss else None


def _confidence(certainty: float, is_queued: bool, sheet: Sheet, rules: Rules) -> str:
    if sheet.is_low_quality or certainty < rules.medium_from:
        return LOW
    return MEDIUM if certainty < rules.high_from or is_queued or not sheet.has_profiling_consent else HIGH


# ── From the answers of an instrument ────────────────────────────────────────────────────────────────────────────

FACTS = tuple(fact.name for fact in fields(Facts))
# What an option's fact says in numbers: the lower end of the band that was answered.
_FACT_VALUES: Mapping[str, tuple[str, Any]] = {
    "short_reserve": ("reserve_months", 0.0),
    "consumer_debt": ("has_consumer_debt", True),
    "age_65": ("age", 65.0),
}


def sheet(answers: Mapping[str, str], items: Sequence[Item], **known: Unpack[Known]) -> Sheet:
    """Read a complete sheet of answers (item code -> option code), with what is known beside them.

    Raises AnswerError when an answer is missing, or names an item or option that is not in `items`; the caller shows
    which and keeps the sheet open.
    """
    chosen = _chosen(answers, items)
    scores: dict[str, list[float]] = {"tolerance": [], "capacity": [], "knowledge": []}
    for item, option in zip(items, chosen, strict=True):
        if option.score is not None:
            scores[item.block].append(option.score)
    said = [fact for option in chosen for fact in option.facts]
    stated = [option.stated_loss for option in chosen if option.stated_loss is not None]
    return Sheet(
        tolerance=scores["tolerance"],
        capacity=scores["capacity"],
        n_correct=said.count("knows"),
        is_experienced="no_experience" not in said,
        facts=Facts(max_loss=min(stated, default=None), **dict(_FACT_VALUES[fact] for fact in said if fact in _FACT_VALUES)),
        has_civil_capacity="no_civil_capacity" not in said,
        accepts_loss="no_loss" not in said,
        **known,
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
