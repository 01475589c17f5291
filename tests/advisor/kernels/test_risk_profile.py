"""The spec's vectors, and what must hold whatever is answered and done."""

import math
import re
from dataclasses import replace
from itertools import pairwise
from statistics import NormalDist

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from advisor.instruments import Instrument, load_instrument
from advisor.jurisdictions import advice_rules
from advisor.kernels.risk_profile import AnswerError, Facts, Measure, Sem, Sheet, assess, blend, level_of, sheet

INSTRUMENT = load_instrument("standard@1")
ITEMS = INSTRUMENT.for_scoring
RULES = advice_rules().for_scoring
SEM = Sem(tolerance=10, capacity=8)
NORMED = replace(SEM, norms=load_instrument("standard@2").sem.norms)
EXACT = Sem(tolerance=0, capacity=0)
quick = settings(max_examples=60, deadline=None)  # another's load is no failure
ANSWERS = st.fixed_dictionaries({item.code: st.sampled_from(sorted(item.options)) for item in ITEMS})


def person(tolerance=0.9, capacity=0.9, **changed):
    """Nothing limits this person but their scores; one number stands for a whole block."""
    facts = Facts(**changed.pop("facts", {}))
    blocks = {"tolerance": (tolerance, 6), "capacity": (capacity, 7)}
    scores = {name: value if isinstance(value, list) else [value] * n for name, (value, n) in blocks.items()}
    rest = {"n_correct": 2, "is_experienced": True, "has_civil_capacity": True, "accepts_loss": True}
    return Sheet(**scores, facts=facts, **(rest | changed))


def level(tolerance=0.9, capacity=0.9, *, sem=EXACT, **changed):
    return assess(person(tolerance, capacity, **changed), RULES, sem).level


def best_answers(**changed):
    best = {item.code: max(item.options, key=lambda code: item.options[code].score or 0) for item in ITEMS}
    return best | {"spread": "less-swing", "rates": "down", "experience": "above-3-years"} | changed


def answered(**changed):
    return assess(sheet(best_answers(**changed), ITEMS), RULES, SEM)


scores = st.floats(0, 1)
measures = st.fixed_dictionaries(
    {},
    optional={
        "panic": st.builds(Measure, st.floats(0, 2), scores, st.none() | st.floats(0, 24)),
        "turnover": st.builds(Measure, st.floats(0, 9), scores),
        "disposition": st.builds(Measure, st.floats(-1, 1), scores),
        "concentration": st.builds(Measure, scores, scores),
        "chasing": st.builds(Measure, scores, scores),
    },
)
facts = st.builds(
    Facts,
    max_loss=st.none() | st.sampled_from([0.0, 0.03, 0.05, 0.1, 0.15, 0.2, 0.5, 0.7, 1.0]),
    reserve_months=st.none() | st.floats(0, 24),
    has_consumer_debt=st.none() | st.booleans(),
    age=st.none() | st.floats(16, 100),
)
people = st.builds(
    Sheet,
    tolerance=st.lists(scores, min_size=6, max_size=6),
    capacity=st.lists(scores, min_size=7, max_size=7),
    n_correct=st.integers(0, 2),
    is_experienced=st.booleans(),
    facts=facts,
    has_civil_capacity=st.sampled_from([True, True, True, False]),
    accepts_loss=st.sampled_from([True, True, True, False]),
    n_soft_confirmed=st.integers(0, 4),
    age_reviewed=st.booleans(),
    is_low_quality=st.booleans(),
    has_profiling_consent=st.booleans(),
    behaviour=st.none() | measures,
)


# ── The published vectors ────────────────────────────────────────────────────────────────────────────────────────


def test_tolerance_100_and_capacity_25():
    mixed = assess(person(1.0, 0.25), RULES, SEM).blend
    assert (mixed.low, mixed.high, mixed.score, mixed.raw_level) == pytest.approx((25, 100, 30, 2), abs=1e-6)


def test_tolerance_10_and_capacity_100():
    mixed = assess(person(0.10, 1.0), RULES, SEM).blend
    assert (mixed.score, mixed.raw_level) == pytest.approx((15, 1), abs=1e-6)


def test_everything_in_the_middle():
    mixed = assess(person(0.5, 0.5), RULES, SEM).blend
    assert (mixed.score, mixed.raw_level) == pytest.approx((50, 3), abs=1e-6)


