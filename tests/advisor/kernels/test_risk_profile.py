"""The spec's vectors, and what must hold whatever is answered."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from advisor.instruments import Instrument, load_instrument
from advisor.jurisdictions import advice_rules
from advisor.kernels.risk_profile import AnswerError, Rules, blend, level_of, score

INSTRUMENT = load_instrument("standard@1")
ITEMS = INSTRUMENT.for_scoring
RULES = advice_rules().for_scoring
SHEETS = st.fixed_dictionaries({item.code: st.sampled_from(sorted(item.options)) for item in ITEMS})
SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def best_sheet(**changed):
    best = {item.code: max(item.options, key=lambda code: item.options[code].score or 0) for item in ITEMS}
    return best | {"spread": "less-swing", "rates": "down", "experience": "above-3-years"} | changed


@pytest.mark.parametrize(
    ("tolerance", "capacity", "damage", "expected", "raw_level"),
    [
        ([1.0] * 6, [0.25] * 7, 0, 30.0, 2),
        ([0.10] * 6, [1.0] * 7, 0, 15.0, 1),
        ([0.5] * 6, [0.5] * 7, 0, 50.0, 3),
        ([0.0, 1.0] * 3, [0.5] * 7, 0, 38.27, 2),
        ([0.5] * 6, [0.6] * 7, 20 * (0.40 * 1 + 0.20 * 1), 43.0, 3),  # panic z 1 and turnover 3.0, both at full evidence
    ],
)
def test_the_published_vectors(tolerance, capacity, damage, expected, raw_level):
    result = blend(tolerance, capacity, Rules(), damage=damage)
    assert result.score == pytest.approx(expected, abs=0.005)
    assert result.raw_level == raw_level


def test_answers_that_disagree_lower_the_tolerance():
    result = blend([0.0, 1.0] * 3, [0.5] * 7, Rules())
    assert (result.tolerance, result.spread) == (50, 0.5)
    assert result.tolerance_after_spread == pytest.approx(34.36, abs=0.005)


@pytest.mark.parametrize(
    ("points", "level"), [(0, 1), (19.99, 1), (20, 2), (39.99, 2), (40, 3), (59.99, 3), (60, 4), (79.99, 4), (80, 5), (100, 5)]
)
def test_a_level_begins_at_its_threshold(points, level):
    assert level_of(points, RULES) == level


@given(SCORES, SCORES, st.floats(0, 50))
def test_the_score_stays_between_0_and_100_and_behaviour_never_raises_it(tolerance, capacity, damage):
    calm, hurt = blend(tolerance, capacity, RULES), blend(tolerance, capacity, RULES, damage=damage)
    assert 0 <= hurt.score <= calm.score + 1e-9 <= 100 + 2e-9


@given(SHEETS, st.sampled_from([item.code for item in ITEMS if item.block == "capacity"]))
def test_raising_a_capacity_answer_never_lowers_the_score(sheet, code):
    options = next(item for item in ITEMS if item.code == code).options
    by_score = sorted(options, key=lambda option: options[option].score)
    scores = [score(sheet | {code: option}, ITEMS, RULES).blend.score for option in by_score]
    assert all(lower <= higher + 1e-9 for lower, higher in pairwise(scores))


@given(SHEETS)
def test_no_level_stands_above_a_ceiling_or_the_raw_level(sheet):
    result = score(sheet, ITEMS, RULES)
    assert 0 <= result.level <= result.blend.raw_level
    assert all(result.level <= cap.level for cap in result.caps)
    assert all(cap.level == result.level for cap in result.caps if cap.binds and not result.gate)


@given(SHEETS)
def test_the_lowest_class_is_for_the_two_legal_gates_and_only_these(sheet):
    gated = sheet["age"] == "no-capacity" or sheet["loss"] == "nothing"
    assert (score(sheet, ITEMS, RULES).level == 0) == gated


CEILING_ANSWERS = [
    ({"loss": "up-to-5"}, "loss_5", 2), ({"loss": "up-to-10"}, "loss_10", 2), ({"loss": "up-to-20"}, "loss_20", 3),
    ({"loss": "up-to-50"}, "loss_50", 4), ({"reserve": "below-3"}, "reserve", 3), ({"debt": "consumer"}, "debt", 3),
    ({"spread": "unsure", "rates": "unsure"}, "knowledge", 3), ({"experience": "never"}, "experience", 3),
    ({"experience": "below-6-months"}, "experience", 3), ({"age": "65-or-more"}, "age", 3),
]  # fmt: skip


@pytest.mark.parametrize(("answers", "name", "level"), CEILING_ANSWERS)
def test_every_ceiling_binds_and_is_shown_by_name(answers, name, level):
    result = score(best_sheet(**answers), ITEMS, RULES)
    assert result.level == level < result.blend.raw_level
    assert [cap.name for cap in result.caps if cap.binds] == [name]


def test_every_ceiling_of_the_table_is_tried_here():
    assert {name for _, name, _ in CEILING_ANSWERS} == {ceiling.name for ceiling in RULES.ceilings}


def test_the_best_answers_reach_the_highest_level_and_state_any_loss():
    result = score(best_sheet(), ITEMS, RULES)
    assert (result.level, result.blend.score, result.stated_loss, result.caps) == (5, 100, 1.0, ())


def test_one_right_answer_is_knowledge_enough():
    assert score(best_sheet(rates="unsure"), ITEMS, RULES).level == 5


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda sheet: sheet.pop("debt"), "missing_answers"),
        (lambda sheet: sheet.update(debt="huge"), "unknown_option"),
        (lambda sheet: sheet.update(colour="red"), "unknown_item"),
    ],
)
def test_a_wrong_sheet_is_refused_with_what_is_wrong(change, code):
    sheet = best_sheet()
    change(sheet)
    with pytest.raises(AnswerError) as refused:
        score(sheet, ITEMS, RULES)
    assert refused.value.code == code
    assert refused.value.params["items"]


def test_a_lower_gap_weight_leans_further_to_the_averse_side():
    assert blend([1.0], [0.25], replace(RULES, gap_weight=0.0)).score == 25


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
