"""The three filters against a judge that reckons one number at a time, and at their edges."""

from dataclasses import fields, replace

import numpy as np
import pytest

from benchmarks.recommender_checks import check, random_block
from marketing.kernels.suiting import KEPT, NOBODY, REMOVED, STEP, concentration_of, diverse, suit, suitable


@pytest.fixture
def block():
    return random_block(np.random.default_rng(1), 300)


def verdicts(block, **changed):
    people = replace(block.people, **changed)
    return suit(people, block.funds, block.moments, block.candidates)[0]


def test_random_proposals_get_the_verdict_of_a_judge_written_a_second_time():
    counted = check(60_000, seed=7)
    assert (counted.unsuitable, counted.differ, counted.lowered) == (0, 0, 0)
    assert counted.kept > 2_000 and counted.judged > 400
    assert {name for name in REMOVED if counted.removed[name]} == set(REMOVED), "every filter has removed something"


def test_the_checks_find_a_filter_that_is_left_out(monkeypatch):
    """Or the benchmark could not fail."""
    monkeypatch.setattr("marketing.kernels.suiting._over_cap", lambda people, funds, candidates: np.zeros(candidates.shape, bool))
    assert check(20_000, seed=7).unsuitable > 0
    monkeypatch.undo()
    monkeypatch.setattr("marketing.kernels.suiting.keeps_mandate", lambda people, fit: np.ones(fit.utility_after.shape, bool))
    counted = check(20_000, seed=7)
    assert counted.unsuitable == 0 and counted.differ > 0 and counted.lowered > 0


def test_each_condition_alone_removes_everything(block):
    n = len(block.people.level)
    assert (verdicts(block) == KEPT).any()
    for changed in ({"is_on": np.zeros(n, bool)}, {"level": np.full(n, -1)}, {"gamma": np.full(n, np.nan)}):
        assert not (verdicts(block, **changed) == KEPT).any(), changed
    for name in ("is_open", "in_pool", "allowed"):
        funds = replace(block.funds, **{name: np.zeros_like(getattr(block.funds, name))})
        assert not (suitable(block.people, funds, block.candidates) == KEPT).any()


def test_the_first_reason_is_the_one_that_is_told(block):
    n = len(block.people.level)
    funds = replace(block.funds, is_open=np.zeros_like(block.funds.is_open))
    people = replace(block.people, is_on=np.arange(n) % 2 == 0, level=np.full(n, 5))
    said = suitable(people, funds, block.candidates)
    there = block.candidates >= 0
    assert set(said[0::2][there[0::2]].tolist()) <= {REMOVED.index("level"), REMOVED.index("closed")}
    assert set(said[1::2][there[1::2]].tolist()) == {REMOVED.index("off")}
    assert (said[~there] == NOBODY).all()


def test_nobody_no_candidates_and_nothing_held(block):
    none = replace(block.people, **{field.name: getattr(block.people, field.name)[:0] for field in fields(block.people)})
    assert suit(none, block.funds, block.moments, block.candidates[:0])[0].shape == (0, block.candidates.shape[1])
    assert suit(block.people, block.funds, block.moments, block.candidates[:, :0])[0].shape == (300, 0)
    n = len(block.people.level)
    empty = np.zeros((n, 0))
    bare = replace(block.people, held=empty.astype(np.int64), weight=empty, share=empty, cash=np.ones(n), is_plan=np.zeros(n, bool))
    verdict, fit = suit(bare, block.funds, block.moments, block.candidates)
    assert (fit.cvar_before == 0).all() and (fit.category_before == 1).all() and (verdict == KEPT).any()
    assert np.nanmin(fit.category_after) == np.nanmax(fit.category_after) == 1.0


def test_cash_pays_first_and_holdings_the_rest_in_proportion(block):
    """With cash for half of the step, holdings give the other half; the shares still sum to 1."""
    people = replace(
        block.people, held=np.full((300, 1), 10), weight=np.full((300, 1), 1 - STEP / 2), cash=np.full(300, STEP / 2),
        is_plan=np.zeros(300, bool), gamma=np.zeros(300), share=np.zeros((300, 1)),
    )  # fmt: skip
    funds = replace(block.funds, column=np.arange(len(block.funds.column)), buy_cost=np.zeros(len(block.funds.column)))
    fit = suit(people, funds, block.moments, block.candidates)[1]
    there = block.candidates >= 0
    expected = (1 - STEP) * block.moments.mean[10] + STEP * block.moments.mean[np.maximum(block.candidates, 0)]
    assert fit.utility_after[there] == pytest.approx(expected[there])


def test_of_three_that_are_alike_the_first_stays_and_what_was_removed_does_not_stand_in_the_way(block):
    funds = replace(block.funds, category=np.zeros_like(block.funds.category), family=np.arange(len(block.funds.family)),
                    column=np.arange(len(block.funds.column)))  # fmt: skip
    moments = replace(block.moments, cov=np.eye(len(block.moments.mean)))
    four = np.array([[0, 1, 2, 3]])
    gone = REMOVED.index("mandate")
    assert diverse(funds, moments, four, np.array([[KEPT, gone, KEPT, KEPT]])).tolist() == [[KEPT, gone, KEPT, REMOVED.index("alike")]]
    same = replace(funds, category=np.arange(len(funds.category)), family=np.zeros_like(funds.family))
    assert diverse(same, moments, four, np.array([[gone, KEPT, KEPT, gone]])).tolist() == [[gone, KEPT, REMOVED.index("alike"), gone]]


def test_concentration_of_one_two_and_nothing():
    assert concentration_of(np.array([0.4]), np.array([3])) == 1.0
    assert concentration_of(np.array([0.2, 0.2, 0.4]), np.array([1, 2, 3])) == pytest.approx(0.25**2 * 2 + 0.5**2)
    assert concentration_of(np.zeros(0), np.zeros(0, np.int64)) == 1.0