def test_answers_that_disagree_lower_the_tolerance():
    mixed = assess(person([0.0, 1.0] * 3, 0.5), RULES, SEM).blend
    t1 = 50 * math.exp(-1.5 * 0.25)
    assert (mixed.tolerance, mixed.spread, mixed.tolerance_after_spread) == pytest.approx((50, 0.5, t1), abs=1e-6)
    assert mixed.score == pytest.approx(t1 + 0.25 * (50 - t1), abs=1e-6)
    assert (round(t1, 2), round(mixed.score, 2), mixed.raw_level) == (34.36, 38.27, 2)


def test_panic_and_turnover_at_full_evidence():
    done = {"panic": Measure(1.0, 1.0), "turnover": Measure(3.0, 1.0)}
    profile = assess(person(0.5, 0.6, behaviour=done), RULES, SEM)
    mixed = profile.blend
    assert (mixed.damage, mixed.tolerance_after_behaviour, mixed.score, mixed.raw_level) == pytest.approx((12, 38, 43, 3), abs=1e-6)
    assert [(reading.name, reading.z, reading.damage) for reading in profile.readings] == [("panic", 1, 8), ("turnover", 1, 4)]


# ── The score ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("points", "step"), [(0, 1), (19.99, 1), (20, 2), (39.99, 2), (40, 3), (59.99, 3), (60, 4), (79.99, 4), (80, 5), (100, 5)]
)
def test_a_level_begins_at_its_threshold(points, step):
    assert level_of(points, RULES) == step


def test_a_score_that_meets_a_threshold_on_paper_meets_it():
    mixed = blend([0.4, 0.4 + 0.2, 0.2, 0.1 + 0.2 + 0.1], [0.4] * 7, RULES)
    assert mixed.raw_level == 3


@pytest.mark.parametrize(
    ("name", "value", "z"),
    [
        ("panic", 0.3, 0.3), ("panic", 1.7, 1), ("turnover", 0.75, 0), ("turnover", 1.625, 0.5), ("turnover", 2.5, 1),
        ("disposition", -0.4, 0), ("disposition", 0.15, 0.5), ("disposition", 0.25, 1), ("concentration", 0.2, 0),
        ("concentration", 0.5, 0.5), ("concentration", 0.8, 1), ("chasing", 0.35, 0.25), ("chasing", 0.9, 1),
    ],
)  # fmt: skip
def test_a_raw_measure_becomes_a_clipped_one(name, value, z):
    weight = {"panic": 0.40, "turnover": 0.20, "disposition": 0.15, "concentration": 0.15, "chasing": 0.10}[name]
    profile = assess(person(behaviour={name: Measure(value, 0.6)}), RULES, EXACT)
    assert profile.readings[0].z == pytest.approx(z, abs=1e-12)
    assert profile.blend.damage == pytest.approx(20 * weight * 0.6 * z, abs=1e-12)


def test_behaviour_is_not_read_without_consent_nor_without_evidence():
    everything = {name: Measure(9.0, 1.0, 1.0 if name == "panic" else None) for name in RULES.measures}
    assert assess(person(behaviour=everything), RULES, EXACT).blend.damage == 20
    ignored = assess(person(behaviour=everything, has_profiling_consent=False), RULES, EXACT)
    assert (ignored.blend.damage, ignored.readings, ignored.lowered_by) == (0, (), ())
    thin = assess(person(behaviour={name: replace(one, evidence=0.0) for name, one in everything.items()}), RULES, EXACT)
    assert (thin.blend.damage, thin.lowered_by, thin.level) == (0, (), 5)


def test_a_measure_without_a_rule_is_an_error():
    with pytest.raises(KeyError, match="luck"):
        assess(person(behaviour={"luck": Measure(1, 1)}), RULES, EXACT)
    with pytest.raises(ValueError, match="no scores"):
        assess(person(tolerance=[]), RULES, EXACT)


def test_unlikely_pairs_that_were_confirmed_count_as_disagreement():
    mixed = assess(person([0.0, 1.0] * 3, 0.5, n_soft_confirmed=2), RULES, SEM).blend
    assert mixed.spread == pytest.approx(0.6)
    assert mixed.tolerance_after_spread == pytest.approx(50 * math.exp(-1.5 * 0.35))


# ── Step 1: a level down, once ───────────────────────────────────────────────────────────────────────────────────


