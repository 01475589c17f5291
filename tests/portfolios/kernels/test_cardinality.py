"""Few funds, each worth holding: judged by every choice of funds tried one by one."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.engine.universes import synthetic
from portfolios.kernels import support
from portfolios.kernels.cardinality import solve_cardinality
from portfolios.kernels.direct import solve_direct
from portfolios.kernels.errors import InfeasibleError, SolverError
from portfolios.kernels.explain import is_feasible
from portfolios.kernels.mandate import Group, Mandate, Robust
from portfolios.kernels.solve import solve
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
                bounds = dict.fromkeys(mandate.funds, (0.0, 0.0))
                for fund, sign in zip(held, signs, strict=True):
                    low, high = mandate.bound(fund)
                    bounds[fund] = (low, high) if not least else (max(low, least), high) if sign > 0 else (low, min(high, -least))
                must = [fund for fund in mandate.funds if fund not in held and not mandate.bound(fund)[0] <= 0.0 <= mandate.bound(fund)[1]]
                if must or any(low > high for low, high in bounds.values()):
                    continue
                decided = replace(mandate, max_funds=None, min_weight_if_held=None, bounds=bounds)
                try:
                    found = solve(moments, decided)
                except (InfeasibleError, SolverError):
                    assert not is_feasible(moments, decided)
                    continue
                if best is None or (found.objective > best.objective) == maximises:
                    best = found
    return best


@st.composite
def mandates(draw: st.DrawFn) -> tuple[Moments, Mandate]:
    long_only = draw(st.booleans())
    n = draw(st.integers(3, 5 if long_only else 4))
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
    if not long_only:
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


@settings(max_examples=12, deadline=None)
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


def held(solution: Solution) -> dict[str, float]:
    return {fund: float(weight) for fund, weight in zip(solution.codes, solution.weights, strict=True) if weight}


def price(solution: Solution, limit: str) -> float:
    return next(one.shadow_price or 0.0 for one in solution.binding if one.limit == limit)


def test_three_of_fourteen_funds_are_the_best_three() -> None:
    moments = universe(14, 5)
    mandate = Mandate(moments.codes, risk_aversion=8.0, max_funds=3, min_weight_if_held=0.05)
    expected = every_choice(moments, mandate)
    found = solve_cardinality(moments, mandate)
    assert expected is not None
    assert found.objective == pytest.approx(expected.objective, abs=1e-10)
    assert np.abs(found.weights - expected.weights).max() < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_a_covariance_of_less_than_full_rank_is_no_excuse(seed: int) -> None:
    random = np.random.default_rng(seed)
    shocks = random.normal(size=(2, 6)) * 0.1
    moments = Moments(tuple("ABCDEF"), random.uniform(0.0, 0.1, 6), shocks.T @ shocks)
    for fields in ({"objective": "min_volatility"}, {"risk_aversion": 5.0}):
        mandate = Mandate(moments.codes, max_funds=2, min_weight_if_held=0.1, long_only=False, default_bounds=(-0.5, 1.0), **fields)
        expected = every_choice(moments, mandate)
        assert expected is not None
        assert solve_cardinality(moments, mandate).objective == pytest.approx(expected.objective, abs=1e-9)


@pytest.mark.parametrize("curved", [{"cvar_limit": 0.2}, {"robust": 1.0}, {"robust": 0.5, "cvar_limit": 0.2}])
def test_curved_limits_are_proven_too(curved: dict) -> None:
    moments = universe(5, 2)
    if "robust" in curved:
        curved = {**curved, "robust": Robust(curved["robust"], moments.codes, np.diag(np.linspace(0.0001, 0.002, 5)))}
    mandate = Mandate(moments.codes, risk_aversion=1.0, max_funds=2, min_weight_if_held=0.1, **curved)
    expected = every_choice(moments, mandate)
    found = solve_cardinality(moments, mandate)
    assert expected is not None
    assert found.objective == pytest.approx(expected.objective, abs=3e-7)
    assert len(held(found)) <= 2
    assert found.gap <= 1e-6


def test_the_order_of_funds_does_not_show() -> None:
    moments = universe(9, 3)
    mandate = Mandate(moments.codes, risk_aversion=10.0, max_funds=3, min_weight_if_held=0.1)
    other = np.random.default_rng(0).permutation(9)
    turned = Moments(tuple(moments.codes[i] for i in other), moments.mean[other], moments.cov[np.ix_(other, other)])
    found, again = (solve_cardinality(one, replace(mandate, funds=one.codes)) for one in (moments, turned))
    assert found.codes == again.codes
    assert (found.weights == again.weights).all()


def test_of_twins_the_alphabetically_first_is_held() -> None:
    moments = universe(5, 4)
    each = np.repeat(np.arange(5), 2)
    twins = Moments(tuple(f"F{i}{side}" for i in range(5) for side in "AB"), moments.mean[each], moments.cov[np.ix_(each, each)])
    found = held(solve_cardinality(twins, Mandate(twins.codes, risk_aversion=20.0, max_funds=3, min_weight_if_held=0.05)))
    assert len(found) == 3
    assert all(fund.endswith("A") for fund in found)
    alike = Moments(tuple("DCBAFE"), np.full(6, 0.05), 0.04 * np.eye(6))
    assert list(held(solve_cardinality(alike, Mandate(alike.codes, risk_aversion=5.0, max_funds=3)))) == ["A", "B", "C"]


@pytest.mark.parametrize(
    "fields",
    [
        {"max_funds": 2, "default_bounds": (0.0, 0.4)},
        {"min_weight_if_held": 0.3, "default_bounds": (0.0, 0.2)},
        {"min_weight_if_held": 0.1, "locked": {"F0": 0.05}},
        {"max_funds": 1, "locked": {"F0": 0.5}},
        {"max_funds": 2, "groups": tuple(Group(name, (f"F{2 * i}", f"F{2 * i + 1}"), 0.1, None) for i, name in enumerate("abc"))},
        {"max_funds": 1, "current": {"F0": 0.5, "F1": 0.5}, "max_turnover": 0.4},
        {"max_funds": 2, "excluded": tuple(f"F{i}" for i in range(6))},
    ],
)
def test_where_no_choice_keeps_the_limits_they_contradict(fields: dict) -> None:
    moments = universe(6, 1)
    with pytest.raises(InfeasibleError, match="limits_contradict"):
        solve_cardinality(moments, Mandate(moments.codes, risk_aversion=5.0, **fields))


def test_forty_funds_of_too_low_caps_are_refused_without_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "MAX_NODES", 0)
    moments = universe(40, 1)
    with pytest.raises(InfeasibleError, match="limits_contradict"):
        solve_cardinality(moments, Mandate(moments.codes, risk_aversion=5.0, max_funds=6, default_bounds=(0.0, 0.16)))


def test_caps_that_just_suffice_are_kept() -> None:
    moments = universe(8, 1)
    found = solve_cardinality(moments, Mandate(moments.codes, risk_aversion=5.0, max_funds=3, default_bounds=(0.0, 1 / 3)))
    assert list(held(found).values()) == pytest.approx([1 / 3] * 3)


def test_more_funds_allowed_than_there_are_change_nothing() -> None:
    moments = universe(6, 6)
    plain = solve_direct(moments, Mandate(moments.codes, risk_aversion=15.0))
    found = solve_cardinality(moments, Mandate(moments.codes, risk_aversion=15.0, max_funds=9))
    assert np.abs(found.weights - plain.weights).max() < 1e-9
    assert {one.limit for one in found.binding} == {one.limit for one in plain.binding}


def test_one_fund_is_the_one_of_the_best_utility() -> None:
    moments = universe(7, 8)
    best = int(np.argmax(moments.mean - 4.0 / 2 * np.diag(moments.cov)))
    assert held(solve_cardinality(moments, Mandate(moments.codes, risk_aversion=4.0, max_funds=1))) == {moments.codes[best]: 1.0}


def test_locked_funds_are_held_and_excluded_ones_not() -> None:
    moments = universe(8, 9)
    free = held(solve_cardinality(moments, Mandate(moments.codes, risk_aversion=10.0, max_funds=3, min_weight_if_held=0.1)))
    out = next(iter(free))
    locked = next(fund for fund in moments.codes if fund not in free)
    mandate = Mandate(moments.codes, risk_aversion=10.0, max_funds=3, min_weight_if_held=0.1, locked={locked: 0.2}, excluded=(out,))
    found = solve_cardinality(moments, mandate)
    assert held(found)[locked] == 0.2
    assert out not in held(found)
    assert f"locked:{locked}" in {one.limit for one in found.binding}
    assert found.objective == pytest.approx(every_choice(moments, mandate).objective, abs=1e-9)  # type: ignore[union-attr]


def test_fifty_funds_of_five_classes_are_proven_in_a_small_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    # The tree had 1,509 nodes while the price of a fund stood still down the tree.
    monkeypatch.setattr(support, "MAX_NODES", 150)
    fifty = synthetic(50)
    mandate = Mandate(fifty.codes, risk_aversion=60.0, default_bounds=(0.0, 0.2), max_funds=6, min_weight_if_held=0.05)
    found = solve_cardinality(Moments(fifty.codes, fifty.mean, fifty.cov), mandate)
    assert found.objective == pytest.approx(0.0209633620544, abs=1e-10)
    assert price(found, "max_funds") > 0.0


def test_of_two_funds_without_variance_the_alphabetically_first_is_held() -> None:
    moments = universe(8, 11)
    cov, mean = moments.cov.copy(), moments.mean.copy()
    cov[[2, 5]], cov[:, [2, 5]], mean[[2, 5]] = 0.0, 0.0, 0.05
    mandate = Mandate(moments.codes, risk_aversion=10.0, max_funds=2, min_weight_if_held=0.05)
    found = held(solve_cardinality(Moments(moments.codes, mean, cov), mandate))
    assert "F2" in found
    assert "F5" not in found


def test_pairs_of_nearly_equal_share_classes_are_proven_in_a_small_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "MAX_NODES", 150)
    moments = universe(8, 3)
    each = np.repeat(np.arange(8), 2)
    cov = moments.cov[np.ix_(each, each)] + 1e-7 * np.diag(np.linspace(0.5, 1.5, 16))
    pairs = Moments(tuple(f"F{i}{side}" for i in range(8) for side in "AB"), moments.mean[each] - np.tile([0.0, 0.004], 8), cov)
    mandate = Mandate(pairs.codes, risk_aversion=8.0, max_funds=3, min_weight_if_held=0.05, default_bounds=(0.0, 0.4))
    expected = every_choice(pairs, mandate)
    assert expected is not None
    assert solve_cardinality(pairs, mandate).objective == pytest.approx(expected.objective, abs=1e-10)


def test_a_short_position_is_as_large_as_a_long_one_must_be() -> None:
    moments = Moments(("A", "B", "C"), np.array([0.10, 0.03, 0.0]), np.array([[4.0, 3.5, 0], [3.5, 4.0, 0], [0, 0, 1.0]]) / 100)
    mandate = Mandate(moments.codes, risk_aversion=3.0, min_weight_if_held=0.3, long_only=False, default_bounds=(-0.5, 1.5))
    found = solve_cardinality(moments, mandate)
    assert (np.abs(found.weights[found.weights != 0]) >= 0.3).all()
    assert held(found)["B"] <= -0.3
    assert found.objective == pytest.approx(every_choice(moments, mandate).objective, abs=1e-10)  # type: ignore[union-attr]


def test_the_price_of_max_funds_is_what_one_more_would_gain() -> None:
    moments = universe(9, 10)
    three, four = (solve_cardinality(moments, Mandate(moments.codes, risk_aversion=20.0, max_funds=k)) for k in (3, 4))
    assert len(held(three)) == 3
    assert price(three, "max_funds") == pytest.approx(four.objective - three.objective, abs=1e-9)
    assert price(three, "max_funds") > 1e-4


def test_the_price_of_the_least_weight_is_its_derivative() -> None:
    moments = Moments(tuple("ABC"), np.array([0.02, 0.05, 0.09]), np.diag([0.0001, 0.02, 0.08]))
    mandate = Mandate(moments.codes, risk_aversion=20.0, min_weight_if_held=0.3, bounds={"C": (0.01, 1.0)})
    found, relaxed = (solve_cardinality(moments, replace(mandate, min_weight_if_held=least)) for least in (0.3, 0.29999))
    assert held(found)["C"] == 0.3
    gained = (relaxed.objective - found.objective) / 1e-5
    assert price(found, "min_weight_if_held") == pytest.approx(gained, rel=1e-3)


def test_what_is_not_proven_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "MAX_NODES", 3)
    random = np.random.default_rng(12)
    returns = random.multivariate_normal(np.zeros(50), 0.04 * (0.3 + 0.7 * np.eye(50)) / 52, 520)
    moments = Moments(tuple(f"F{i:02d}" for i in range(50)), np.full(50, 0.06), np.cov(returns.T) * 52)
    with pytest.raises(SolverError, match="not_proven_optimal") as caught:
        solve_cardinality(moments, Mandate(moments.codes, objective="min_volatility", max_funds=6, min_weight_if_held=0.05))
    assert 0.0 < float(str(caught.value.params["gap"])) < 0.01


@pytest.mark.parametrize(("seed", "most_traded"), [(4, 0.05), (5, 0.1), (18, 0.2)])
def test_a_turnover_limit_with_hardly_any_room_hides_no_choice(seed: int, most_traded: float) -> None:
    """There the price of trading grows without end, and what its rounding lifts a bound by is no proof."""
    moments, random = universe(6, seed), np.random.default_rng(seed)
    current = np.round(random.dirichlet(np.ones(6)), 1)
    current[-1] = round(1.0 - float(current[:-1].sum()), 1)
    mandate = Mandate(
        moments.codes,
        risk_aversion=8.0,
        max_funds=5,
        min_weight_if_held=most_traded,
        max_turnover=most_traded,
        current=dict(zip(moments.codes, current.tolist(), strict=True)),
    )
    expected = every_choice(moments, mandate)
    assert expected is not None
    assert solve_cardinality(moments, mandate).objective == pytest.approx(expected.objective, abs=1e-9)
