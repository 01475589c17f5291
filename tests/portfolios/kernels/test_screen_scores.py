"""The figures of the screen, by hand and against plain loops over single funds."""

from dataclasses import replace

import numpy as np
import pytest

from portfolios.kernels.gates import style_measures
from portfolios.kernels.market_record import Record, grid_until, group_means, record_of
from portfolios.kernels.scores import (
    AS_IT_WAS,
    figures,
    information_ratio,
    morningstar,
    past_of,
    redraw,
    redrawn_falls,
    tracking_error,
)
from portfolios.kernels.screen_types import DeadFunds, MarketData
from portfolios.kernels.types import ReturnMatrix
from tests.portfolios.kernels.small_market import GRID, RULES, market


@pytest.fixture(scope="module")
def small() -> MarketData:
    return market(70)


@pytest.fixture(scope="module")
def past(small):
    return past_of(small, style_measures(small, RULES.style_classes)[0], RULES.cash_rate)


def test_morningstar_return_of_two_months_by_hand():
    # 1+ER of 1.10 and .95: mean of 1.10^-2 and .95^-2 is .967239, to the power -6 is 1.2213.
    excess = np.array([[1.10], [0.95]])
    found = morningstar(excess**-2.0, np.ones((1, 2)))
    mean = (1 / 1.21 + 1 / 0.9025) / 2
    assert mean == pytest.approx(0.967239, abs=1e-6)
    assert found[0, 0] == pytest.approx(mean**-6 - 1)
    assert found[0, 0] == pytest.approx(0.22130, abs=1e-4)


def test_morningstar_return_of_a_steady_fund_is_its_yearly_excess():
    steady = np.full((36, 1), 1.01)
    assert morningstar(steady**-2.0, np.ones((1, 36)))[0, 0] == pytest.approx(1.01**12 - 1)


def test_morningstar_likes_the_calmer_of_two_funds_with_one_mean():
    calm, wild = np.tile([0.02, 0.00], 18), np.tile([0.11, -0.09], 18)
    found = morningstar(np.stack([1 + calm, 1 + wild], axis=1) ** -2.0, np.ones((1, 36)))
    assert found[0, 0] > found[0, 1]


def test_figures_agree_with_a_loop_over_funds(small, past):
    facts, record = small.facts, small.record
    active = np.flatnonzero(facts.kind == "active")
    found = figures(small, past, active, "active", AS_IT_WAS)
    cash = (1 + RULES.cash_rate) ** (1 / 12)
    for column, fund in enumerate(active):
        peers = facts.category == facts.category[fund]
        returns = record.month_values[1:, fund] / record.month_values[:-1, fund] - 1
        every = record.month_values[1:, peers] / record.month_values[:-1, peers] - 1
        mean = every.mean(axis=1)
        ahead = (returns - mean)[-36:]
        assert found["mrar_5y"][0, column] == pytest.approx(np.mean(((1 + returns) / cash) ** -2.0) ** -6 - 1)
        assert found["information_ratio"][0, column] == pytest.approx(ahead.mean() / ahead.std() * np.sqrt(12))
        years = record.month_values[12:] / record.month_values[:-12] - 1
        wins = [years[month, fund] > np.median(years[month, peers]) for month in range(len(years))][-25:]
        ties = [years[month, fund] == np.median(years[month, peers]) for month in range(len(years))][-25:]
        assert found["win_rate"][0, column] == pytest.approx(np.mean(wins) + np.mean(ties) / 2)
        assert found["calmar"][0, column] == pytest.approx(
            (np.prod(1 + returns[-36:]) ** (1 / 3) - 1) / max(record.deepest_fall[fund], 1e-4)
        )


def test_the_deepest_fall_is_that_of_days_and_of_the_window_only():
    days = np.arange(GRID.first_day, GRID.last_day + 1)
    values = np.ones((len(days), 3))
    outside, inside = days < GRID.month_ends[-38], days > GRID.month_ends[-10]
    values[outside & (days > GRID.first_day + 30), 0] = 0.5
    values[inside, 1] = 0.7
    values[np.flatnonzero(inside)[5], 2] = 0.9  # one bad day that no month end shows
    found = record_of(ReturnMatrix(("A", "B", "C"), days, values), GRID).deepest_fall
    np.testing.assert_allclose(found, [0.0, 0.3, 0.1])


def test_the_seven_day_yield_is_the_last_weeks_return_a_year():
    days = np.arange(GRID.last_day - 20, GRID.last_day + 1)
    values = (1.02 ** ((days - days[0]) / 365))[:, None]
    assert record_of(ReturnMatrix(("A",), days, values), GRID).seven_day[0] == pytest.approx(0.02)


def test_the_grid_holds_whole_months_and_weeks():
    from datetime import date

    grid = grid_until(date(2024, 3, 28).toordinal(), date(2024, 2, 29).toordinal())
    ends = [date.fromordinal(int(day)) for day in grid.month_ends]
    assert ends[-2:] == [date(2024, 1, 31), date(2024, 2, 29)] and ends[0] == date(2019, 2, 28)
    assert len(ends) == 61 and len(grid.week_ends) == 157
    assert set(np.diff(grid.week_ends)) == {7} and grid.last_day == date(2024, 3, 28).toordinal()


