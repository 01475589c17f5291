"""Each covariance against its formula written another way, and what all of them must keep."""

import numpy as np
import pytest

from portfolios.kernels.covariances import (
    COVARIANCES,
    UNEQUAL,
    CovarianceMethod,
    age_weights,
    denoised,
    em_moments,
    estimate_covariance,
    nearest_psd,
    oas_shrinkage,
    sample_moments,
)
from portfolios.kernels.errors import DataError


def correlated(n_rows: int, n_funds: int, seed: int = 0) -> np.ndarray:
    """Weekly returns with one strong common factor and volatilities from calm to wild."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n_rows, 1)) + rng.normal(size=(n_rows, n_funds))) * np.linspace(0.002, 0.05, n_funds)


def younger(returns: np.ndarray, *starts: int) -> np.ndarray:
    """The same with the last funds starting later."""
    cut = returns.copy()
    for i, start in enumerate(starts):
        cut[:start, -1 - i] = np.nan
    return cut


@pytest.mark.parametrize("unequal", UNEQUAL)
@pytest.mark.parametrize("name", COVARIANCES)
def test_every_estimate_is_symmetric_psd_and_blind_to_the_order_of_funds(name, unequal):
    returns = younger(correlated(200, 7), 90, 40)
    method = CovarianceMethod(name, unequal)
    cov, _ = nearest_psd(estimate_covariance(returns, method).cov)
    order = np.random.default_rng(1).permutation(7)
    turned, _ = nearest_psd(estimate_covariance(returns[:, order], method).cov)
    assert (cov == cov.T).all()
    assert np.linalg.eigvalsh(cov)[0] >= -1e-12 * np.linalg.eigvalsh(cov)[-1]
    back = np.argsort(order)
    deviation = np.sqrt(np.diag(cov))
    assert np.abs((turned[np.ix_(back, back)] - cov) / np.outer(deviation, deviation)).max() <= 1e-12


@pytest.mark.parametrize("unequal", UNEQUAL)
@pytest.mark.parametrize("name", COVARIANCES)
def test_a_fund_without_variance_is_valid_everywhere(name, unequal):
    returns = younger(correlated(120, 5), 30)
    returns[:, 1] = 0.0004
    cov = estimate_covariance(returns, CovarianceMethod(name, unequal)).cov
    assert np.isfinite(cov).all()
    assert nearest_psd(cov)[0] == pytest.approx(cov, abs=1e-9)
    if name in ("ledoit_wolf", "ewma", "denoised", "sample"):  # the identity target gives it a share of all variance
        assert np.abs(cov[1]).max() <= 1e-15


def test_the_sample_is_that_of_every_textbook():
    returns = correlated(80, 4)
    assert estimate_covariance(returns, CovarianceMethod("sample")).cov == pytest.approx(np.cov(returns.T), rel=1e-12)


def test_oas_is_the_limit_of_the_oracle_iterated():
    """Chen, Wiesel, Eldar and Hero (2010), equations 19 and 20: the closed form is what their iteration comes to."""
    returns = correlated(30, 12, seed=4)
    sample, n, p = np.cov(returns.T), 29, 12
    target = np.trace(sample) / p * np.eye(p)
    estimate = sample
    for _ in range(10_000):
        own, squared = np.trace(estimate @ sample), np.trace(estimate) ** 2
        rho = ((1 - 2 / p) * own + squared) / ((n + 1 - 2 / p) * own + (1 - n / p) * squared)
        estimate = (1 - rho) * sample + rho * target
    made = estimate_covariance(returns, CovarianceMethod("oas"))
    assert 0 < rho < 1
    assert made.shrinkage == pytest.approx(rho, rel=1e-9)
    assert made.cov == pytest.approx(estimate, rel=1e-9)


def test_oas_of_what_is_already_the_target_is_the_target():
    assert oas_shrinkage(np.eye(3), 10.0) == 1.0
    assert oas_shrinkage(np.zeros((3, 3)), 10.0) == 0.0


def test_shrinkage_to_the_identity_matches_ledoit_and_wolf_row_by_row():
    returns = correlated(60, 5, seed=2)
    t, p = returns.shape
    x = returns - returns.mean(axis=0)
    s = sum(np.outer(row, row) for row in x) / t
    m = np.trace(s) / p
    d2 = np.linalg.norm(s - m * np.eye(p)) ** 2 / p
    b2 = min(d2, sum(np.linalg.norm(np.outer(row, row) - s) ** 2 / p for row in x) / t**2)
    made = estimate_covariance(returns, CovarianceMethod("ledoit_wolf_identity"))
    assert made.shrinkage == pytest.approx(b2 / d2, rel=1e-9)
    assert made.cov == pytest.approx((b2 / d2 * m * np.eye(p) + (1 - b2 / d2) * s) * t / (t - 1), rel=1e-9)


def test_ewma_halves_a_week_s_weight_each_half_life_and_is_the_sample_when_it_never_ends():
    weights = age_weights(100, 10.0)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[-1] / weights[-11] == pytest.approx(2.0)
    returns = correlated(100, 3)
    made = estimate_covariance(returns, CovarianceMethod("ewma", half_life=10.0))
    assert made.cov == pytest.approx(np.cov(returns.T, aweights=weights), rel=1e-9)
    forever = estimate_covariance(returns, CovarianceMethod("ewma", half_life=1e9))
    assert forever.cov == pytest.approx(np.cov(returns.T), rel=1e-6)


def test_denoising_keeps_variances_and_the_strong_factor_and_levels_the_noise():
    returns = correlated(150, 30, seed=5)
    sample = np.cov(returns.T)
    cov = estimate_covariance(returns, CovarianceMethod("denoised")).cov
    assert np.diag(cov) == pytest.approx(np.diag(sample), rel=1e-12)
    values = np.linalg.eigvalsh(cov / np.outer(np.sqrt(np.diag(cov)), np.sqrt(np.diag(cov))))
    assert values[-1] == pytest.approx(np.linalg.eigvalsh(np.corrcoef(returns.T))[-1], rel=0.05)
    assert values[-2] - values[0] <= 0.15
    noisy = np.linalg.eigvalsh(np.corrcoef(returns.T))
    assert noisy[-2] - noisy[0] >= 0.5


def test_pure_noise_is_denoised_to_no_correlation():
    cov = denoised(np.cov(np.random.default_rng(0).normal(size=(400, 40)).T), 399.0)
    deviation = np.sqrt(np.diag(cov))
    assert np.abs(cov / np.outer(deviation, deviation) - np.eye(40)).max() <= 1e-9


def test_em_on_whole_histories_is_the_sample():
    returns = correlated(90, 4)
    mean, cov, settled = em_moments(returns)
    assert settled
    assert mean == pytest.approx(returns.mean(axis=0), rel=1e-9)
    assert cov == pytest.approx(np.cov(returns.T, ddof=0), rel=1e-9)


def test_em_on_a_younger_fund_is_stambaugh_s_regression():
    """Stambaugh (1997): regress the short history on the long ones, and read its moments off their whole history."""
    returns = younger(correlated(200, 4, seed=7), 120)
    long, short, both = returns[:, :3], returns[120:, 3], returns[120:, :3]
    design = np.column_stack([np.ones(80), both])
    beta = np.linalg.lstsq(design, short, rcond=None)[0]
    long_cov = np.cov(long.T, ddof=0)
    rest = ((short - design @ beta) ** 2).mean()
    mean, cov, settled = em_moments(returns)
    assert settled
    assert mean[3] == pytest.approx(beta[0] + beta[1:] @ long.mean(axis=0), rel=1e-8)
    assert cov[3, :3] == pytest.approx(long_cov @ beta[1:], rel=1e-8)
    assert cov[3, 3] == pytest.approx(beta[1:] @ long_cov @ beta[1:] + rest, rel=1e-8)


def test_em_does_not_learn_from_the_rounding_of_a_fund_that_grows_evenly():
    rng = np.random.default_rng(5)
    returns = rng.normal(0.001, 0.02, (120, 3))
    returns[:70, 1] = np.nan
    prices = 1.0003 ** np.arange(121)
    even = prices[1:] / prices[:-1] - 1.0
    assert 0 < even.std() < 1e-15
    mean, cov, settled = em_moments(np.column_stack([returns[:, 0], even, returns[:, 1:]]))
    without, cov_without, _ = em_moments(returns)
    others = [0, 2, 3]
    assert settled
    np.testing.assert_allclose(mean[others], without, rtol=1e-9)
    np.testing.assert_allclose(cov[np.ix_(others, others)], cov_without, rtol=1e-9)
    assert mean[1] == pytest.approx(0.0003) and not cov[1].any() and not cov[:, 1].any()


def test_em_with_holes_anywhere_is_the_most_likely_law():
    returns = correlated(120, 3, seed=8)
    returns[:40, 0], returns[30:60, 1], returns[100:, 2] = np.nan, np.nan, np.nan
    mean, cov, settled = em_moments(returns)

    def log_likelihood(mean, cov):
        total = 0.0
        for row in returns:
            seen = np.isfinite(row)
            own, apart = cov[np.ix_(seen, seen)], row[seen] - mean[seen]
            total -= 0.5 * (np.linalg.slogdet(own)[1] + apart @ np.linalg.solve(own, apart))
        return total

    best = log_likelihood(mean, cov)
    rng = np.random.default_rng(0)
    deviation = np.sqrt(np.diag(cov))
    assert settled
    for _ in range(30):
        step = rng.normal(size=(3, 3)) * 0.01 * np.outer(deviation, deviation)
        assert log_likelihood(mean + rng.normal(size=3) * 0.01 * deviation, cov + step + step.T) < best


def test_unequal_histories_are_said_with_how_they_were_used():
    returns = younger(correlated(100, 3), 30)
    assert sample_moments(returns).notes == ("unequal_histories",)
    assert sample_moments(returns, unequal="em").notes == ("unequal_histories_em",)
    assert sample_moments(returns[30:]).notes == ()


def test_two_funds_that_never_met_are_tied_by_em_and_by_the_mean_correlation_only():
    returns = correlated(120, 4, seed=3)
    returns[:60, 3], returns[60:, 2] = np.nan, np.nan
    tied = estimate_covariance(returns, CovarianceMethod("sample", "em")).cov
    apart = estimate_covariance(returns, CovarianceMethod("sample", "pairwise")).cov
    assert apart[2, 3] == 0.0
    assert tied[2, 3] / np.sqrt(tied[2, 2] * tied[3, 3]) > 0.2


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"name": "lw"}, "unknown_covariance"),
        ({"unequal": "drop"}, "unknown_unequal"),
        ({"half_life": 0.0}, "half_life_not_positive"),
        ({"half_life": float("nan")}, "half_life_not_positive"),
        ({"half_life": 1e-300}, "half_life_too_short"),
        ({"half_life": 0.99}, "half_life_too_short"),
        ({"weeks": 3}, "weeks_not_1_or_2"),
    ],
)
def test_a_method_that_is_none_is_refused_by_its_code(wrong, code):
    with pytest.raises(DataError) as raised:
        CovarianceMethod(**wrong)
    assert raised.value.code == code