def test_low_confidence_lowers_in_the_lower_half_of_a_band_only():
    near_the_edge = assess(person(0.61, 0.61), RULES, SEM)  # R 61, one point above C4
    assert near_the_edge.raw_certainty == pytest.approx(NormalDist().cdf(1 / math.hypot(7.5, 2)))
    assert (near_the_edge.is_queued, near_the_edge.lowered_by, near_the_edge.level) == (True, ("low_confidence",), 3)
    further = assess(person(0.65, 0.65), RULES, SEM)
    assert (further.is_queued, further.lowered_by, further.level) == (False, (), 4)
    upper_half = assess(person(0.71, 0.71), RULES, Sem(60, 60))  # as good as no measurement, but in the upper half
    assert (upper_half.is_queued, upper_half.lowered_by, upper_half.level) == (True, (), 4)


@pytest.mark.parametrize(("score", "expected"), [(0.6, 3), (0.69, 3), (0.7, 4), (0.79, 4), (0.9, 5), (0.25, 1), (0.05, 1)])
def test_hasty_answers_count_as_low_confidence(score, expected):
    profile = assess(person(score, score, is_low_quality=True), RULES, EXACT)
    assert (profile.level, profile.confidence, profile.is_queued) == (expected, "low", True)


@pytest.mark.parametrize(
    ("value", "months", "expected"), [(0.5, 3, 3), (0.5, 12, 3), (0.49, 3, 4), (0.5, 12.1, 4), (1, 0, 3), (1, 13, 4), (1, None, 4)]
)
def test_a_panic_sale_within_a_year_costs_a_level(value, months, expected):
    """R stays above 60 with all its damage: what lowers is the sale."""
    assert level(0.9, 0.7, behaviour={"panic": Measure(value, 1.0, months)}) == expected


def test_two_reasons_to_lower_lower_once_and_never_below_c1():
    panic = {"panic": Measure(1.0, 0.01, 2.0)}
    both = assess(person(0.62, 0.62, behaviour=panic, is_low_quality=True), RULES, EXACT)
    assert (both.blend.raw_level, both.lowered_by, both.lowered_level, both.level) == (4, ("low_confidence", "panic_sale"), 3, 3)
    assert level(0.05, 0.05, behaviour=panic, is_low_quality=True) == 1


# ── Step 2: ceilings ─────────────────────────────────────────────────────────────────────────────────────────────


CEILINGS = [
    ({"facts": {"max_loss": 0.01}}, "loss_5", 2), ({"facts": {"max_loss": 0.05}}, "loss_5", 2),
    ({"facts": {"max_loss": 0.051}}, "loss_10", 2), ({"facts": {"max_loss": 0.1}}, "loss_10", 2),
    ({"facts": {"max_loss": 0.11}}, "loss_20", 3), ({"facts": {"max_loss": 0.2}}, "loss_20", 3),
    ({"facts": {"max_loss": 0.21}}, "loss_50", 4), ({"facts": {"max_loss": 0.5}}, "loss_50", 4),
    ({"facts": {"reserve_months": 0}}, "reserve", 3), ({"facts": {"reserve_months": 2.9}}, "reserve", 3),
    ({"facts": {"has_consumer_debt": True}}, "debt", 3), ({"n_correct": 0}, "knowledge", 3), ({"is_experienced": False}, "experience", 3),
    ({"facts": {"age": 65}}, "age", 3), ({"facts": {"age": 90}}, "age", 3),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "name", "highest"), CEILINGS)
def test_every_ceiling_binds_and_is_shown_by_name(changed, name, highest):
    profile = assess(person(1.0, 1.0, **changed), RULES, SEM)
    assert (profile.blend.raw_level, profile.level) == (5, highest)
    assert [(cap.name, cap.level, cap.binds) for cap in profile.caps] == [(name, highest, True)]
    low = assess(person(0.3, 0.3, **changed), RULES, EXACT)
    assert (low.level, [cap.binds for cap in low.caps]) == (2, [False]), "a ceiling at or above the level raises nothing"


def test_every_ceiling_of_the_table_is_tried_here():
    assert {name for _, name, _ in CEILINGS} == {ceiling.name for ceiling in RULES.ceilings}


@pytest.mark.parametrize(
    "free",
    [{"max_loss": 0.51}, {"max_loss": 1.0}, {"reserve_months": 3}, {"has_consumer_debt": False}, {"age": 64.9}, {"horizon_years": 0}, {}],
)
def test_what_is_no_ceiling_limits_nothing(free):
    assert assess(person(1.0, 1.0, facts=free), RULES, SEM).caps == ()
    assert level(1.0, 1.0, facts=free, n_correct=1) == 5


