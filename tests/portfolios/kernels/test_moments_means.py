"""Means against published tables, and what shrinks, tilts and may enter advice."""

import ast
from pathlib import Path

import numpy as np
import pytest

from portfolios.kernels.black_litterman import (
    View,
    black_litterman,
    class_assumption_mean,
    equilibrium_mean,
    idzorek_omega,
    reference_weights,
    screen_view,
)
from portfolios.kernels.errors import DataError
from portfolios.kernels.means import PAST_MEANS, bayes_stein_mean, james_stein_mean, past_mean

ROOT = Path(__file__).resolve().parents[3]

# Idzorek, "A Step-by-Step Guide to the Black-Litterman Model" (2005): tables 1, 2, 5 and 6, and the implied confidences.
ASSETS = ("US bonds", "Intl bonds", "US large growth", "US large value", "US small growth", "US small value", "Intl dev", "Intl emerging")
IDZOREK_COV = np.array(
    [
        [0.001005, 0.001328, -0.000579, -0.000675, 0.000121, 0.000128, -0.000445, -0.000437],
        [0.001328, 0.007277, -0.001307, -0.000610, -0.002237, -0.000989, 0.001442, -0.001535],
        [-0.000579, -0.001307, 0.059852, 0.027588, 0.063497, 0.023036, 0.032967, 0.048039],
        [-0.000675, -0.000610, 0.027588, 0.029609, 0.026572, 0.021465, 0.020697, 0.029854],
        [0.000121, -0.002237, 0.063497, 0.026572, 0.102488, 0.042744, 0.039943, 0.065994],
        [0.000128, -0.000989, 0.023036, 0.021465, 0.042744, 0.032056, 0.019881, 0.032235],
        [-0.000445, 0.001442, 0.032967, 0.020697, 0.039943, 0.019881, 0.028355, 0.035064],
        [-0.000437, -0.001535, 0.048039, 0.029854, 0.065994, 0.032235, 0.035064, 0.079958],
    ]
)
MARKET = np.array([0.1934, 0.2613, 0.1209, 0.1209, 0.0134, 0.0134, 0.2418, 0.0349])
IMPLIED = np.array([0.0008, 0.0067, 0.0641, 0.0408, 0.0743, 0.0370, 0.0480, 0.0660])
COMBINED = np.array([0.0007, 0.0050, 0.0650, 0.0432, 0.0759, 0.0394, 0.0493, 0.0684])
NEW_WEIGHTS = np.array([0.2988, 0.1559, 0.0935, 0.1482, 0.0104, 0.0165, 0.2781, 0.0349])
CERTAIN_WEIGHTS = np.array([0.4382, 0.0165, 0.0381, 0.2037, 0.0042, 0.0226, 0.3521, 0.0349])
DELTA, TAU = 3.065, 0.025  # he prints 3.07; unrounded it gives his tables to their last digit or the one before


def idzorek_views(*confidences: float) -> list[View]:
    growth_over_value = {"US large growth": 0.9, "US large value": -0.9, "US small growth": 0.1, "US small value": -0.1}
    said = [({"Intl dev": 1.0}, 0.0525), ({"Intl bonds": 1.0, "US bonds": -1.0}, 0.0025), (growth_over_value, 0.02)]
    return [View(funds, expected, c) for (funds, expected), c in zip(said, confidences, strict=True)]


def held_at(mean: np.ndarray) -> np.ndarray:
    return np.linalg.solve(DELTA * IDZOREK_COV, mean)


def test_idzorek_s_implied_returns():
    assert equilibrium_mean(IDZOREK_COV, MARKET, risk_aversion=DELTA) == pytest.approx(IMPLIED, abs=1.0e-4)


def test_idzorek_s_combined_returns_and_weights():
    """Table 6 takes omega = tau p S p' (0.000709, 0.000141, 0.000866), which is a confidence of one half in each view."""
    prior = equilibrium_mean(IDZOREK_COV, MARKET, risk_aversion=DELTA)
    mean = black_litterman(ASSETS, prior, IDZOREK_COV, idzorek_views(0.5, 0.5, 0.5), TAU)
    assert mean == pytest.approx(COMBINED, abs=0.5e-4)
    assert held_at(mean) == pytest.approx(NEW_WEIGHTS, abs=2e-4)
    pick = np.array([[0, 0, 0, 0, 0, 0, 1, 0], [-1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0.9, -0.9, 0.1, -0.1, 0, 0]])
    omega = idzorek_omega(pick, IDZOREK_COV, np.full(3, 0.5), TAU)
    assert omega == pytest.approx([0.000709, 0.000141, 0.000866], abs=0.5e-6)


