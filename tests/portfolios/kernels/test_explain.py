"""Why a mandate is impossible: the fewest limits, the least amounts, and never a legal one.

N_HELPED sets how many impossible mandates are held against brute force; `make prove` takes a hundred.
"""

import os
from dataclasses import replace

import numpy as np
import pytest

from portfolios.kernels.errors import DataError, InfeasibleError
from portfolios.kernels.explain import explain, is_feasible
from portfolios.kernels.limits import limits_of, relaxed
from portfolios.kernels.mandate import Group, Mandate
from portfolios.kernels.solve import solve
from portfolios.kernels.types import Explanation, Moments, Relaxation
from tests.portfolios.kernels.contradictions import SecondWay, market, subsets, tight_mandate

ABCD = ("A", "B", "C", "D")
STEP = 1e-6
N_HELPED = int(os.environ.get("N_HELPED", "30"))


def four_funds() -> Moments:
    return Moments(ABCD, np.array([0.02, 0.04, 0.06, 0.08]), np.diag([0.0, 0.01, 0.02, 0.04]))


def utility(**fields) -> Mandate:
    return Mandate(ABCD, risk_aversion=5.0, **fields)


def relax_of(mandate: Mandate) -> dict[str, float]:
    found = explain(four_funds(), mandate)
    assert found.conflict == ()
    return {relaxation.limit: relaxation.by for relaxation in found.relax}


@pytest.fixture(scope="module")
def explained() -> list[tuple[Moments, Mandate, Explanation]]:
    """Mandates with limits of every kind, the first N_HELPED of them that can be helped and the others on the way."""
    cases, seed = [], 0
    while sum(bool(found.relax) for _, _, found in cases) < N_HELPED:
        moments = market(seed, 4 + seed % 3)
        mandate = tight_mandate(seed, moments.codes)
        cases.append((moments, mandate, explain(moments, mandate)))
        seed += 1
    return cases


def test_no_smaller_set_and_no_smaller_sum_helps_a_mandate(explained):
    for moments, mandate, found in explained:
        if not found.relax:
            continue
        names, total = tuple(one.limit for one in found.relax), sum(one.by for one in found.relax)
        second = SecondWay(moments, mandate)
        chosen = [name for name in second.names if not mandate.is_legal(name)]
        assert names == tuple(sorted(names)) and set(names) <= set(chosen)
        assert all(second.least(fewer) == np.inf for fewer in subsets(chosen, len(names) - 1))
        sums = {others: second.least(others) for others in subsets(chosen, len(names))}
        least = min(sums.values())
        assert least - STEP <= total <= least + len(names) * STEP + STEP
        assert names == min(others for others, its_sum in sums.items() if its_sum <= least + 1e-7)


def test_each_relaxation_makes_its_mandate_feasible_and_a_smaller_one_does_not(explained):
    for moments, mandate, found in explained:
        if not found.relax:
            continue
        eased = relaxed(mandate, found.relax)
        assert SecondWay(moments, eased).least(()) == 0.0
        assert explain(moments, eased) == Explanation()
        for short in found.relax:
            amount = short.by - (1 if short.limit == "max_funds" else 5 * STEP)
            less = [replace(one, by=amount) if one is short else one for one in found.relax if one is not short or amount > 0]
            try:
                assert not is_feasible(moments, relaxed(mandate, less))
            except InfeasibleError:
                assert short.limit.startswith(("locked:", "excluded:"))


def test_the_engine_agrees_before_and_after(explained):
    for moments, mandate, found in explained:
        if found.relax:
            with pytest.raises(InfeasibleError):
                solve(moments, mandate)
            assert abs(solve(moments, relaxed(mandate, found.relax)).weights.sum() - 1) <= 1e-7


def test_legal_limits_that_contradict_are_a_minimal_set(explained):
    conflicts = [(moments, mandate, found.conflict) for moments, mandate, found in explained if found.conflict]
    assert len(conflicts) >= 15
    for moments, mandate, conflict in conflicts:
        second = SecondWay(moments, mandate)
        assert all(mandate.is_legal(name) for name in conflict)
        assert conflict == tuple(sorted(conflict))
        assert second.least((), set(second.names) - set(conflict)) == np.inf
        assert all(second.least((), set(second.names) - set(conflict) | {name}) < np.inf for name in conflict)