def test_the_lowest_of_several_ceilings_binds_and_a_signed_review_lifts_that_of_age():
    several = assess(person(1.0, 1.0, facts={"max_loss": 0.08, "age": 70}, n_correct=0), RULES, SEM)
    assert [(cap.name, cap.binds) for cap in several.caps] == [("loss_10", True), ("knowledge", False), ("age", False)]
    assert level(1.0, 1.0, facts={"age": 70}, age_reviewed=True) == 5
    assert level(1.0, 1.0, facts={"age": 70, "reserve_months": 1}, age_reviewed=True) == 3


def test_a_ceiling_comes_after_the_step_down_and_does_not_bind_at_its_level():
    profile = assess(person(0.9, 0.7, facts={"max_loss": 0.2}, behaviour={"panic": Measure(1, 1, 2)}), RULES, EXACT)
    assert (profile.blend.raw_level, profile.lowered_level, profile.level) == (4, 3, 3)
    assert [cap.binds for cap in profile.caps] == [False]


# ── Step 3: the lowest class ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changed", "gate"),
    [
        ({"has_civil_capacity": False}, "no_civil_capacity"), ({"accepts_loss": False}, "no_loss"), ({"facts": {"max_loss": 0}}, "no_loss"),
        ({"accepts_loss": False, "facts": {"max_loss": 0.5}}, "no_loss"),
    ],
)  # fmt: skip
def test_a_gate_gives_the_lowest_class_with_certainty(changed, gate):
    profile = assess(person(1.0, 1.0, **changed), RULES, SEM)
    assert (profile.level, profile.gate, profile.certainty, profile.confidence) == (0, gate, 1.0, "high")
    assert advice_rules().gate(gate).said


@quick
@given(people)
def test_the_lowest_class_is_for_the_gates_and_only_these(one):
    gated = not one.has_civil_capacity or not one.accepts_loss or one.facts.max_loss == 0
    assert (assess(one, RULES, SEM).level == 0) == gated


# ── Confidence ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_error_of_the_score_is_that_of_the_blocks_as_they_weigh_in_it():
    def error(tolerance, capacity):
        return assess(person(tolerance, capacity), RULES, Sem(tolerance=12, capacity=5)).error

    assert error(0.9, 0.5) == pytest.approx(5)  # 20 points apart or more: the lower block alone
    assert error(0.3, 0.5) == pytest.approx(12)
    assert error(0.6, 0.5) == pytest.approx(math.hypot(0.75 * 5, 0.25 * 12))
    assert error(0.5, 0.6) == pytest.approx(math.hypot(0.75 * 12, 0.25 * 5))
    assert error([0.0, 1.0] * 3, 0.2) == pytest.approx(math.hypot(0.75 * 5, 0.25 * 12, 24 * 0.25))
    turned = assess(person(0.6, 0.5, behaviour={"panic": Measure(1, 1)}), RULES, Sem(tolerance=12, capacity=3))
    assert turned.blend.low == pytest.approx(50) and turned.error == pytest.approx(math.hypot(0.75 * 3, 0.25 * 12))
    turned = assess(person(0.55, 0.5, behaviour={"panic": Measure(1, 1)}), RULES, Sem(tolerance=12, capacity=3))
    assert turned.blend.low == pytest.approx(47) and turned.error == pytest.approx(math.hypot(0.75 * 12, 0.25 * 3))


@pytest.mark.parametrize(
    ("score", "shown"), [(0.9, "high"), (0.84, "medium"), (0.75, "high"), (0.65, "medium"), (0.62, "medium"), (0.1, "high")]
)
def test_confidence_is_the_mass_at_or_above_the_level_that_is_given(score, shown):
    profile = assess(person(score, score), RULES, SEM)
    edge = {5: 80, 4: 60, 3: 40, 1: None}[profile.level]
    expected = 1.0 if edge is None else NormalDist(profile.blend.score, math.hypot(7.5, 2)).cdf(2 * profile.blend.score - edge)
    assert profile.certainty == pytest.approx(expected)
    assert profile.confidence == shown


