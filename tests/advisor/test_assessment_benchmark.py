"""The study of the assessment itself: its arithmetic on cases made by hand, and that the simulated assessment sees no later day."""

from dataclasses import replace

import numpy as np
import pytest

from advisor.instruments import load_instrument
from advisor.jurisdictions import advice_rules
from benchmarks import assessment
from benchmarks.assessment import Seen, auc, auc_gain, sellers, simulated
from benchmarks.how_sure import People, asked_again, bands_of, bins_of, pooled
from benchmarks.panic_people import AS_OF, FALLS, draw_market, live


def test_the_area_and_the_gain_of_cases_made_by_hand():
    happened = np.array([True, True, False, False])
    assert auc(np.array([4.0, 3.0, 2.0, 1.0]), happened) == 1.0
    assert auc(np.array([4.0, 1.0, 3.0, 2.0]), happened) == 0.5
    assert auc(np.array([2.0, 1.0, 1.0, 0.0]), happened) == pytest.approx(3.5 / 4)
    sold = np.arange(400) < 100
    rng = np.random.default_rng(1)
    blind, sees = rng.random(400), rng.random(400) - sold
    alone, both, low, high = auc_gain(Seen(blind, sees, sold), 100, rng)
    assert alone == pytest.approx(0.5, abs=0.1) and both == 1.0 and low < both - alone < high
    assert auc_gain(Seen(sees, sees, sold), 20, rng)[2:] == (0.0, 0.0)


def test_claims_and_frequencies_are_compared_step_by_step():
    """Three steps: .72 comes true 7 times of 10, .93 8 of 10, 1 always; two people at .61 are too few."""
    claimed = np.array([0.72] * 10 + [0.93] * 10 + [1.0] * 10 + [0.61] * 2)
    again = np.array([1.0] * 7 + [0.0] * 3 + [1.0] * 8 + [0.0] * 2 + [1.0] * 10 + [0.0] * 2)
    found = bins_of(claimed, again, least=5)
    assert [one.n for one in found] == [10, 10, 10]
    assert [one.off for one in found] == pytest.approx([-0.02, -0.13, 0.0])
    exact = np.random.default_rng(3).uniform(0.6, 1.0, 40_000)
    came = np.random.default_rng(4).random(40_000) < exact
    assert max(abs(one.off) for one in bins_of(exact, came.astype(float))) < 0.02
    assert max(abs(one.off) for one in bins_of(np.minimum(1, exact + 0.1), came.astype(float))) > 0.08
    assert [one.n for one in bins_of(np.array([0.65, 0.6999, 0.70]), np.ones(3), least=1)] == [2, 1]


def test_people_asked_again_without_errors_get_their_score_again():
    """Where answers follow the trait alone, everybody is at his level again; with errors, sigma_R is near what R really does."""
    instrument = load_instrument("standard@2")
    found = asked_again(instrument, 3_000, 10)
    assert found.claimed_error == pytest.approx(found.real_error, rel=0.15)
    assert (asked_again(instrument, 500, 3, People(loading=1.0)).again == 1.0).all()


def test_the_claim_that_is_shown_comes_true_as_often_as_it_says_overall_and_at_each_level():
    """People the norms were not made from; at C4 and C5 the specification's p promises far more than comes true."""
    instrument = load_instrument("standard@2")
    found = pooled([asked_again(instrument, 15_000, 8, People(seed=seed)) for seed in (5, 6)])
    assert found.claimed.mean() == pytest.approx(found.again.mean(), abs=0.03)
    for level, bound in {2: 0.04, 3: 0.04, 4: 0.05, 5: 0.07}.items():  # some 500 people in C5
        of = found.level == level
        assert found.claimed[of].mean() == pytest.approx(found.again[of].mean(), abs=bound), level
    assert max(abs(one.off) for one in bins_of(found.claimed, found.again)) <= 0.06
    high = found.level >= 4
    assert found.by_p[high].mean() > found.again[high].mean() + 0.1
    shown = bands_of(np.minimum(found.by_p, found.claimed), advice_rules().for_scoring)
    assert found.again[shown["high"]].mean() > 0.9 > found.again[shown["medium"]].mean() > 0.7 > found.again[shown["low"]].mean()


def test_what_is_measured_ends_on_the_day_of_the_assessment_and_the_outcome_comes_after(monkeypatch):
    rng, n = np.random.default_rng(7), 300
    market = draw_market(rng)
    trades, rules = live(market, np.zeros(n), rng), advice_rules().for_ledger(100)
    as_of, fall = market.dates[AS_OF], FALLS[-1][0]
    assert AS_OF < fall < len(market.dates) - rules.fall_days
    held, sold = sellers(trades, market, rules, fall, n)
    assert held.mean() > 0.9 and 0.01 < sold[held].mean() < 0.5
    inside = (trades.date >= market.dates[fall]) & (trades.date <= market.dates[fall + rules.fall_days])
    assert np.array_equal(sellers(replace(trades, is_own=inside), market, rules, fall, n)[1], sold)
    assert not sellers(replace(trades, is_own=~inside), market, rules, fall, n)[1].any()
    monkeypatch.setattr(assessment, "draw_market", lambda _: market)
    monkeypatch.setattr(assessment, "live", lambda *_: trades)
    whole = simulated(n, 1)
    monkeypatch.setattr(assessment, "live", lambda *_: trades.taken(trades.date <= as_of))
    until = simulated(n, 1)
    assert len(whole.sold) > 250 and whole.sold.any() and not until.sold.any()
    # The score knows nothing of what came after the day; one or two held risk assets only then.
    assert len(set(whole.with_behaviour.tolist()) - set(until.with_behaviour.tolist())) <= 2
    assert (whole.with_behaviour <= whole.by_answers).all() and (whole.with_behaviour < whole.by_answers).any()
