"""Funds of nearly no risk beside risky ones, at every risk aversion that a frontier is drawn for."""

from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from portfolios.kernels.direct import solve_direct
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.simulate import simulate
from portfolios.kernels.simulate_funds import FIRST_DAY, MODELS, make_funds
from portfolios.kernels.types import Moments


def market_moments(seed):
    """Mean by class and sample covariance of five years of weekly returns of 80 simulated funds, each volatility jittered."""
    means = dict(zip(MODELS, [0.016, 0.022, 0.03, 0.03, 0.05, 0.035, 0.075, 0.055, 0.075, 0.07, 0.08, 0.045], strict=True))
    funds = make_funds(seed=2026, n_funds=80, class_means=means, fee_caps_bps=dict.fromkeys(MODELS, 80))
    funds = [fund for fund in funds if fund.inception == FIRST_DAY and not fund.ended and fund.share_class != "C"]
    nav = simulate(funds, seed=2026, until=date(2026, 11, 20)).nav[-1306::5]
    jitter = 1 + 0.05 * np.random.default_rng(seed).standard_normal(len(funds))
    cov = np.cov(np.diff(nav, axis=0) / nav[:-1], rowvar=False) * 52 * np.outer(jitter, jitter)
    return Moments(tuple(fund.code for fund in funds), np.array([means[fund.category] for fund in funds]), cov), funds


@pytest.mark.parametrize("seed", range(6))
def test_every_risk_aversion_is_proven(seed):
    moments, funds = market_moments(seed)
    mandate = Mandate(
        funds=moments.codes,
        risk_aversion=2.0,
        bounds={fund.code: (0.0, 0.5 if fund.category == "money" else 0.18) for fund in funds},
        buy_cost={fund.code: fund.purchase_fee_bps / 10_000 for fund in funds},
        horizon_years=[1.0, 2.0, 4.0, 5.0][seed % 4],
    )
    points = [solve_direct(moments, replace(mandate, risk_aversion=float(gamma))) for gamma in np.geomspace(0.5, 2000.0, 16)]
    assert all(point.gap <= 1e-10 for point in points)
    assert all(next_one.volatility <= point.volatility + 1e-9 for point, next_one in pairwise(points))