def test_what_is_shown_is_the_lower_band_of_p_and_of_being_asked_again():
    """High scores fall back to the group's mean: p alone would call this one sure."""
    profile = assess(person(0.92, 0.92), RULES, NORMED)
    assert (profile.level, profile.confidence_by_p, profile.confidence) == (5, "high", "low")
    assert profile.retest < 0.6 < 0.85 < profile.certainty
    assert profile == replace(assess(person(0.92, 0.92), RULES, SEM), forecast=profile.forecast, retest=profile.retest, confidence="low")
    low = assess(person(0.23, 0.23), RULES, NORMED)
    assert low.level == 2 and low.retest > low.certainty and low.confidence == low.confidence_by_p
    without = assess(person(0.92, 0.92), RULES, SEM)
    assert (without.forecast, without.retest, without.confidence) == (None, None, "high")


@pytest.mark.parametrize("changed", [{"has_civil_capacity": False}, {"tolerance": 0.0, "capacity": 0.0}])
def test_the_lowest_levels_have_no_edge_to_miss(changed):
    profile = assess(person(**changed), RULES, NORMED)
    assert profile.level <= 1 and (profile.certainty, profile.retest) == (1.0, 1.0)


def test_what_caps_the_confidence():
    queued = assess(person(0.61, 0.61), RULES, SEM)
    assert queued.certainty > 0.85 and queued.confidence == "medium", "sure of the lowered level, but somebody should look"
    unread = assess(person(0.5, 0.5, has_profiling_consent=False), RULES, EXACT)
    assert (unread.certainty, unread.confidence, unread.is_queued) == (1.0, "medium", False)
    lowest = assess(person(0.0, 0.0), RULES, SEM)
    assert (lowest.raw_certainty, lowest.is_queued, lowest.confidence) == (1.0, False, "high")
    unsure = assess(person(0.71, 0.71), RULES, Sem(80, 80))
    assert unsure.certainty < 0.6 and unsure.confidence == "low"


# ── What must hold for everybody ─────────────────────────────────────────────────────────────────────────────────


@quick
@given(people, st.integers(0, 6), scores)
def test_raising_a_capacity_answer_never_lowers_the_score(one, place, value):
    raised = list(one.capacity)
    raised[place] = max(raised[place], value)
    assert assess(replace(one, capacity=raised), RULES, SEM).blend.score >= assess(one, RULES, SEM).blend.score - 1e-9


@quick
@given(people)
@example(person(0.778, 0.576, behaviour={"chasing": Measure(1.0, 1 / 6)}))  # the error steps down where the blocks come within 20
def test_behaviour_never_raises_the_score_nor_the_level(one):
    with_it, without = (assess(sheet, RULES, Sem(tolerance=10, capacity=11)) for sheet in (one, replace(one, behaviour=None)))
    assert with_it.blend.score <= without.blend.score
    assert with_it.blend.raw_level <= without.blend.raw_level
    assert with_it.level <= without.level


@quick
@given(people)
def test_no_level_stands_above_a_ceiling_or_the_raw_level_and_step_1_lowers_once(one):
    profile = assess(one, RULES, SEM)
    raw = profile.blend.raw_level
    assert 0 <= profile.blend.score <= 100 and 0 <= profile.level <= raw
    assert profile.lowered_level == max(1, raw - bool(profile.lowered_by))
    assert all(profile.level <= cap.level for cap in profile.caps)
    ceilings = [cap.level for cap in profile.caps]
    assert profile.level == (0 if profile.gate else min([profile.lowered_level, *ceilings]))
    assert all(cap.binds == (cap.level == min(ceilings) < profile.lowered_level) for cap in profile.caps)
    assert profile.certainty >= profile.raw_certainty - 1e-12
    if profile.is_queued or not one.has_profiling_consent:
        assert profile.confidence != "high"


# ── Answers of the questionnaire ─────────────────────────────────────────────────────────────────────────────────


ANSWERED_CEILINGS = [
    ({"loss": "up-to-5"}, "loss_5", 2), ({"loss": "up-to-10"}, "loss_10", 2), ({"loss": "up-to-20"}, "loss_20", 3),
    ({"loss": "up-to-50"}, "loss_50", 4), ({"reserve": "below-3"}, "reserve", 3), ({"debt": "consumer"}, "debt", 3),
    ({"spread": "unsure", "rates": "unsure"}, "knowledge", 3), ({"experience": "never"}, "experience", 3),
    ({"experience": "below-6-months"}, "experience", 3), ({"age": "65-or-more"}, "age", 3),
]  # fmt: skip