def test_a_mandate_that_can_be_kept_has_nothing_to_explain(explained):
    kept = [(moments, mandate) for moments, mandate, found in explained if found == Explanation()]
    assert kept
    assert all(SecondWay(moments, mandate).least(()) < np.inf for moments, mandate in kept)


@pytest.mark.parametrize(
    ("mandate", "relax"),
    [
        (utility(bounds=dict.fromkeys(ABCD, (0.0, 0.2))), {"fund:A:max": 0.2}),
        (utility(bounds=dict.fromkeys(ABCD, (0.3, 1.0))), {"fund:A:min": 0.2}),
        (utility(groups=(Group("low", ("A", "B"), 0.7), Group("high", ("C", "D"), 0.5))), {"group:high:min": 0.2}),
        (utility(groups=(Group("all", ABCD, None, 0.9),)), {"group:all:max": 0.1}),
        (utility(current={"A": 1.0}, max_turnover=0.1, bounds={"A": (0.0, 0.6)}, hard=("fund:A:max",)), {"turnover": 0.3}),
        (utility(current={"A": 1.0}, max_turnover=0.1, bounds={"A": (0.0, 0.6)}), {"fund:A:max": 0.3}),
        (utility(cvar_limit=-0.05), {"cvar": 0.03}),
        (utility(locked={"A": 0.7}, cash=("B", 0.4)), {"cash": 0.1}),
        (utility(locked={"A": 0.7}, cash=("A", 0.8), hard=("cash",)), {"locked:A": 0.1}),
        (utility(excluded=("A",), cash=("A", 0.25)), {"cash": 0.25}),
        (utility(excluded=("A",), cash=("A", 0.25), hard=("cash",)), {"excluded:A": 0.25}),
        (utility(max_funds=1, default_bounds=(0.0, 0.4), hard=tuple(f"fund:{fund}:max" for fund in ABCD)), {"max_funds": 2.0}),
        (utility(max_funds=2, min_weight_if_held=0.6, default_bounds=(0.0, 0.9)), {"fund:A:max": 0.1}),
        (utility(min_weight_if_held=0.6, default_bounds=(0.0, 0.9), hard=("fund:A:max", "fund:B:max")), {"fund:C:max": 0.1}),
        (Mandate(ABCD, target_return=0.1), {"target_return": 0.02}),
        (Mandate(ABCD, target_volatility=0.05, bounds={"D": (0.5, 1.0)}), {"target_volatility": 0.05}),
    ],
)
def test_amounts_that_can_be_worked_out_by_hand(mandate, relax):
    assert relax_of(mandate) == relax


def test_a_volatility_limit_and_a_count_of_funds_together():
    # Equal weights of n independent funds of 20 % volatility have 20 % / sqrt(n): 10 % needs all four, 11.6 % three.
    moments = Moments(ABCD, np.full(4, 0.05), np.diag(np.full(4, 0.04)))
    counted = Mandate(ABCD, target_volatility=0.116, max_funds=2, hard=("target_volatility",))
    assert explain(moments, counted).relax == (Relaxation("max_funds", 1.0),)
    calm = Mandate(ABCD, target_volatility=0.116, max_funds=2, hard=("max_funds",))
    assert explain(moments, calm).relax == (Relaxation("target_volatility", 0.025422),)


def test_amounts_that_could_be_split_in_many_ways_are_split_evenly():
    maxima = tuple(f"fund:{fund}:max" for fund in "CD")
    mandate = utility(bounds={"A": (0.0, 0.2), "B": (0.0, 0.2), "C": (0.0, 0.0), "D": (0.0, 0.0)}, hard=maxima)
    assert relax_of(mandate) == {"fund:A:max": 0.6}
    capped = replace(
        mandate, groups=(Group("a", ("A",), None, 0.7), Group("b", ("B",), None, 0.7)), hard=(*maxima, "group:a:max", "group:b:max")
    )
    assert relax_of(capped) == {"fund:A:max": 0.3, "fund:B:max": 0.3}


