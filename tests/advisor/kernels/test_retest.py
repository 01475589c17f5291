"""Being asked again: Kelley's regression by hand, and the probability against drawing another sheet many times."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.instruments import load_instrument
from advisor.jurisdictions import ScoringRules, advice_rules
from advisor.kernels.instrument_people import chances_again
from advisor.kernels.retest import BlockNorms, Norms, angle, chance, forecast
from advisor.kernels.risk_profile import chance_again

RULES = advice_rules().for_scoring
BLEND = {"gap_weight": RULES.gap_weight, "gap_cap": RULES.gap_cap}
SHIPPED = load_instrument("standard@2").sem.norms
ALONE = Norms(BlockNorms(0.8, 0.25, 0.7), BlockNorms(0.9, 0.2, 0.75), 0.0)
scores = st.floats(0, 100)


def test_blocks_that_have_nothing_to_do_with_each_other_shrink_by_their_reliability():
    """Kelley: mean + reliability (score - mean), and SD sqrt(1 - reliability^2) of another sheet around it."""
    another = forecast(90, 20, ALONE)
    assert another.tolerance == pytest.approx(0.8 + 0.7 * (math.asin(math.sqrt(0.9)) - 0.8))
    assert another.capacity == pytest.approx(0.9 + 0.75 * (math.asin(math.sqrt(0.2)) - 0.9))
    assert another.tolerance_error == pytest.approx(0.25 * math.sqrt(1 - 0.7**2))
    assert another.capacity_error == pytest.approx(0.2 * math.sqrt(1 - 0.75**2))


def test_the_regression_on_both_blocks_is_that_of_their_covariances():
    """G = C S^-1 of true scores on observed ones, the error S - G C'."""
    sd = np.diag([SHIPPED.tolerance.sd, SHIPPED.capacity.sd])
    observed = sd @ np.array([[1, SHIPPED.correlation], [SHIPPED.correlation, 1]]) @ sd
    true = observed * np.array([[SHIPPED.tolerance.reliability, 1], [1, SHIPPED.capacity.reliability]])
    mean = np.array([SHIPPED.tolerance.mean, SHIPPED.capacity.mean])
    slope = true @ np.linalg.inv(observed)
    expected = mean + slope @ (np.array([angle(85), angle(40)]) - mean)
    error = np.sqrt(np.diag(observed - slope @ true))
    another = forecast(85, 40, SHIPPED)
    assert (another.tolerance, another.capacity) == pytest.approx(tuple(expected), abs=1e-12)
    assert (another.tolerance_error, another.capacity_error) == pytest.approx(tuple(error), abs=1e-12)


@pytest.mark.parametrize(
    ("t1", "k", "edge", "damage"), [(70, 60, 60, 0), (90, 88, 80, 0), (30, 80, 20, 5), (90, 70, 60, 12), (100, 100, 80, 19)]
)
def test_the_probability_is_how_often_another_sheet_drawn_from_the_forecast_reaches_the_edge(t1, k, edge, damage):
    another, rng = forecast(t1, k, SHIPPED), np.random.default_rng(3)
    t, c = (
        100 * np.sin(np.clip(rng.normal(mean, error, 200_000), 0, math.pi / 2)) ** 2
        for mean, error in ((another.tolerance, another.tolerance_error), (another.capacity, another.capacity_error))
    )
    t = np.maximum(0, t - damage)
    score = np.minimum(t, c) + RULES.gap_weight * np.minimum(np.abs(t - c), RULES.gap_cap)
    assert chance(another, edge, damage=damage, **BLEND) == pytest.approx((score >= edge).mean(), abs=0.004)


def test_without_errors_the_same_score_comes_again():
    exact = Norms(BlockNorms(0.8, 0.25, 1.0), BlockNorms(0.9, 0.2, 1.0), 0.3)
    assert chance(forecast(62, 99, exact), 60, **BLEND) == 1.0
    assert chance(forecast(54, 99, exact), 60, **BLEND) == 0.0


def test_a_wide_gap_is_the_lower_block_alone():
    """K so high that it adds its five points for certain: T2 must reach the edge less five."""
    sure = Norms(BlockNorms(0.8, 0.25, 0.7), BlockNorms(1.5, 0.001, 0.75), 0.0)
    another = forecast(50, 99.4, sure)
    said = NormalDist(another.tolerance, another.tolerance_error)
    assert chance(another, 40, **BLEND) == pytest.approx(1 - said.cdf(angle(35)), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(scores, scores, scores, st.sampled_from([20.0, 40.0, 60.0, 80.0]), st.floats(0, 20))
def test_higher_scores_never_make_it_less_likely_nor_damage_more(t1, k, more, edge, damage):
    now = chance(forecast(t1, k, SHIPPED), edge, **BLEND)
    assert 0 <= now <= 1
    assert chance(forecast(max(t1, more), k, SHIPPED), edge, **BLEND) >= now - 1e-5
    assert chance(forecast(t1, max(k, more), SHIPPED), edge, **BLEND) >= now - 1e-5
    assert chance(forecast(t1, k, SHIPPED), edge, damage=damage, **BLEND) <= now + 1e-3  # a kink where T1 would be above 100


def test_all_at_once_is_as_one_by_one():
    rng = np.random.default_rng(4)
    level, t1, k = rng.integers(0, 6, 300), rng.uniform(0, 100, 300), rng.uniform(0, 100, 300)
    found = chances_again(level, t1, k, RULES, SHIPPED)
    alone = [
        chance_again(one, forecast(t, c, SHIPPED), 0.0, RULES) for one, t, c in zip(level.tolist(), t1.tolist(), k.tolist(), strict=True)
    ]
    assert found == pytest.approx(alone, abs=1e-12)


@pytest.mark.parametrize("wrong", [{"gap_weight": 0}, {"gap_weight": 1}, {"gap_cap": 0}])
def test_settings_that_would_divide_by_nothing_are_refused(wrong):
    ours = advice_rules().scoring
    assert ScoringRules.model_validate(ours.model_dump()) == ours
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ScoringRules.model_validate(ours.model_dump() | wrong)