@pytest.mark.parametrize(("answers", "name", "highest"), ANSWERED_CEILINGS)
def test_an_answer_sets_the_ceiling_it_stands_for(answers, name, highest):
    profile = answered(**answers)
    assert profile.level == highest < profile.blend.raw_level
    assert [cap.name for cap in profile.caps if cap.binds] == [name]


def test_the_best_answers_reach_the_highest_level_and_state_any_loss():
    profile = answered()
    assert (profile.level, profile.blend.score, profile.stated_loss, profile.caps) == (5, 100, 1.0, ())
    assert answered(rates="unsure").level == 5, "one right answer is knowledge enough"
    reviewed = assess(sheet(best_answers(age="65-or-more"), ITEMS, age_reviewed=True), RULES, SEM)
    assert reviewed.level == 5


@quick
@given(ANSWERS, st.sampled_from([item.code for item in ITEMS if item.block == "capacity"]))
def test_a_better_option_of_capacity_never_lowers_the_score(answers, code):
    options = next(item for item in ITEMS if item.code == code).options
    by_score = sorted(options, key=lambda option: options[option].score)
    found = [assess(sheet(answers | {code: option}, ITEMS), RULES, SEM).blend.score for option in by_score]
    assert all(lower <= higher + 1e-9 for lower, higher in pairwise(found))


@quick
@given(ANSWERS)
def test_an_answer_gates_by_age_or_by_no_loss_and_nothing_else(answers):
    gated = answers["age"] == "no-capacity" or answers["loss"] == "nothing"
    assert (assess(sheet(answers, ITEMS), RULES, SEM).level == 0) == gated


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda answers: answers.pop("debt"), "missing_answers"),
        (lambda answers: answers.update(debt="huge"), "unknown_option"),
        (lambda answers: answers.update(colour="red"), "unknown_item"),
    ],
)
def test_wrong_answers_are_refused_with_what_is_wrong(change, code):
    answers = best_answers()
    change(answers)
    with pytest.raises(AnswerError) as refused:
        sheet(answers, ITEMS)
    assert refused.value.code == code
    assert refused.value.params["items"]


# ── The instrument itself ────────────────────────────────────────────────────────────────────────────────────────


def test_the_questionnaire_is_short_enough_to_read():
    words = [text.zh for item in INSTRUMENT.items for text in (item.topic, item.question, item.why, *item.options)]
    assert len(re.findall(r"[\u4e00-\u9fff]", "".join(words))) <= 1600


def test_its_checksum_follows_its_content():
    changed = INSTRUMENT.model_dump()
    changed["items"][0]["why"]["en"] += " Indeed."
    assert Instrument.model_validate(changed).sha256 != INSTRUMENT.sha256
    assert Instrument.model_validate(INSTRUMENT.model_dump()).sha256 == INSTRUMENT.sha256


def test_version_one_is_what_it_was_when_people_answered_it():
    """An assessment stores this checksum: a change of the file is a new version."""
    assert INSTRUMENT.sha256 == "990632044e09da69c3460240c937ef0bef78baacdfd1da34675a2d6052435b06"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda d: d["items"].pop(), "items a block"),
        (lambda d: d["items"].__setitem__(1, d["items"][0]), "stands twice"),
        (lambda d: d["items"][0]["options"][1].__setitem__("score", 1.0), "strictly"),
        (lambda d: d["items"][0]["options"][0].__setitem__("en", ""), "at least 1 character"),
        (lambda d: d["items"][7]["question"].__setitem__("en", "How much?"), "different amounts"),
        (lambda d: d["items"][8].__setitem__("yuan", {}), "not defined"),
        (lambda d: d["items"][13]["options"][0].__setitem__("score", 1.0), "knowledge"),
        (lambda d: d.__setitem__("colour", "red"), "Extra inputs"),
    ],
)
def test_a_spoilt_questionnaire_is_refused(spoil, why):
    data = yaml.safe_load(yaml.safe_dump(INSTRUMENT.model_dump(mode="json")))
    spoil(data)
    with pytest.raises(ValidationError, match=why):
        Instrument.model_validate(data)


def test_losses_are_asked_in_own_money():
    item = INSTRUMENT.item("loss")
    from django.utils import translation

    with translation.override("en"):
        assert item.asked(10_000_000) == "Of your 100,000 yuan, how much could you bear to lose in one year?"
        assert item.option("up-to-20").text(10_000_000) == "Up to 20,000 yuan"