def test_amounts_are_rounded_outward_but_not_for_noise():
    assert relax_of(utility(bounds=dict.fromkeys(ABCD, (0.0, 0.225)))) == {"fund:A:max": 0.1}
    assert relax_of(utility(bounds={"A": (0.0, 0.2), "B": (0, 1 / 3), "C": (0, 1 / 3), "D": (0, 0)})) == {"fund:A:max": 0.133334}


def test_the_order_of_funds_does_not_matter():
    moments = market(7, 6)
    mandate = replace(tight_mandate(10, moments.codes), hard=())
    turned = Moments(moments.codes[::-1], moments.mean[::-1], moments.cov[::-1, ::-1])
    assert explain(moments, mandate).relax
    assert explain(turned, replace(mandate, funds=mandate.funds[::-1])) == explain(moments, mandate)


def test_grades_and_legal_caps_that_leave_too_little_name_themselves():
    grades = {"A": 1, "B": 4, "C": 4, "D": 5}
    none_left = utility(risk_grades=dict.fromkeys(ABCD, 4), max_grade=2, default_bounds=(0.0, 0.5))
    assert explain(four_funds(), none_left) == Explanation(conflict=("max_grade", "sum"))
    capped = utility(risk_grades=grades, max_grade=2, default_bounds=(0.0, 0.5), hard=("fund:A:max",))
    assert explain(four_funds(), capped) == Explanation(conflict=("fund:A:max", "max_grade", "sum"))


@pytest.mark.parametrize("counts", [{}, {"max_funds": 2}, {"min_weight_if_held": 0.3}, {"max_funds": 1, "hard": ("max_funds",)}])
@pytest.mark.parametrize(
    ("fields", "conflict"),
    [
        ({"target_return": 0.2, "hard": ("target_return",)}, ("long_only", "sum", "target_return")),
        ({"locked": {"A": 1.5}, "hard": ("locked:A",)}, ("locked:A", "long_only", "sum")),
        ({"cash": ("A", 1.5), "hard": ("cash",)}, ("cash", "long_only", "sum")),
        ({"bounds": {"A": (1.5, 2.0)}, "hard": ("fund:A:min",)}, ("fund:A:min", "long_only", "sum")),
    ],
)
def test_a_conflict_names_the_sum_and_long_only_where_funds_are_counted_too(fields, conflict, counts):
    goal = {} if "target_return" in fields else {"risk_aversion": 5.0}
    mandate = Mandate(ABCD, **{**goal, **fields, **counts, "hard": (*fields["hard"], *counts.get("hard", ()))})
    assert explain(four_funds(), mandate) == Explanation(conflict=conflict)


def test_a_conflict_names_a_number_of_funds_only_where_it_is_needed():
    maxima = tuple(f"fund:{fund}:max" for fund in ABCD)
    counted = utility(max_funds=2, default_bounds=(0.0, 0.4), hard=("max_funds", *maxima))
    assert explain(four_funds(), counted).conflict == (*maxima, "max_funds", "sum")
    returns = Mandate(ABCD, target_return=0.05, max_funds=1, excluded=("D",), locked={"C": 0.0})
    hard = replace(returns, hard=("target_return", "max_funds", "excluded:D", "locked:C"))
    assert explain(four_funds(), hard).conflict == ("excluded:D", "locked:C", "long_only", "sum", "target_return")


def test_a_conflict_of_many_counted_funds_names_every_cap():
    moments = market(1, 20)
    maxima = tuple(f"fund:{fund}:max" for fund in moments.codes)
    mandate = Mandate(moments.codes, risk_aversion=5.0, max_funds=3, default_bounds=(0.0, 0.3), hard=("max_funds", *maxima))
    assert explain(moments, mandate).conflict == (*sorted(maxima), "max_funds", "sum")


