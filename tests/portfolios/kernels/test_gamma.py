"""The gamma rule: the smallest risk aversion that keeps a loss, found on the path of all optima."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolios.kernels.direct import solve_direct
from portfolios.kernels.errors import DataError, InfeasibleError
from portfolios.kernels.gamma import smallest_gamma
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.risk import NORMAL_CVAR_95
from portfolios.kernels.types import Moments
from tests.portfolios.kernels.problems import random_moments

CODES = tuple(f"F{i:02d}" for i in range(12))
TWO = Moments(("A", "B"), np.array([0.01, 0.06]), np.array([[0.0025, 0.0], [0.0, 0.0049]]))


def market(seed: int, kind: str) -> tuple[Moments, Mandate]:
    rng = np.random.default_rng(seed)
    mean, cov = random_moments(rng, 12, kind)
    costs = {code: float(cost) for code, cost in zip(CODES, rng.uniform(0, 0.01, 12), strict=True)} if seed % 2 else {}
    return Moments(CODES, mean, cov), Mandate(CODES, 2.0, default_bounds=(0.0, 0.3), buy_cost=costs)


def scan(moments: Moments, mandate: Mandate, gammas: np.ndarray) -> list[tuple[float, float]]:
    return [(float(g), solve_direct(moments, replace(mandate, risk_aversion=float(g))).cvar) for g in gammas]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(-0.05, 0.4), st.sampled_from(["regular", "equal means", "zero variance", "duplicates"]))
def test_no_smaller_risk_aversion_keeps_the_limit_and_this_one_does(seed, limit, kind):
    moments, mandate = market(seed, kind)
    tried = scan(moments, mandate, np.geomspace(2, 200, 40))
    try:
        found = smallest_gamma(moments, mandate, limit)
    except InfeasibleError as error:
        assert (error.code, error.params["limit"], error.params["gamma"]) == ("cvar_budget", limit, 200.0)
        assert limit < error.params["reached"] <= min(cvar for _, cvar in tried) + 1e-12
        return
    solution = found.solution
    assert solution.cvar <= limit
    assert solution.cvar == pytest.approx(NORMAL_CVAR_95 * solution.volatility - solution.expected_return)
    assert all(cvar > limit - 1e-12 for gamma, cvar in tried if gamma < solution.gamma * (1 - 1e-9))
    assert found.budget_binds == (solution.gamma > 2.0)
    if found.budget_binds:
        assert solution.cvar == pytest.approx(limit, abs=1e-9)


def test_where_the_budget_does_not_bind_the_least_risk_aversion_is_taken():
    found = smallest_gamma(TWO, Mandate(("A", "B"), 50.0), 0.5)
    assert (found.solution.gamma, found.budget_binds, found.cvar_limit) == (2.0, False, 0.5)


def test_a_limit_kept_only_between_the_ends_is_found():
    """Very high risk aversion may lose more than it saves: the rule must look inside the range, not only at its end."""
    mandate = Mandate(("A", "B"), 2.0)
    with pytest.raises(InfeasibleError) as raised:
        smallest_gamma(TWO, mandate, -1.0)
    least = raised.value.params["reached"]
    ends = [cvar for _, cvar in scan(TWO, mandate, np.array([2.0, 200.0]))]
    inside = min(cvar for _, cvar in scan(TWO, mandate, np.geomspace(2, 200, 400)))
    assert inside - 1e-6 <= least <= inside < min(ends) - 1e-5
    found = smallest_gamma(TWO, mandate, least + 1e-7)
    assert found.solution.cvar <= least + 1e-7
    assert 2 < found.solution.gamma < 200


def test_the_mandates_own_objective_is_not_read():
    wanted = smallest_gamma(TWO, Mandate(("A", "B"), 2.0), 0.06).solution
    for asked in (Mandate(("A", "B"), 70.0), Mandate(("A", "B"), objective="max_sharpe", risk_free=0.0)):
        assert smallest_gamma(TWO, asked, 0.06).solution.weights.tolist() == wanted.weights.tolist()


def test_the_range_of_risk_aversion_is_the_callers():
    limit = smallest_gamma(TWO, Mandate(("A", "B"), 2.0), 0.055).solution.cvar
    with pytest.raises(InfeasibleError):
        smallest_gamma(TWO, Mandate(("A", "B"), 2.0), limit, (2.0, 2.5))


def test_a_limit_that_is_not_linear_is_refused():
    with pytest.raises(DataError) as raised:
        smallest_gamma(TWO, Mandate(("A", "B"), 2.0, max_turnover=0.1), 0.1)
    assert raised.value.params == {"limit": "turnover"}
