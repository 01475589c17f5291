"""Few funds, each worth holding: judged by every choice of funds tried one by one."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolios.kernels.cardinality import solve_cardinality
from portfolios.kernels.direct import solve_direct
from portfolios.kernels.errors import InfeasibleError
from portfolios.kernels.mandate import Group, Mandate
from portfolios.kernels.types import Moments, Solution


def universe(n: int, seed: int) -> Moments:
    random = np.random.default_rng(seed)
    loadings = random.normal(size=(n, 2)) * 0.1
    cov = loadings @ loadings.T + np.diag(random.uniform(0.005, 0.05, n))
    return Moments(tuple(f"F{i}" for i in range(n)), random.uniform(0.0, 0.12, n), cov)


def every_choice(moments: Moments, mandate: Mandate) -> Solution | None:
    """The best over all supports and sides, each solved as a mandate that leaves no choice."""
    least = mandate.min_weight_if_held or 0.0
    most = mandate.max_funds or len(mandate.funds)
    maximises = mandate.kind in ("utility", "target_volatility")
    best = None
    for count in range(1, most + 1):
        for held in combinations(mandate.funds, count):
            for signs in product((1, -1) if not mandate.long_only and least else (1,), repeat=count):
                bounds = {fund: (0.0, 0.0) for fund in mandate.funds}
                for fund, sign in zip(held, signs, strict=True):
                    low, high = mandate.bound(fund)
                    bounds[fund] = (low, high) if not least else (max(low, least), high) if sign > 0 else (low, min(high, -least))
                if any(low > high for low, high in bounds.values()):
                    continue
                try:
                    found = solve_direct(moments, replace(mandate, max_funds=None, min_weight_if_held=None, bounds=bounds))
                except InfeasibleError:
                    continue
                if best is None or (found.objective > best.objective) == maximises:
                    best = found
    return best


@st.composite
def mandates(draw: st.DrawFn) -> tuple[Moments, Mandate]:
    n = draw(st.integers(3, 6))
    moments = universe(n, draw(st.integers(0, 10**6)))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    fields: dict = draw(
        st.sampled_from(
            [
                {"risk_aversion": 2.0},
                {"risk_aversion": 20.0},
                {"objective": "min_volatility"},
                {"target_return": 0.05},
                {"target_volatility": 0.15},
            ]
        )
    )
    fields["max_funds"] = draw(st.sampled_from([None, 1, 2, 3]))
    fields["min_weight_if_held"] = draw(st.sampled_from([None, 0.1, 0.3]))
    if draw(st.booleans()):
        fields["long_only"], fields["default_bounds"] = False, (-0.4, 1.0)
    elif draw(st.booleans()):
        fields["default_bounds"] = (0.0, 0.55)
    if draw(st.booleans()):
        fields["groups"] = (Group("g", moments.codes[: n // 2], 0.1, 0.6),)
    if draw(st.booleans()):
        fields["current"] = dict(zip(moments.codes, random.dirichlet(np.ones(n)).tolist(), strict=True))
        fields["buy_cost"] = fields["sell_cost"] = dict.fromkeys(moments.codes[1:], 0.01)
        if draw(st.booleans()):
            fields["max_turnover"] = draw(st.sampled_from([0.3, 0.6, 0.9]))
    return moments, Mandate(moments.codes, **fields)


@settings(max_examples=60, deadline=None)
@given(mandates())
def test_no_choice_of_funds_is_better(case: tuple[Moments, Mandate]) -> None:
    moments, mandate = case
    expected = every_choice(moments, mandate)
    if expected is None:
        with pytest.raises(InfeasibleError, match="limits_contradict"):
            solve_cardinality(moments, mandate)
        return
    found = solve_cardinality(moments, mandate)
    assert found.objective == pytest.approx(expected.objective, abs=1e-9)
    held = found.weights[found.weights != 0]
    assert len(held) <= (mandate.max_funds or len(moments.codes))
    assert (np.abs(held) >= (mandate.min_weight_if_held or 0.0)).all()
    assert -1e-12 <= found.gap <= (1e-9 if mandate.kind != "target_volatility" else 1e-6)
