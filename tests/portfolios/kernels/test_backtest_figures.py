"""What a path of wealth amounts to, and what bad times did to it: figures worked out by hand."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolios.kernels.backtest import Trade, Walk
from portfolios.kernels.backtest_figures import calendar_years, category_growth, costs_of, path_figures, rolling_year, spread
from portfolios.kernels.errors import DataError
from portfolios.kernels.returns import months_of
from portfolios.kernels.stress import lived, replayed, shocked

START = date(2019, 12, 31).toordinal()
DAYS = START + np.arange(3 * 366)


def path_of(*levels):
    """Straight lines between levels, evenly spread over three years."""
    return np.interp(np.arange(len(DAYS)), np.linspace(0, len(DAYS) - 1, len(levels)), levels)


def test_the_return_a_year_is_geometric_and_a_steady_path_has_no_fall():
    steady = 1.05 ** ((DAYS - START) / 365.25)
    found = path_figures(DAYS, steady)
    assert found.annual_return == pytest.approx(0.05)
    assert (found.deepest_fall, found.under_water_days) == (0.0, 1)
    assert found.volatility == pytest.approx(0.0, abs=1e-9)
    assert found.realised_cvar == pytest.approx(-0.05, abs=2e-4)
    assert found.worst_rolling_year == pytest.approx(0.05, abs=2e-4)


def test_time_under_water_is_from_a_high_until_it_is_reached_again_or_the_last_day():
    again = path_figures(DAYS, path_of(1.0, 2.0, 1.0, 3.0))
    assert again.deepest_fall == pytest.approx(-0.5, abs=1e-2)
    third = (len(DAYS) - 1) / 3
    assert again.under_water_days == pytest.approx(third * 1.5, abs=2)
    assert path_figures(DAYS, path_of(1.0, 2.0, 1.0)).under_water_days == pytest.approx(1.5 * third, abs=2)


def test_the_realised_cvar_is_the_mean_of_the_worst_twentieth_of_rolling_years():
    path = path_of(1.0, 1.4, 0.9, 1.6, 1.2)
    rolling = rolling_year(DAYS, path)
    assert np.isnan(rolling[:365]).all() and np.isfinite(rolling[366:]).all()
    worst = np.sort(rolling[np.isfinite(rolling)])
    assert path_figures(DAYS, path).realised_cvar == pytest.approx(-worst[: round(0.05 * len(worst))].mean())


def test_calendar_years_count_from_the_last_day_of_the_year_before_and_say_which_are_whole():
    path = np.where(date(2021, 1, 1).toordinal() > DAYS, 1.0, 1.1)
    years = calendar_years(DAYS, path)
    assert [(year, is_whole) for year, _value, is_whole in years] == [(2020, True), (2021, True), (2022, True), (2023, False)]
    assert {year: round(value, 9) for year, value, _whole in years}[2021] == pytest.approx(0.1)
    assert path_figures(DAYS, path).worst_year == 0.0


def test_a_path_of_some_weeks_has_no_figures():
    with pytest.raises(DataError, match="path_too_short"):
        path_figures(DAYS[:60], np.ones(60))


def test_costs_count_every_fee_and_no_turnover_for_the_first_purchase():
    trades = (
        Trade(0, 0, 10.0, 10.0, 101.0, 1.0, 0),
        Trade(5, 0, -5.0, 10.0, 50.0, 0.5, 9),
        Trade(9, 1, 4.9, 10.0, 49.5, 0.49, 9),
    )
    days = START + np.arange(366)
    found = costs_of(Walk(0, np.full(366, 100.0), np.full(366, 10.0), trades), days)
    assert (found.purchase_fees, found.redemption_fees, found.n_trades) == (pytest.approx(1.49), 0.5, 3)
    assert found.fees_a_year == pytest.approx(0.0199, rel=1e-2)
    assert found.turnover_a_year == pytest.approx(0.495, rel=1e-2)
    assert found.idle_share == pytest.approx(0.1)


def test_the_category_average_weighs_each_category_alike_and_each_of_its_living_funds_alike():
    days = START + np.arange(10)
    values = np.ones((10, 3))
    values[5:, 0], values[5:, 1] = 1.2, 1.0
    values[5:, 2] = 1.1
    growth = category_growth(values, np.array([0, 0, 1]), months_of(days) * 0)
    assert growth[4] == 1.0 and growth[5] == pytest.approx(0.5 * 1.1 + 0.5 * 1.1)
    values[7:, 0] = np.nan  # it ends with its last price
    assert category_growth(values, np.array([0, 0, 1]), months_of(days) * 0)[-1] == pytest.approx(1.1)


@given(st.integers(0, 10_000), st.integers(2, 2_000), st.integers(5, 300))
def test_the_shown_days_keep_the_ends_and_each_paths_deepest_fall(seed, n, most):
    random = np.random.default_rng(seed)
    paths = np.cumprod(1 + random.normal(0, 0.02, (n, 2)), axis=0)
    kept = spread(np.arange(n), paths, most)
    assert (kept[0], kept[-1]) == (0, n - 1) and len(kept) <= most + 6
    for path in paths.T:
        fall = path / np.maximum.accumulate(path) - 1.0
        assert (path[kept] / np.maximum.accumulate(path[kept]) - 1.0).min() == pytest.approx(fall.min())


def test_a_bad_time_is_lived_through_only_where_the_path_covers_it():
    path = path_of(1.0, 0.6, 0.9, 1.2)
    found = lived(DAYS, path, DAYS[0], DAYS[len(DAYS) // 3])
    assert found is not None and found.kind == "lived"
    assert found.total_return == pytest.approx(-0.4, abs=1e-2) and found.deepest_fall == pytest.approx(-0.4, abs=1e-2)
    assert lived(DAYS, path, START - 5, DAYS[100]) is None
    assert lived(DAYS, path, DAYS[100], DAYS[-1] + 1) is None


def test_weights_are_replayed_on_the_funds_that_have_prices_if_these_are_nine_tenths():
    values = np.column_stack([path_of(1.0, 0.5), path_of(1.0, 1.0), path_of(1.0, 1.0)])
    values[:10, 2] = np.nan
    found = replayed(DAYS, values, np.array([0.55, 0.40, 0.05]), DAYS[0], DAYS[-1])
    assert found is not None and found.cover == pytest.approx(0.95)
    assert found.total_return == pytest.approx(-0.5 * 0.55 / 0.95)
    assert replayed(DAYS, values, np.array([0.5, 0.3, 0.2]), DAYS[0], DAYS[-1]) is None
    assert replayed(DAYS, values, np.array([0.5, 0.5, 0.0]), DAYS[0] - 1, DAYS[-1]) is None


def test_a_shock_is_the_sum_of_weights_times_their_classes_and_has_no_path():
    found = shocked(np.array([0.6, 0.4]), ["equity", "bond"], {"equity": -0.5, "bond": 0.05})
    assert found is not None and found.kind == "shock" and found.deepest_fall is None
    assert found.total_return == pytest.approx(-0.28)
    assert shocked(np.array([0.6, 0.4]), ["equity", "unheard"], {"equity": -0.5}) is None
    assert shocked(np.zeros(2), ["equity", "bond"], {"equity": -0.5, "bond": 0.0}) is None
