"""Style analysis against two independent solvers, and what a change of style looks like."""

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import minimize

from portfolios.kernels.styles import MOST_CLASSES, distances_from_mean, quarterly_styles, style_shift, style_weights


def returns(n_weeks=52, n_classes=5, n_funds=12, *, seed=0, noise=0.01):
    rng = np.random.default_rng(seed)
    classes = rng.standard_normal((n_weeks, n_classes)) * np.array([0.0003, 0.004, 0.03, 0.025, 0.02, 0.03][:n_classes])
    mixes = rng.dirichlet(np.full(n_classes, 0.5), n_funds)
    return classes @ mixes.T + rng.standard_normal((n_weeks, n_funds)) * noise, classes, mixes


def left(fund, classes, weights):
    return float(np.var(fund - classes @ weights))


@pytest.mark.parametrize("seed", range(4))
def test_no_other_solver_leaves_a_fund_less_variance(seed):
    funds, classes, _ = returns(seed=seed)
    found = style_weights(funds, classes)
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-9)
    centred = classes - classes.mean(axis=0)
    for column, weights in enumerate(found):
        fund = funds[:, column]
        mix = cp.Variable(classes.shape[1])
        problem = cp.Problem(cp.Minimize(cp.sum_squares(100 * (fund - fund.mean() - centred @ mix))), [mix >= 0, cp.sum(mix) == 1])
        problem.solve(solver="CLARABEL")
        assert left(fund, classes, weights) <= left(fund, classes, mix.value) + 1e-9
        guess = minimize(
            lambda w, fund=fund: 1e4 * left(fund, classes, w), np.full(5, 0.2), method="SLSQP", bounds=[(0, 1)] * 5,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        )  # fmt: skip
        assert left(fund, classes, weights) <= left(fund, classes, guess.x) + 1e-9


def test_a_mix_without_noise_is_found_again():
    funds, classes, mixes = returns(noise=0.0)
    np.testing.assert_allclose(style_weights(funds, classes), mixes, atol=1e-4)


def test_a_steady_surplus_is_no_style():
    funds, classes, _ = returns()
    np.testing.assert_allclose(style_weights(funds + 0.02, classes), style_weights(funds, classes), atol=1e-9)


def test_classes_that_move_as_one_are_no_failure():
    funds, classes, _ = returns(n_classes=3)
    twice = np.hstack([classes, classes[:, -1:]])
    found = style_weights(funds, twice)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-9)
    np.testing.assert_allclose(found[:, 2] + found[:, 3], style_weights(funds, classes)[:, 2], atol=1e-4)


def test_a_fund_with_a_gap_has_no_style_and_others_keep_theirs():
    funds, classes, _ = returns()
    broken = funds.copy()
    broken[7, 3] = np.nan
    found = style_weights(broken, classes)
    assert np.isnan(found[3]).all()
    np.testing.assert_allclose(np.delete(found, 3, axis=0), np.delete(style_weights(funds, classes), 3, axis=0))


def test_more_classes_than_can_be_tried_are_refused():
    with pytest.raises(ValueError, match="style analysis"):
        style_weights(np.zeros((30, 1)), np.zeros((30, MOST_CLASSES + 1)))


def test_a_fund_that_keeps_its_style_is_steadier_than_one_that_changes_it():
    rng = np.random.default_rng(3)
    classes = rng.standard_normal((156, 3)) * np.array([0.0003, 0.004, 0.03])
    steady = classes @ np.array([0.2, 0.3, 0.5])
    wandering = np.where(np.arange(156) < 78, classes[:, 2], classes[:, 1])
    funds = np.stack([steady, wandering], axis=1) + rng.standard_normal((156, 2)) * 0.001
    apart = distances_from_mean(quarterly_styles(funds, classes)).mean(axis=0)
    assert apart[0] < 0.3 < 0.6 < apart[1]


def test_a_change_of_style_shows_in_the_last_year_and_noise_does_not():
    funds, classes, mixes = returns(156, 3, 40, noise=0.012, seed=8)
    changed = funds.copy()
    changed[-52:] += classes[-52:] @ (np.array([0.0, 0.0, 1.0]) - mixes).T
    moves = mixes[:, 2] < 0.3
    assert moves.sum() > 5
    distance, ratio = style_shift(changed[:, moves], classes, 52)
    assert (distance > 0.5).all() and (ratio > 1.5).all()
    _, quiet = style_shift(funds, classes, 52)
    assert (quiet < 1.5).mean() > 0.95
