import numpy as np
import pytest

from portfolios.kernels.monitor import (
    DRAWDOWN,
    SIZE_COLLAPSE,
    STALE_NAV,
    STYLE_DRIFT,
    SUSPENSION,
    VOLATILITY,
    FundStates,
    WatchRules,
    fall_from_years_high,
    recent_and_usual_volatility,
    watch_funds,
)
from portfolios.kernels.types import ReturnMatrix

RULES = WatchRules(2.0, 0.005, {1: 0.005, 2: 0.03, 3: 0.12, 4: 0.20, 5: 0.25}, 5, 0.4, 1.5, 0.5, 0.9)


def states(n: int, **changed) -> FundStates:
    calm = {
        "grade": np.full(n, 3), "days_without_nav": np.zeros(n), "size": np.full(n, 10.0), "size_before": np.full(n, 10.0),
        "is_suspended": np.zeros(n, bool), "style_shift": np.zeros(n), "style_ratio": np.ones(n),
    }  # fmt: skip
    return FundStates(**(calm | {name: np.array(value) for name, value in changed.items()}))


def watched(n: int = 1, recent=None, usual=None, fall=None, **changed):
    volatility = (np.array(recent or [0.1] * n), np.array(usual or [0.1] * n))
    found = watch_funds(volatility, np.array(fall or [0.0] * n), states(n, **changed), RULES)
    return {watch.kind: watch for watch in found}


def matrix(values: np.ndarray, last: int = 739_000) -> ReturnMatrix:
    return ReturnMatrix(tuple(map(str, range(values.shape[1]))), np.arange(last - len(values) + 1, last + 1), values)


def test_a_calm_fund_raises_nothing():
    found = watched()
    assert not any(watch.is_raised.any() or watch.lasts.any() for watch in found.values())


@pytest.mark.parametrize(
    ("kind", "figures", "value"),
    [
        (VOLATILITY, {"recent": [0.21], "usual": [0.1]}, 2.1),
        (DRAWDOWN, {"fall": [0.13]}, 0.13),
        (STALE_NAV, {"days_without_nav": [6.0]}, 6.0),
        (STYLE_DRIFT, {"style_shift": [0.5], "style_ratio": [2.0]}, 0.5),
        (SIZE_COLLAPSE, {"size": [4.0]}, 0.6),
        (SUSPENSION, {"is_suspended": [True]}, 1.0),
    ],
)
def test_each_limit_raises_its_own_alarm_and_no_other(kind, figures, value):
    found = watched(**figures)
    assert {name for name, watch in found.items() if watch.is_raised[0]} == {kind}
    assert found[kind].value[0] == pytest.approx(value)


def test_a_figure_on_its_limit_is_no_alarm():
    found = watched(recent=[0.2], usual=[0.1], fall=[0.12], days_without_nav=[5.0], size=[5.0], style_shift=[0.4], style_ratio=[2.0])
    assert not any(watch.is_raised[0] for watch in found.values())


def test_the_same_fall_is_an_alarm_of_a_low_grade_and_none_of_a_high_one():
    fall = watched(2, fall=[0.15, 0.15], grade=[3, 4])[DRAWDOWN]
    assert fall.is_raised.tolist() == [True, False]
    assert fall.limit.tolist() == [0.12, 0.20]


def test_an_alarm_lasts_until_it_is_clearly_over():
    fall = watched(3, fall=[0.119, 0.109, 0.107])[DRAWDOWN]
    assert (fall.is_raised.tolist(), fall.lasts.tolist()) == ([False] * 3, [True, True, False])


def test_what_is_not_known_raises_nothing_and_ends_nothing():
    nan = np.nan
    unknown = {"days_without_nav": [nan], "size_before": [nan], "style_shift": [nan]}
    found = watched(recent=[nan], fall=[nan], **unknown)
    del found[SUSPENSION]
    assert not any(watch.is_raised[0] for watch in found.values())
    assert all(watch.lasts[0] for watch in found.values())


def test_a_style_that_moved_within_the_noise_of_its_estimate_is_no_alarm():
    assert not watched(style_shift=[0.9], style_ratio=[1.2])[STYLE_DRIFT].is_raised[0]


def test_a_fund_that_hardly_moves_is_no_alarm_however_many_times_its_usual():
    assert not watched(recent=[0.004], usual=[0.001])[VOLATILITY].is_raised[0]


def test_volatility_of_the_last_month_and_of_all_is_that_of_their_returns():
    returns = np.random.default_rng(3).normal(0, 0.01, (500, 2))
    values = np.exp(np.cumsum(np.vstack([np.zeros(2), returns]), axis=0))
    recent, usual = recent_and_usual_volatility(matrix(values))
    np.testing.assert_allclose(recent, returns[-20:].std(axis=0, ddof=1) * np.sqrt(252))
    np.testing.assert_allclose(usual, returns.std(axis=0, ddof=1) * np.sqrt(252))


def test_a_young_fund_has_no_usual_volatility():
    values = np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.01, (300, 2)), axis=0))
    values[:100, 1] = np.nan
    recent, usual = recent_and_usual_volatility(matrix(values))
    assert np.isfinite(recent).all()
    assert np.isfinite(usual).tolist() == [True, False]


def test_the_highest_of_a_year_is_not_one_of_before():
    values = np.full((400, 1), 1.0)
    values[10] = 2.0  # more than a year ago
    values[200] = 1.25
    assert fall_from_years_high(matrix(values))[0] == pytest.approx(0.2)


def test_no_prices_are_no_figures():
    nothing = ReturnMatrix(("a",), np.empty(0, np.int64), np.empty((0, 1)))
    assert np.isnan(fall_from_years_high(nothing)).all()
    assert np.isnan(recent_and_usual_volatility(nothing)[0]).all()