def test_idzorek_s_weights_at_certainty_and_the_confidences_he_reads_off_them():
    prior = equilibrium_mean(IDZOREK_COV, MARKET, risk_aversion=DELTA)
    certain = held_at(black_litterman(ASSETS, prior, IDZOREK_COV, idzorek_views(1.0, 1.0, 1.0)))
    half = held_at(black_litterman(ASSETS, prior, IDZOREK_COV, idzorek_views(0.5, 0.5, 0.5)))
    assert certain == pytest.approx(CERTAIN_WEIGHTS, abs=2e-4)
    implied = (half - MARKET)[:7] / (certain - MARKET)[:7]
    assert implied == pytest.approx([0.4306, 0.4306, 0.3302, 0.3302, 0.3302, 0.3302, 0.3294], abs=5e-4)


@pytest.mark.parametrize("confidence", [0.25, 0.5, 0.65])
def test_a_view_alone_tilts_by_its_confidence_of_the_way_to_certainty(confidence):
    """Idzorek's definition of confidence, each view by itself; so the closed form is his search's answer."""
    for view in idzorek_views(confidence, confidence, confidence):
        certain = black_litterman(ASSETS, IMPLIED, IDZOREK_COV, [View(view.funds, view.expected, 1.0)])
        moved = black_litterman(ASSETS, IMPLIED, IDZOREK_COV, [view])
        assert moved - IMPLIED == pytest.approx(confidence * (certain - IMPLIED), rel=1e-9)


def test_no_confidence_leaves_the_prior_and_certainty_makes_a_view_hold():
    assert (black_litterman(ASSETS, IMPLIED, IDZOREK_COV, idzorek_views(0, 0, 0)) == IMPLIED).all()
    mean = black_litterman(ASSETS, IMPLIED, IDZOREK_COV, idzorek_views(0.3, 1.0, 0.0))
    assert mean[1] - mean[0] == pytest.approx(0.0025, abs=1e-14)


def test_tau_does_not_show_where_confidences_set_omega():
    views = idzorek_views(0.25, 0.5, 0.65)
    means = [black_litterman(ASSETS, IMPLIED, IDZOREK_COV, views, tau) for tau in (0.01, 1.0)]
    assert means[0] == pytest.approx(means[1], rel=1e-12)


def test_a_certain_view_said_twice_counts_once_and_contradicting_ones_are_refused():
    once = black_litterman(ASSETS, IMPLIED, IDZOREK_COV, [View({"Intl dev": 1.0}, 0.06, 1.0)])
    twice = black_litterman(ASSETS, IMPLIED, IDZOREK_COV, [View({"Intl dev": 1.0}, 0.06, 1.0), View({"Intl dev": 2.0}, 0.12, 1.0)])
    assert twice == pytest.approx(once, rel=1e-9)
    with pytest.raises(DataError) as raised:
        black_litterman(ASSETS, IMPLIED, IDZOREK_COV, [View({"Intl dev": 1.0}, 0.06, 1.0), View({"Intl dev": 1.0}, 0.05, 1.0)])
    assert raised.value.code == "views_contradict"


