"""The linter: the shipped questionnaire's figures, broken ones refused with the reason, and the same scores as the kernel's."""

import json
from dataclasses import replace

import numpy as np
import pytest

from advisor.instruments import load_instrument, report_path, shipped_keys
from advisor.jurisdictions import advice_rules
from advisor.kernels import instrument_people as people
from advisor.kernels import risk_profile
from advisor.kernels.instrument_lint import BANK_MIX, Limits, Questions, cronbach_alpha, lint
from advisor.services.instruments import lint_instrument

INSTRUMENT = load_instrument("standard@2")
RULES = advice_rules().for_scoring
FEW = 20_000


def questions(**changed):
    asked = Questions(INSTRUMENT.for_scoring, INSTRUMENT.shares, frozenset({"coin"}), INSTRUMENT.n_characters)
    return replace(asked, **changed)


def rescored(scores_of_item):
    """The shipped items with other scores, option by option."""
    items = []
    for item in INSTRUMENT.for_scoring:
        changed = scores_of_item(item)
        options = {code: replace(option, score=changed.get(code, option.score)) for code, option in item.options.items()}
        items.append(replace(item, options=options))
    return tuple(items)


def flat(norms):
    return {f"{block} {name}": one for block in ("tolerance", "capacity") for name, one in norms[block].items()} | {
        "r": norms["correlation"]
    }


def codes(report):
    return {(finding.code, finding.item) for finding in report.findings}


@pytest.mark.parametrize("key", shipped_keys())
def test_the_report_kept_with_a_shipped_questionnaire_is_what_the_linter_finds_today(key):
    """After a change of the rules: manage.py lint_instrument name@version --write."""
    kept = json.loads(report_path(key).read_text(encoding="utf-8"))
    fresh = lint_instrument(load_instrument(key))
    assert (kept["instrument"], kept["sha256"]) == (key, load_instrument(key).sha256)
    assert kept["report"].keys() == fresh.keys()
    for name, figure in fresh.items():
        if name == "sem":
            norms, found = (flat(one["norms"]) for one in (kept["report"][name], figure))
            assert norms == pytest.approx(found, abs=2e-4)
            assert kept["report"][name] | {"norms": None} == pytest.approx(figure | {"norms": None}, abs=2e-4)
        elif isinstance(figure, dict) or name in {"uniform", "raw", "final", "final_as_bank", "raw_as_bank"}:
            assert kept["report"][name] == pytest.approx(figure, abs=2e-4), name
        else:
            assert kept["report"][name] == figure, name
    assert load_instrument(key).sem == risk_profile.Sem.from_json(kept["report"]["sem"])


def test_the_shipped_questionnaire_keeps_every_limit_of_the_spec():
    report = json.loads(report_path("standard@2").read_text(encoding="utf-8"))["report"]
    assert report["findings"] == []
    assert max(report["uniform"]) <= 0.60
    assert all(0.003 <= share <= 0.60 for share in report["raw"])
    assert len(report["final"]) == 6 and min(report["final"]) >= 0.001
    assert all(0.70 <= alpha <= 0.80 for alpha in report["alpha"].values())
    assert max(report["weights"].values()) <= 25 and len(report["weights"]) == 13
    assert report["n_characters"] == INSTRUMENT.n_characters <= 1600
    assert report["bank"] == list(BANK_MIX)
    assert report["decides"].keys() == {ceiling.name for ceiling in RULES.ceilings} | {"no_civil_capacity", "no_loss"}