def test_no_price_of_the_last_fortnight_is_no_value():
    days = np.arange(GRID.first_day, GRID.last_day - 15)
    found = record_of(ReturnMatrix(("A",), days, np.ones((len(days), 1))), GRID)
    assert np.isnan(found.week_values[-1, 0])
    assert np.isfinite(found.week_values[:-3]).all()


def test_a_mean_of_a_group_holds_who_lived_then():
    returns = np.array([[0.1, 0.3, np.nan], [0.1, np.nan, 0.5]])
    found = group_means(returns, np.array([0, 0, 1]), 3)
    np.testing.assert_allclose(found, [[0.2, np.nan, np.nan], [0.1, 0.5, np.nan]])


def test_a_dead_fund_lowers_the_bar_of_its_time(small, past):
    losing = np.cumprod(np.vstack([np.ones((1, 1)), np.full((60, 1), 0.97)]), axis=0)
    weeks = np.ones((157, 1))
    category = str(small.facts.category[small.facts.kind == "active"][0])
    one = Record(losing, weeks, np.zeros(1), np.zeros(1))
    dead = DeadFunds(np.array([category]), np.array(["bond"]), one)
    with_dead = past_of(replace(small, dead=dead), past.style, RULES.cash_rate)
    mine = small.facts.category == category
    assert (with_dead.ahead[:, mine] > past.ahead[:, mine]).all()
    np.testing.assert_array_equal(with_dead.ahead[:, ~mine], past.ahead[:, ~mine])


def test_a_fund_that_is_its_benchmark_has_no_information_ratio_to_speak_of():
    assert information_ratio(np.zeros((36, 1)), np.ones((1, 36)))[0, 0] == 0.0


def test_a_tracker_is_measured_against_the_others_of_its_index():
    rng = np.random.default_rng(4)
    ours, theirs = rng.standard_normal((2, 156)) * 0.03
    good, bad = 0.0002, 0.003
    weeks = np.stack([ours] * 8 + [theirs] * 8, axis=1) + rng.standard_normal((156, 16)) * np.array(([good] * 7 + [bad]) * 2)
    data = market(16, categories=("index",))
    values = np.vstack([np.ones((1, 16)), np.cumprod(1 + weeks, axis=0)])
    data = replace(data, record=replace(data.record, week_values=values))
    past = past_of(data, np.full((12, 16), np.nan), RULES.cash_rate)
    found = tracking_error(past, np.arange(16), np.ones((1, 36)))[0]
    poor = np.arange(16) % 8 == 7
    assert found[~poor].max() < 0.005 < 0.015 < found[poor].min()


def test_share_classes_of_one_fund_do_not_vouch_for_each_other():
    data = market(8, categories=("index",), family=np.array(["TWIN", "TWIN", "", "", "", "", "", ""]))
    weeks = np.array(data.record.week_values)
    weeks[:, 1] = weeks[:, 0]
    data = replace(data, record=replace(data.record, week_values=weeks))
    past = past_of(data, np.full((12, 8), np.nan), RULES.cash_rate)
    found = tracking_error(past, np.arange(8), np.ones((1, 36)))[0]
    assert found[0] > 1e-4


def test_a_tracker_younger_than_a_year_has_no_tracking_error():
    data = market(8, categories=("index",))
    weeks = np.array(data.record.week_values)
    weeks[:-40, 0] = np.nan
    data = replace(data, record=replace(data.record, week_values=weeks))
    past = past_of(data, np.full((12, 8), np.nan), RULES.cash_rate)
    found = tracking_error(past, np.arange(8), np.ones((1, 36)))[0]
    assert np.isnan(found[0]) and np.isfinite(found[1:]).all()


def test_counting_every_month_once_is_the_past_itself(small, past):
    active = np.flatnonzero(small.facts.kind == "active")
    once = replace(AS_IT_WAS, path=np.arange(36)[None, :])
    as_was = figures(small, past, active, "active", AS_IT_WAS)
    drawn = figures(small, past, active, "active", once)
    for name in set(as_was) - {"fall", "calmar"}:
        np.testing.assert_allclose(drawn[name], as_was[name])
    assert (-drawn["fall"] <= -as_was["fall"] + 1e-12).all(), "month ends see no deeper fall than days"


def test_redrawn_falls_of_two_orders_by_hand():
    returns = np.array([[0.10], [-0.50], [0.20]])
    falls, years = redrawn_falls(returns, np.array([[0, 1, 2], [1, 1, 2]]))
    np.testing.assert_allclose(falls[:, 0], [0.5, 0.75])
    np.testing.assert_allclose(years[:, 0], [(1.1 * 0.5 * 1.2) ** 4 - 1, (0.25 * 1.2) ** 4 - 1])


def test_a_draw_holds_as_many_months_as_the_past_in_whole_blocks():
    draws = redraw(np.random.default_rng(0), 50, 6)
    assert (draws.five_years.sum(axis=1) == 60).all() and (draws.three_years.sum(axis=1) == 36).all()
    assert (draws.windows.sum(axis=1) == 25).all() and (draws.quarters.sum(axis=1) == 12).all()
    steps = np.diff(draws.path, axis=1) % 36
    inside = np.arange(1, 36) % 6 != 0
    assert (steps[:, inside] == 1).all()
    np.testing.assert_allclose(draws.five_years.mean(), 1.0)