def test_the_order_of_funds_and_views_does_not_show():
    order = [5, 2, 7, 0, 1, 6, 3, 4]
    straight = black_litterman(ASSETS, IMPLIED, IDZOREK_COV, idzorek_views(0.25, 0.5, 0.65))
    turned = black_litterman(
        [ASSETS[i] for i in order], IMPLIED[order], IDZOREK_COV[np.ix_(order, order)], idzorek_views(0.25, 0.5, 0.65)[::-1]
    )
    assert turned == pytest.approx(straight[order], rel=1e-12)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: View({}, 0.1, 0.5), "view_without_fund"),
        (lambda: View({"Intl dev": 0.0}, 0.1, 0.5), "view_without_fund"),
        (lambda: View({"Intl dev": 1.0}, float("nan"), 0.5), "view_not_finite"),
        (lambda: View({"Intl dev": 1.0}, 0.1, 1.1), "confidence_out_of_range"),
        (lambda: View({"Intl dev": 1.0}, 0.1, float("nan")), "confidence_out_of_range"),
        (lambda: black_litterman(ASSETS, IMPLIED, IDZOREK_COV, [View({"Mars": 1.0}, 0.1, 0.0)]), "unknown_view_fund"),
        (lambda: black_litterman(ASSETS, IMPLIED, IDZOREK_COV, [], 0.0), "tau_not_positive"),
        (lambda: black_litterman(("A",), np.zeros(1), np.zeros((1, 1)), [View({"A": 1}, 0.1, 0.5)]), "view_without_variance"),
        (lambda: equilibrium_mean(IDZOREK_COV, MARKET, risk_aversion=0.0), "risk_aversion_not_positive"),
        (lambda: reference_weights(("bond",), {"equity": 1.0}), "reference_mix_without_fund"),
        (lambda: past_mean("best", np.zeros((60, 2))), "unknown_mean"),
        (lambda: past_mean("bayes_stein", np.ones((10, 8))), "too_few_weeks_to_shrink"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_code(make, code):
    with pytest.raises(DataError) as raised:
        make()
    assert raised.value.code == code


def test_a_screen_score_says_half_a_point_at_a_quarter_s_confidence_at_most():
    for edge, confidence in [(0.30, 1.0), (-0.30, 0.9), (0.002, 0.1)]:
        view = screen_view("Intl dev", 0.048, edge, confidence)
        assert abs(view.expected - 0.048) <= 0.005 + 1e-15
        assert view.confidence <= 0.25
        moved = black_litterman(ASSETS, IMPLIED, IDZOREK_COV, [view])[6] - 0.048
        assert abs(moved) <= 0.00125 + 1e-15
        assert moved * edge > 0
    small = screen_view("A", 0.05, 0.002, 0.1)
    assert (small.funds, small.expected, small.confidence) == ({"A": 1.0}, pytest.approx(0.052), 0.1)


def test_a_class_assumption_is_cash_plus_beta_times_the_class_premium():
    means = class_assumption_mean(np.array([0.07, 0.07, 0.016]), 0.015, np.array([1.0, 1.2, 0.0]))
    assert means == pytest.approx([0.07, 0.081, 0.015])


def test_a_reference_mix_is_spread_over_each_class_and_over_the_classes_that_have_funds():
    weights, missing = reference_weights(("bond", "equity", "bond"), {"bond": 0.4, "equity": 0.4, "gold": 0.2})
    assert weights == pytest.approx([0.25, 0.5, 0.25])
    assert missing == ("gold",)


def test_james_stein_on_the_batting_averages_of_1970():
    """Efron and Morris, "Stein's Paradox in Statistics", Scientific American 236 (1977): 18 players after 45 at bats.

    They find a grand average of .265 and a factor of .212.
    """
    batted = np.array([0.400, 0.378, 0.356, 0.333, 0.311, 0.311, 0.289, 0.267, 0.244, 0.244] + 5 * [0.222] + [0.200, 0.178, 0.156])
    error = batted.mean() * (1 - batted.mean()) / 45 * np.eye(18)
    shrunk, weight = james_stein_mean(batted, error)
    assert weight == pytest.approx(1 - 0.212, abs=5e-4)
    assert shrunk == pytest.approx(0.265 + 0.212 * (batted - 0.265), abs=5e-4)


def test_bayes_stein_is_jorion_s_formula_written_out():
    returns = np.random.default_rng(0).normal(0.002, 0.02, (120, 5)) @ np.diag([0.5, 1, 1, 2, 3])
    t, n = returns.shape
    sigma = (returns - returns.mean(axis=0)).T @ (returns - returns.mean(axis=0)) / (t - n - 2)
    inverse, mean, one = np.linalg.inv(sigma), returns.mean(axis=0), np.ones(n)
    centre = (one @ inverse @ mean) / (one @ inverse @ one)
    weight = (n + 2) / (n + 2 + t * (mean - centre) @ inverse @ (mean - centre))
    found = past_mean("bayes_stein", returns)
    assert found.shrinkage == pytest.approx(weight, rel=1e-9)
    assert found.mean == pytest.approx((1 - weight) * mean + weight * centre, rel=1e-9)


def test_shrinking_leaves_a_mean_without_error_alone():
    mean, error = np.array([0.0004, 0.001, 0.003, -0.002, 0.004, 0.002]), np.diag([0.0, 1, 1, 1, 1, 1]) * 1e-6
    for shrink in (james_stein_mean, bayes_stein_mean):
        shrunk, weight = shrink(mean, error)
        assert shrunk[0] == 0.0004
        assert 0 < weight < 1
        assert np.ptp(shrunk[1:]) < np.ptp(mean[1:])
    assert bayes_stein_mean(mean, np.zeros((6, 6)))[0] == pytest.approx(mean)


def test_three_means_are_too_few_for_stein():
    assert james_stein_mean(np.array([0.1, 0.2, 0.6]), np.eye(3))[1] == 0.0


@pytest.mark.parametrize("name", PAST_MEANS)
def test_the_order_of_funds_does_not_show_in_past_means(name):
    returns = np.random.default_rng(2).normal(0.001, 0.02, (150, 6))
    returns[:60, 4] = np.nan
    order = [3, 5, 0, 4, 1, 2]
    found, turned = past_mean(name, returns), past_mean(name, returns[:, order])
    assert turned.mean == pytest.approx(found.mean[order], rel=1e-12, abs=1e-15)
    assert "unequal_histories" in found.notes


def test_the_path_of_advice_reaches_no_mean_of_past_returns():
    """Barred by construction: nothing that selectors.risk or services.solving imports, however far, reads means off history."""

    def imported(module: str) -> set[str]:
        path = ROOT / (module.replace(".", "/") + ".py")
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if path.exists() else ():
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("portfolios."):
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        return names

    reached, fresh = set(), {"portfolios.selectors.risk", "portfolios.services.solving"}
    while fresh:
        reached |= fresh
        fresh = {name for module in fresh for name in imported(module)} - reached
    assert "portfolios.kernels.moments" in reached
    assert not {name for name in reached if name.startswith(("portfolios.kernels.means", "portfolios.services.estimating"))}