def test_all_at_once_is_scored_as_one_by_one():
    """The linter's arrays and the kernel give every number and every level alike, and the same limit decides."""
    items, sem = INSTRUMENT.for_scoring, INSTRUMENT.sem
    answers = np.concatenate([people.draw_people(items, INSTRUMENT.shares, n=250), people.draw_uniform(items, n=250)])
    scored = people.assess_all(answers, items, RULES, sem)
    for person, places in enumerate(answers):
        sheet = {item.code: list(item.options)[place] for item, place in zip(items, places, strict=True)}
        alone = risk_profile.assess(risk_profile.sheet(sheet, items), RULES, sem)
        assert scored.score[person] == pytest.approx(alone.blend.score, abs=1e-9)
        assert scored.raw_certainty[person] == pytest.approx(alone.raw_certainty, abs=1e-9)
        assert (scored.error[person], scored.certainty[person]) == pytest.approx((alone.error, alone.certainty), abs=1e-9)
        assert scored.retest[person] == pytest.approx(alone.retest, abs=1e-9)
        assert (scored.raw_level[person], scored.lowered_level[person], scored.level[person]) == (
            alone.blend.raw_level, alone.lowered_level, alone.level,
        )  # fmt: skip
        deciding = {name for name, of_all in scored.alone.items() if of_all[person]}
        binding = {cap.name for cap in alone.caps if cap.binds} if alone.gate is None else {alone.gate}
        assert deciding <= binding and (len(binding) != 1 or alone.gate or deciding == binding)


def test_the_invented_people_answer_as_documented():
    items = INSTRUMENT.for_scoring
    answers = people.draw_people(items, INSTRUMENT.shares, n=FEW)
    column = next(place for place, item in enumerate(items) if item.code == "debt")
    found = np.bincount(answers[:, column], minlength=4) / FEW
    assert found == pytest.approx([INSTRUMENT.shares["debt"][code] for code in items[column].options], abs=0.012)
    assert np.array_equal(answers, people.draw_people(items, INSTRUMENT.shares, n=FEW))
    assert not np.array_equal(answers, people.draw_people(items, INSTRUMENT.shares, n=FEW, seed=1))
    knows = [people.ascending(item)[-1] for item in items if item.block == "knowledge"]
    assert knows == ["less-swing", "down", "6-months-to-3-years"]


def test_cronbachs_alpha_of_a_textbook_matrix():
    """Two items that always agree have alpha 1; two that have nothing to do with each other 0."""
    same = np.array([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]])
    assert cronbach_alpha(same) == pytest.approx(1)
    assert cronbach_alpha(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])) == pytest.approx(0)


def test_a_grid_on_which_hardly_anybody_reaches_the_highest_level_is_refused():
    """First broken one: every answer but the best is worth next to nothing, as in the additive grids it is made against."""
    stingy = rescored(lambda item: {code: option.score**6 for code, option in item.options.items() if option.score is not None})
    report = lint(questions(items=stingy), RULES, n=FEW)
    assert report.is_refused
    assert {("uniform_level", "C1"), ("raw_level_rare", "C5"), ("final_level_rare", "C5")} <= codes(report)
    assert next(one.figure for one in report.findings if one.code == "uniform_level") == report.uniform[0] > 0.6


def test_a_grid_that_rewards_the_first_answer_everywhere_is_refused():
    """Second broken one: the best answer always stands first, one question says too much, and there is a book to read."""
    turned = []
    for item in INSTRUMENT.for_scoring:
        order = sorted(item.options, key=lambda code, item=item: -(item.options[code].score or 0))
        turned.append(replace(item, options={code: item.options[code] for code in order}))
    report = lint(questions(items=tuple(turned), n_characters=1601), RULES, Limits(heaviest_item=13.8), n=FEW)
    assert report.straight == (5, 4, 3, 2, 1, 1)
    assert codes(report) == {
        ("one_way", "first"), ("straight_line", "1"), ("straight_line", "2"), ("long_reading", ""), ("heavy_item", "reaction"),
    }  # fmt: skip


def test_answers_that_have_nothing_to_do_with_each_other_are_refused(monkeypatch):
    monkeypatch.setattr(people, "LOADING", 0.3)
    report = lint(questions(), RULES, n=FEW)
    assert {("alpha_low", "tolerance"), ("alpha_low", "capacity")} <= codes(report)
    monkeypatch.setattr(people, "LOADING", 0.9)
    assert {("alpha_high", "tolerance"), ("alpha_high", "capacity")} <= codes(lint(questions(), RULES, n=FEW))
