"""Why each fund is held: shares of risk that add up, and words that follow from the figures."""

import numpy as np
import pytest

from portfolios.kernels.errors import DataError
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.reasons import holdings_reasons
from portfolios.kernels.solve import solve
from portfolios.kernels.types import Moments
from tests.portfolios.kernels.contradictions import market


def test_shares_of_risk_add_up_and_marginal_risks_are_slopes():
    moments = market(1, 6)
    solution = solve(moments, Mandate(moments.codes, risk_aversion=4.0))
    reasons = holdings_reasons(moments, solution)
    assert sum(reason.risk_share for reason in reasons) == pytest.approx(1.0)
    assert sum(reason.weight * reason.marginal_risk for reason in reasons) == pytest.approx(solution.volatility)
    assert [reason.weight for reason in reasons] == sorted((reason.weight for reason in reasons), reverse=True)
    more = solution.weights.copy()
    more[solution.codes.index(reasons[0].fund)] += 1e-6
    slope = (np.sqrt(more @ moments.cov @ more) - solution.volatility) / 1e-6
    assert reasons[0].marginal_risk == pytest.approx(slope, rel=1e-4)


def test_funds_without_weight_have_no_reason_and_those_at_a_limit_name_it():
    moments = Moments(("A", "B", "C"), np.array([0.02, 0.05, 0.09]), np.diag([0.0001, 0.01, 0.04]))
    solution = solve(moments, Mandate(("A", "B", "C"), risk_aversion=1.0, bounds={"C": (0.0, 0.3)}, excluded=("A",)))
    reasons = {reason.fund: reason for reason in holdings_reasons(moments, solution)}
    assert set(reasons) == {"B", "C"}
    assert reasons["C"].limits == ("fund:C:max",) and reasons["B"].limits == ()
    assert (reasons["B"].why, reasons["C"].why) == ("steadies", "grows")


@pytest.mark.parametrize(
    ("mean", "cov", "why"),
    [
        ((0.02, 0.06), ((0.0001, 0.0), (0.0, 0.04)), ("steadies", "grows")),
        ((0.02, 0.06), ((0.04, 0.0), (0.0, 0.01)), ("spreads", "grows_calmly")),
    ],
)
def test_each_word_follows_from_return_and_risk(mean, cov, why):
    moments = Moments(("A", "B"), np.array(mean), np.array(cov))
    solution = solve(moments, Mandate(("A", "B"), risk_aversion=1.0, locked={"A": 0.5}))
    assert tuple(reason.why for reason in holdings_reasons(moments, solution)) == why


def test_a_fund_sold_short_hedges_or_pays():
    short = Mandate(("A", "B"), risk_aversion=1.0, long_only=False, locked={"A": -0.5}, default_bounds=(-1.0, 2.0))
    for covariance, why in ((0.015, "hedges"), (-0.015, "pays_for_others")):
        moments = Moments(("A", "B"), np.array([0.02, 0.06]), np.array([[0.01, covariance], [covariance, 0.04]]))
        assert holdings_reasons(moments, solve(moments, short))[-1].why == why


def test_a_portfolio_without_risk_has_no_shares():
    moments = Moments(("A",), np.array([0.02]), np.zeros((1, 1)))
    (reason,) = holdings_reasons(moments, solve(moments, Mandate(("A",), risk_aversion=1.0)))
    assert (reason.risk_share, reason.marginal_risk, reason.why) == (0.0, 0.0, "steadies")


def test_a_fund_without_moments_is_named():
    moments = market(1, 3)
    solution = solve(moments, Mandate(moments.codes, risk_aversion=4.0))
    with pytest.raises(DataError, match="F2"):
        holdings_reasons(Moments(moments.codes[:2], moments.mean[:2], moments.cov[:2, :2]), solution)
