import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.kernels.amounts import order_amounts, split_amount
from advisor.kernels.suitability import Decision, Verdict, decide, goal_level
from portfolios.jurisdictions import jurisdiction

RULES = jurisdiction().levels
CEILINGS = jurisdiction().horizon_ceilings


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("grade", [1, 2, 3, 4, 5])
def test_a_level_is_recommended_its_grades_and_nothing_above(level, grade):
    decision = decide(level, grade, "equity", RULES)
    assert decision.verdict == (Verdict.RECOMMEND if grade <= level else Verdict.ALLOW_AFTER_WARNING)
    assert decision.reasons == (("within_level",) if grade <= level else ("above_level",))


@pytest.mark.parametrize(
    ("grade", "asset_class", "verdict", "reasons"),
    [
        (1, "money_market", Verdict.RECOMMEND, ("within_level",)),
        (1, "short_bond", Verdict.FORBID, ("only_class",)),
        (2, "money_market", Verdict.FORBID, ("above_level", "only_class")),
        (5, "equity", Verdict.FORBID, ("above_level", "only_class")),
    ],
)
def test_the_lowest_class_holds_r1_money_market_funds_and_can_never_go_above(grade, asset_class, verdict, reasons):
    assert decide(0, grade, asset_class, RULES) == Decision(verdict, reasons)


@pytest.mark.parametrize("level", [None, 0, 3])
def test_selling_is_never_blocked(level):
    assert decide(level, 5, "equity", RULES, side="sell", expired=True).verdict == Verdict.RECOMMEND


def test_an_expired_level_buys_nothing():
    assert decide(5, 1, "money_market", RULES, expired=True).reasons == ("level_expired",)
    assert decide(5, 1, "money_market", RULES, expired=True).verdict == Verdict.FORBID


def test_without_a_level_nothing_is_bought():
    assert decide(None, 1, "money_market", RULES).verdict == Verdict.FORBID


@pytest.mark.parametrize(("level", "grade", "side"), [(6, 1, "buy"), (3, 0, "buy"), (3, 6, "buy"), (3, 1, "swap")])
def test_what_the_rules_do_not_know_is_an_error(level, grade, side):
    with pytest.raises(ValueError, match=r"no rule|unknown side"):
        decide(level, grade, "equity", RULES, side=side)


@pytest.mark.parametrize(
    ("person", "years", "level"),
    [(5, 0.0, 2), (5, 0.99, 2), (5, 1.0, 3), (5, 2.99, 3), (5, 3.0, 4), (5, 4.99, 4), (5, 5.0, 5), (1, 0.5, 1), (0, 9.0, 0), (3, 4.0, 3)],
)
def test_a_goal_near_its_date_lowers_the_level_and_none_raises_it(person, years, level):
    assert goal_level(person, years, CEILINGS) == level


codes = st.text("ABCDEFGH", min_size=1, max_size=3)
weight_sets = st.dictionaries(codes, st.floats(0.001, 1), min_size=1, max_size=12)


@given(st.integers(0, 10**12), weight_sets)
def test_a_split_sums_to_the_amount_and_is_within_a_cent_of_its_weight(amount, weights):
    parts = split_amount(amount, weights)
    total = sum(weights.values())
    assert sum(parts.values()) == amount
    assert all(abs(parts[code] - amount * weights[code] / total) < 1.01 for code in weights)
    assert parts == split_amount(amount, dict(reversed(weights.items())))


@given(st.integers(0, 10**9), weight_sets, st.integers(1, 10_000))
def test_orders_are_large_enough_and_lose_no_cent(amount, weights, smallest):
    orders = order_amounts(amount, weights, smallest_minor=smallest, residual_code=min(weights))
    assert all(part >= smallest for part in orders.values())
    assert sum(orders.values()) in ({amount} if amount >= smallest * len(weights) else {amount, 0})


def test_what_is_too_small_goes_to_the_residual_fund():
    assert order_amounts(10_000, {"A": 0.5, "B": 0.45, "C": 0.05}, smallest_minor=1_000, residual_code="A") == {"A": 5_500, "B": 4_500}
