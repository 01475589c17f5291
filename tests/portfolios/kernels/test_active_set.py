"""The exact polish: proven at the kinks of costs, at the turnover limit and in ties, from whatever start."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from portfolios.kernels.active_set import from_weights, polish
from portfolios.kernels.faces import KINK, LOW, face_of, is_last, line_on
from portfolios.kernels.feasible import feasible_weights
from portfolios.kernels.standard import Quadratic
from tests.portfolios.kernels.problems import best_value, random_problem, shuffled

seeds = st.integers(0, 100_000)


def problem_of(cov, gain, *, current=None, buy=0.0, sell=0.0, low=0.0, high=1.0, max_trade=np.inf):
    n = len(gain)
    fill = [np.broadcast_to(np.asarray(x, float), n).copy() for x in (low, high, 0.0 if current is None else current, buy, sell)]
    return Quadratic(np.asarray(cov, float), np.asarray(gain, float), np.ones((1, n)), np.ones(1), np.ones(1), *fill, max_trade)


def violation_of_optimality(problem, found):
    """The largest violation of the Karush-Kuhn-Tucker conditions, written down anew from the prices found."""
    w, theta = found.weights, found.trade_price
    slope = problem.cov @ w - problem.gain - found.row_prices @ problem.rows
    trade = w - problem.current
    up, down = slope + problem.buy + theta, slope - problem.sell - theta
    rise = np.where(trade >= -1e-12, up, down)
    fall = np.where(trade <= 1e-12, down, up)
    rows = problem.rows @ w
    missed = [np.maximum(problem.low - w, w - problem.high).max(), np.maximum(problem.row_low - rows, rows - problem.row_high).max()]
    worse = [np.where(w < problem.high, -rise, 0.0).max(), np.where(w > problem.low, fall, 0.0).max()]
    worse.append(np.where(rows > problem.row_low + 1e-9, found.row_prices, 0.0).max())
    worse.append(np.where(rows < problem.row_high - 1e-9, -found.row_prices, 0.0).max())
    if np.isfinite(problem.max_trade):
        total = np.abs(trade).sum()
        missed.append(total - problem.max_trade)
        worse.append(theta if total < problem.max_trade - 1e-9 else 0.0)
    return max(*missed, *worse)


@settings(max_examples=40, deadline=None)
@given(seeds)
@example(44818)  # a vertex at which the sum and the turnover limit imply each other
@example(94078)
def test_every_optimum_satisfies_the_optimality_conditions(seed):
    problem, kept = random_problem(seed)
    found = from_weights(problem, kept)
    assert violation_of_optimality(problem, found) <= 1e-10
    assert found.residual <= 1e-10
    assert abs(found.weights.sum() - 1) <= 1e-12
    assert (found.weights >= problem.low).all() and (found.weights <= problem.high).all()


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_order_and_start_do_not_matter_not_even_in_ties(seed):
    problem, kept = random_problem(seed)
    other, order = shuffled(problem, seed)
    n = len(order)
    again = from_weights(other, np.full(n, 1.0 / n))
    assert np.abs(again.weights - from_weights(problem, kept).weights[order]).max() <= 1e-9


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_second_solver_finds_nothing_better(seed):
    problem, kept = random_problem(seed, n_max=8)
    size = max(np.abs(problem.gain).max(), np.abs(problem.cov).max()) or 1.0
    assert abs(problem.value(from_weights(problem, kept).weights) - best_value(problem)) <= 1e-7 * size


def test_a_gap_of_a_ten_billionth_between_identical_funds_decides():
    problem = problem_of(np.full((3, 3), 0.04), [0.05, 0.05 + 1e-10, 0.05 - 1e-10], high=0.6)
    assert from_weights(problem, np.full(3, 1 / 3)).weights == pytest.approx([0.4, 0.6, 0.0], abs=1e-15)


def test_identical_funds_share_what_falls_to_them():
    cov = np.array([[0.04, 0.04, 0.0], [0.04, 0.04, 0.0], [0.0, 0.0, 0.01]])
    found = from_weights(problem_of(cov, [0.02, 0.02, 0.01]), np.array([1.0, 0.0, 0.0]))
    # 0.04 x - 0.02 = 0.01 (1 - x) - 0.01 for the pair's share x, which is halved between them
    assert found.weights == pytest.approx([0.2, 0.2, 0.6], abs=1e-15)


def test_a_trade_that_costs_more_than_it_gains_is_not_made():
    cov, current = np.diag([0.04, 0.04]), np.array([0.52, 0.48])
    dear = from_weights(problem_of(cov, [0.0, 0.0], current=current, buy=0.001, sell=0.001), current)
    assert (dear.weights == current).all()
    cheap = from_weights(problem_of(cov, [0.0, 0.0], current=current, buy=0.0002, sell=0.0002), current)
    # the marginal gain 0.04 (w0 - w1) falls to the cost of a sale and a purchase, 0.0004
    assert cheap.weights == pytest.approx([0.505, 0.495], abs=1e-15)


def test_a_fund_held_at_its_lower_limit_is_bought_or_left():
    problem = problem_of(np.diag([0.04, 0.04]), [0.0, 0.0], current=[0.0, 1.0], buy=0.03, sell=0.0)
    found = from_weights(problem, np.array([0.5, 0.5]))
    # buying costs 0.03 and gains 0.04 (w1 - w0), so it goes on to w1 - w0 = 0.75
    assert found.weights == pytest.approx([0.125, 0.875], abs=1e-15)


def test_the_turnover_limit_is_used_up_and_priced():
    problem = problem_of(np.diag([0.04, 0.04]), [0.0, 0.0], current=[1.0, 0.0], max_trade=0.4)
    found = from_weights(problem, np.array([0.5, 0.5]))
    assert found.weights == pytest.approx([0.8, 0.2], abs=1e-15)
    # one more unit of trade moves half a unit between funds whose slopes differ by 0.04 (0.8 - 0.2)
    assert found.trade_price == pytest.approx(0.012, abs=1e-15)


def test_a_pair_of_equal_bounds_has_a_price_on_the_side_that_binds():
    cov = np.diag([0.04, 0.04])
    wanted_more = from_weights(problem_of(cov, [0.05, 0.0], low=[0.3, 0.0], high=[0.3, 1.0]), np.array([0.3, 0.7]))
    assert wanted_more.high_prices[0] > 0.0 and wanted_more.low_prices[0] == 0.0
    wanted_less = from_weights(problem_of(cov, [-0.05, 0.0], low=[0.3, 0.0], high=[0.3, 1.0]), np.array([0.3, 0.7]))
    assert wanted_less.low_prices[0] > 0.0 and wanted_less.high_prices[0] == 0.0


def is_same_face(one, other):
    return all(np.array_equal(getattr(one, x), getattr(other, x)) for x in ("funds", "rows", "trades", "turnover"))


@settings(max_examples=20, deadline=None)
@given(seeds)
@example(180)  # ties whose even weights rest on a turnover limit that has no price
@example(4083)
@example(13143)
def test_on_one_face_weights_are_linear_in_the_risk_tolerance(seed):
    problem, kept = random_problem(seed)
    found = from_weights(problem, kept)
    line = line_on(problem, found.face)
    if line is None:
        return
    assert line.start + line.step == pytest.approx(found.weights, rel=0, abs=1e-11)
    further = replace(problem, gain=1.000001 * problem.gain, buy=1.000001 * problem.buy, sell=1.000001 * problem.sell)
    same = polish(further, found.face)
    if same is not None and is_same_face(same.face, found.face):
        assert same.weights - found.weights == pytest.approx(1e-6 * line.step, rel=0, abs=1e-11)


def test_even_weights_that_rest_on_the_turnover_limit_say_so():
    problem = problem_of(np.zeros((2, 2)), [0.02, 0.02], current=[1.0, 0.0], max_trade=0.4)
    found = from_weights(problem, np.array([1.0, 0.0]))
    assert found.weights == pytest.approx([0.8, 0.2], abs=1e-15)
    assert found.face.turnover
    assert found.trade_price == 0.0


def test_the_face_of_the_highest_return_is_the_last():
    problem = problem_of(np.diag([0.04, 0.01]), [50.0, 1.0])
    found = from_weights(problem, np.array([0.5, 0.5]))
    assert is_last(problem, found.face, line_on(problem, found.face))
    calm = replace(problem, gain=0.0001 * problem.gain)
    near = from_weights(calm, np.array([0.5, 0.5]))
    assert not is_last(calm, near.face, line_on(calm, near.face))


def test_a_guess_names_the_limits_and_kinks_within_its_slack():
    problem = problem_of(np.eye(3), np.zeros(3), current=[0.3, 0.2, 0.0], buy=0.01)
    face = face_of(problem, np.array([0.3 + 1e-9, 0.7 - 1e-9, 0.0]), 1e-8)
    assert face.funds.tolist() == [KINK, 0, LOW]
    assert face.trades.tolist() == [0, 1, 1]


def test_contradicting_limits_have_no_weights_and_tight_ones_have():
    tight = problem_of(np.eye(10), np.zeros(10), high=0.1)
    assert feasible_weights(tight) == pytest.approx(np.full(10, 0.1), abs=1e-9)
    assert feasible_weights(replace(tight, high=tight.high - 1e-8)) is None
    assert feasible_weights(replace(tight, max_trade=0.9)) is None
    assert feasible_weights(replace(tight, max_trade=1.0)) is not None
    crossed = replace(tight, low=np.full(10, 0.2))
    assert feasible_weights(crossed) is None


def test_funds_that_differ_by_the_root_of_rounding_have_an_optimum():
    """Their difference has no variance, but S times it is no rounding: it is the slope along which the better one is bought."""
    one, both, other = 0.1059757581106969, 0.10597575878377893, 0.10597575945686098
    cov = [[0.16176434363331286, 0.0, 0.0], [0.0, one, both], [0.0, both, other]]
    found = from_weights(problem_of(cov, np.zeros(3), low=[0.0, 0.1, 0.1], high=[0.0, 1.0, 1.0]), np.array([0.0, 0.1, 0.9]))
    assert found is not None
    assert found.weights == pytest.approx([0.0, 0.9, 0.1], abs=1e-15)
