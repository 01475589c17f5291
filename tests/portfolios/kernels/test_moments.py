"""Returns and moments against textbook figures."""

import numpy as np
import pytest

from portfolios.kernels.errors import DataError
from portfolios.kernels.moments import class_moments, nearest_psd, shrunk_covariance
from portfolios.kernels.returns import annual_volatility, portfolio_growth, weekly_returns
from portfolios.kernels.types import ReturnMatrix

MONDAY = 736_331  # 2017-01-02


def daily_matrix(n_days: int, volatility: float, n_funds: int = 1, seed: int = 0) -> ReturnMatrix:
    """Weekdays, 261 a year, of independent lognormal funds."""
    rng = np.random.default_rng(seed)
    days = MONDAY + np.array([7 * (i // 5) + i % 5 for i in range(n_days)])
    steps = rng.normal(0, volatility / np.sqrt(261), (n_days, n_funds))
    return ReturnMatrix(tuple(f"F{i}" for i in range(n_funds)), days, np.exp(np.cumsum(steps, axis=0)))


def test_weekly_volatility_is_annualised_by_weeks_and_not_by_252_days():
    matrix = daily_matrix(261 * 40, 0.20)
    assert annual_volatility(matrix)[0] == pytest.approx(0.20, rel=0.04)
    repeated = ReturnMatrix(matrix.codes, np.arange(matrix.dates[0], matrix.dates[-1] + 1), np.empty(0))
    at = np.searchsorted(matrix.dates, repeated.dates, side="right") - 1
    # A calendar of seven days that repeats the last price says the same of the same fund.
    every_day = ReturnMatrix(matrix.codes, repeated.dates, matrix.values[at])
    assert annual_volatility(every_day)[0] == pytest.approx(annual_volatility(matrix)[0], rel=1e-12)


def test_two_week_returns_overlap_by_a_week():
    matrix = daily_matrix(100, 0.1)
    one, per_year = weekly_returns(matrix)
    two, half_as_many = weekly_returns(matrix, weeks=2)
    assert len(two) == len(one) - 1
    assert half_as_many == per_year / 2
    assert two[0] == pytest.approx((1 + one[0]) * (1 + one[1]) - 1)


def test_shrinkage_matches_ledoit_and_wolf_written_out_in_loops():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 4)) * 0.02
    t, n = x.shape
    y = x - x.mean(axis=0)
    s = y.T @ y / t
    r_bar = np.mean([s[i, j] / np.sqrt(s[i, i] * s[j, j]) for i in range(n) for j in range(n) if i != j])
    f = np.array([[s[i, j] if i == j else r_bar * np.sqrt(s[i, i] * s[j, j]) for j in range(n)] for i in range(n)])
    pi = [[np.mean([(y[k, i] * y[k, j] - s[i, j]) ** 2 for k in range(t)]) for j in range(n)] for i in range(n)]

    def theta(a, i, j):
        return np.mean([(y[k, a] ** 2 - s[a, a]) * (y[k, i] * y[k, j] - s[i, j]) for k in range(t)])

    rho = sum(pi[i][i] for i in range(n)) + sum(
        r_bar / 2 * (np.sqrt(s[j, j] / s[i, i]) * theta(i, i, j) + np.sqrt(s[i, i] / s[j, j]) * theta(j, i, j))
        for i in range(n)
        for j in range(n)
        if i != j
    )
    delta = np.clip((np.sum(pi) - rho) / np.sum((f - s) ** 2) / t, 0, 1)
    cov, shrinkage, unequal = shrunk_covariance(x)
    assert not unequal
    assert shrinkage == pytest.approx(delta, rel=1e-9)
    assert cov == pytest.approx((delta * f + (1 - delta) * s) * t / (t - 1), rel=1e-9)


def test_a_fund_without_variance_is_valid():
    x = np.random.default_rng(0).normal(size=(100, 3)) * 0.01
    x[:, 1] = 0.0003
    cov, _, _ = shrunk_covariance(x)
    assert np.isfinite(cov).all()
    assert cov[1] == pytest.approx(np.zeros(3), abs=1e-18)
    assert np.linalg.eigvalsh(cov).min() >= -1e-15


def test_the_variance_of_a_calm_fund_is_left_alone_by_wild_ones():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=(250, 5)) * 0.03, rng.normal(size=250) * 1e-4])
    cov, _, _ = shrunk_covariance(x)
    assert np.sqrt(cov[5, 5]) == pytest.approx(x[:, 5].std(ddof=1), rel=1e-9)


def test_unequal_histories_are_used_as_far_as_they_go_and_said():
    matrix = daily_matrix(261 * 4, 0.15, n_funds=3)
    matrix.values[:400, 2] = np.nan
    moments = class_moments(matrix, {"F0": 0.05, "F1": 0.05, "F2": 0.07})
    assert moments.codes == ("F0", "F1", "F2")
    assert "unequal_histories" in moments.notes
    assert np.linalg.eigvalsh(moments.cov).min() >= -1e-12
    assert np.sqrt(np.diag(moments.cov)) == pytest.approx(np.full(3, 0.15), rel=0.15)
    assert moments.mean.tolist() == [0.05, 0.05, 0.07]


def test_a_young_fund_and_a_dead_one_are_left_out_and_said():
    matrix = daily_matrix(261 * 2, 0.15, n_funds=3)
    matrix.values[:400, 1] = np.nan
    matrix.values[-30:, 2] = np.nan
    moments = class_moments(matrix, dict.fromkeys(matrix.codes, 0.05))
    assert moments.codes == ("F0",)
    assert {"short_history:F1", "stale:F2"} <= set(moments.notes)


def test_no_usable_fund_is_an_error():
    with pytest.raises(DataError) as raised:
        class_moments(daily_matrix(20, 0.1), {"F0": 0.05})
    assert raised.value.code == "no_history"


def test_a_matrix_that_is_not_psd_is_repaired_with_its_variances_kept():
    wrong = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    mended, was_repaired = nearest_psd(wrong)
    assert was_repaired
    assert np.diag(mended) == pytest.approx(np.ones(3))
    assert np.linalg.eigvalsh(mended).min() >= -1e-12
    assert nearest_psd(np.eye(3)) == (pytest.approx(np.eye(3)), False)


def test_growth_is_set_back_to_its_weights_each_month():
    days = np.array([MONDAY, MONDAY + 20, MONDAY + 30, MONDAY + 40])  # January, January, February, February
    values = np.array([[1.0, 1.0], [2.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    grown = portfolio_growth(ReturnMatrix(("A", "B"), days, values), np.array([0.5, 0.5]))
    assert grown.growth.tolist() == [1.0, 1.5, 1.5, 2.25]
    assert grown.drawdown.tolist() == [0.0, 0.0, 0.0, 0.0]
