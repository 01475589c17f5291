"""The estimator of record: a stationary block bootstrap of weekly returns."""

import numpy as np
import pytest

from portfolios.kernels.errors import DataError
from portfolios.kernels.risk import NORMAL_CVAR_95, Record, cvar_of_record, stationary_draws


def normal_weeks(volatility: float, n_weeks: int = 3000, seed: int = 1) -> np.ndarray:
    weeks = np.random.default_rng(seed).normal(0.0, volatility / np.sqrt(52), (n_weeks, 1))
    return (weeks - weeks.mean()) / weeks.std() * volatility / np.sqrt(52)


def test_independent_normal_weeks_come_near_the_normal_form():
    """With log-normal years the loss is a little smaller than 2.0627 vol - mean; at 6 % volatility by less than half a point."""
    record = Record(normal_weeks(0.06), cash_rate=0.015)
    found = cvar_of_record(record, np.array([1.0]), expected_return=0.03)
    assert found == pytest.approx(NORMAL_CVAR_95 * 0.06 - 0.03, abs=0.006)


def test_losses_that_last_for_weeks_cost_more_than_the_same_volatility_without_memory():
    random = np.random.default_rng(3)
    shocks = random.normal(0, 0.02, 3000)
    lasting = np.convolve(shocks, np.full(6, 1 / np.sqrt(6)), mode="valid")
    shuffled = random.permutation(lasting)
    by_blocks, without = (cvar_of_record(Record(weeks[:, None], 0.015), np.array([1.0]), 0.03) for weeks in (lasting, shuffled))
    assert by_blocks > without + 0.05


def test_the_mean_is_the_one_given_and_never_above_cash_and_three_points():
    record = Record(normal_weeks(0.1), cash_rate=0.015)
    at = {mean: cvar_of_record(record, np.array([1.0]), mean) for mean in (0.02, 0.045, 0.2)}
    # A year multiplies: a higher mean lifts the worst years by what is left of the money in them.
    left = 1 - at[0.045]
    assert at[0.02] - at[0.045] == pytest.approx(0.025 * left, abs=0.001)
    assert at[0.2] == at[0.045]
    assert cvar_of_record(record, np.array([1.0]), 0.045, annual_costs=0.01) - at[0.045] == pytest.approx(0.01 * left, abs=0.001)


def test_only_weeks_that_all_held_funds_know_are_drawn():
    weeks = np.column_stack([normal_weeks(0.1, 400, 1)[:, 0], normal_weeks(0.2, 400, 2)[:, 0]])
    weeks[:250, 1] = np.nan
    both = cvar_of_record(Record(weeks, 0.015), np.array([0.5, 0.5]), 0.03)
    later = cvar_of_record(Record(weeks[250:], 0.015), np.array([0.5, 0.5]), 0.03)
    assert both == later
    assert cvar_of_record(Record(weeks, 0.015), np.array([1.0, 0.0]), 0.03) == cvar_of_record(
        Record(weeks[:, :1], 0.015), np.array([1.0]), 0.03
    )


def test_too_few_common_weeks_are_refused():
    weeks = normal_weeks(0.1, 103)
    with pytest.raises(DataError) as refused:
        cvar_of_record(Record(weeks, 0.015), np.array([1.0]), 0.03)
    assert refused.value.code == "too_few_common_weeks"


def test_the_same_seed_draws_the_same_paths_in_blocks_of_about_eight_weeks():
    draws = stationary_draws(500, 2000, 52, 7)
    assert np.array_equal(draws, stationary_draws.__wrapped__(500, 2000, 52, 7))
    goes_on = (draws[:, 1:] - draws[:, :-1]) % 500 == 1
    assert goes_on.mean() == pytest.approx(7 / 8, abs=0.01)
    assert np.bincount(draws.ravel(), minlength=500).min() > 0


def test_a_money_market_fund_that_never_loses_has_a_negative_cvar():
    weeks = np.full((200, 1), 0.0003)
    assert cvar_of_record(Record(weeks, 0.015), np.array([1.0]), 0.016) == pytest.approx(-0.016, abs=1e-9)