def test_a_conflict_that_corners_far_out_hide_names_all_its_limits():
    # No portfolio has a volatility of zero; without other limits the tangents so far leave weights of 1e7, and rounding passes for a price.
    cov = np.array(
        [
            [0.053408252580832254, -0.018095056075196823, -0.012367239094487848, 0.014980349951049307],
            [-0.018095056075196823, 0.044222510363764705, 0.03116606396231386, -0.002991747904378107],
            [-0.012367239094487848, 0.03116606396231386, 0.03949700535537916, 0.003556493097374576],
            [0.014980349951049307, -0.002991747904378107, 0.003556493097374576, 0.012589246868710512],
        ]
    )
    held = (0.09299633314471027, 0.07660084206809344, 0.11998349015919643, 0.7104193346279998)
    mandate = Mandate(
        ABCD,
        long_only=False,
        target_volatility=0.0,
        bounds={"A": (0.0, 0.5)},
        groups=(Group("g", ("B", "C"), None, 0.3),),
        current=dict(zip(ABCD, held, strict=True)),
        max_turnover=0.1,
        locked={"B": 0.8},
        excluded=("D",),
        risk_grades={"A": 2, "B": 5, "C": 4, "D": 4},
        max_grade=2,
        hard=("target_volatility", "fund:A:min", "excluded:D"),
    )
    assert explain(
        Moments(ABCD, np.array([0.028964430908529983, 0.07842873216449218, 0.12513950487303954, 0.08989491512938805]), cov), mandate
    ).conflict == (
        "sum",
        "target_volatility",
    )


def test_a_relaxed_mandate_has_the_same_limits_farther_out():
    mandate = utility(
        bounds={"A": (0.1, 0.3), "B": (0.0, 0.2)},
        groups=(Group("g", ("A", "B"), 0.2, 0.4),),
        locked={"A": 0.2},
        excluded=("B",),
        cash=("C", 0.3),
        max_turnover=0.1,
        cvar_limit=0.02,
        max_funds=2,
        min_weight_if_held=0.1,
    )
    by = {"fund:A:max": 0.1, "group:g:min": 0.1, "locked:A": 0.15, "excluded:B": 0.3, "cash": 0.1, "turnover": 0.2, "cvar": 0.01}
    by |= {"max_funds": 1.0, "min_weight_if_held": 0.1, "fund:C:min": 0.0}
    eased = relaxed(mandate, [Relaxation(name, amount) for name, amount in by.items()])
    assert eased.bound("A") == pytest.approx((0.1, 0.35)) and eased.bound("B") == (0.0, 0.2)
    assert (eased.groups[0].min, eased.groups[0].max) == (0.1, 0.4)
    assert eased.locked == {} and eased.excluded == () and eased.cash == ("C", pytest.approx(0.2))
    assert (eased.max_turnover, eased.cvar_limit, eased.max_funds, eased.min_weight_if_held) == (pytest.approx(0.3), 0.03, 3, 0.0)


@pytest.mark.parametrize("name", ["sum", "long_only", "max_grade", "turnover", "fund:Z:max", "locked:A", "group:g:min", "nonsense"])
def test_what_is_legal_or_not_there_cannot_be_relaxed(name):
    with pytest.raises(DataError, match="limit_not_chosen"):
        relaxed(utility(), [Relaxation(name, 0.1)])


def test_a_lock_relaxed_too_little_still_contradicts_the_funds_own_bounds():
    mandate = utility(locked={"A": 0.7}, bounds={"A": (0.0, 0.5)})
    with pytest.raises(InfeasibleError, match="limits_contradict"):
        relaxed(mandate, [Relaxation("locked:A", 0.1)])
    assert relaxed(mandate, [Relaxation("locked:A", 0.2)]).bound("A") == pytest.approx((0.5, 0.5))


def test_every_limit_of_a_mandate_has_its_name():
    mandate = utility(groups=(Group("g", ("A",), 0.1),), excluded=("B",), cash=("C", 0.1), max_funds=2)
    names = [limit.name for limit in limits_of(four_funds(), mandate).limits]
    assert names == ["cash", "excluded:B", *(f"fund:{fund}:max" for fund in ABCD), "group:g:min", "long_only", "max_funds", "sum"]
