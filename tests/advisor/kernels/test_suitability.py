import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.kernels.amounts import order_amounts, split_amount
from advisor.kernels.goals import goal_level
from advisor.kernels.suitability import Decision, Part, Verdict, Way, decide, decide_portfolio
from portfolios.jurisdictions import jurisdiction

RULES = jurisdiction().levels
CEILINGS = jurisdiction().horizon_ceilings


# The law's table, written out: y may be recommended and bought; w only by the investor's own wish, after the separate warning;
# x on the own wish too, but R5 is explained separately even within the level; - never. The lowest class holds R1 money-market
# funds only.
MATRIX = {
    #        R1   R2   R3   R4   R5
    "C1-min": "y    -    -    -    -",
    "C1":     "y    w    w    w    w",
    "C2":     "y    y    w    w    w",
    "C3":     "y    y    y    w    w",
    "C4":     "y    y    y    y    w",
    "C5":     "y    y    y    y    x",
}  # fmt: skip
CELLS = [(code, grade, cell) for code, row in MATRIX.items() for grade, cell in enumerate(row.split(), start=1)]
LEVEL_OF = {rule.code: level for level, rule in RULES.items()}


@pytest.mark.parametrize(("code", "grade", "cell"), CELLS)
def test_the_matrix_of_levels_and_grades_by_both_ways(code, grade, cell):
    decision = decide(LEVEL_OF[code], grade, "money_market", RULES)
    recommended, unwarned, warned = (
        decision.allows(Way.RECOMMENDED), decision.allows(Way.OWN), decision.allows(Way.OWN, is_warned=True),
    )  # fmt: skip
    assert (recommended, unwarned, warned) == {
        "y": (True, True, True), "x": (True, False, True), "w": (False, False, True), "-": (False, False, False),
    }[cell]  # fmt: skip
    assert not decision.allows(Way.RECOMMENDED, is_warned=True) or recommended, "no warning makes a recommendation"
    alone = decide_portfolio(LEVEL_OF[code], {"A": Part(1.0, grade, "money_market")}, RULES)
    assert (alone.verdict, alone.wants_warning) == (decision.verdict, decision.wants_warning), "a portfolio of one fund is that fund"


def test_a_portfolio_is_no_better_than_its_worst_fund_however_small():
    calm, wild = Part(0.99, 1, "money_market"), Part(0.01, 4, "equity")
    decision = decide_portfolio(3, {"CALM": calm, "WILD": wild}, RULES)
    assert (decision.verdict, decision.reasons, decision.funds) == (Verdict.ALLOW_AFTER_WARNING, ("above_level",), ("WILD",))
    assert decide_portfolio(0, {"CALM": calm, "WILD": wild}, RULES).verdict == Verdict.FORBID
    assert decide_portfolio(3, {"CALM": calm, "WILD": Part(0.0, 4, "equity")}, RULES).verdict == Verdict.RECOMMEND, "not held"
    assert decide_portfolio(None, {"CALM": calm}, RULES).reasons == ("no_level",)
    assert decide_portfolio(3, {"CALM": calm}, RULES, expired=True).reasons == ("level_expired",)
    assert decide_portfolio(3, {}, RULES).verdict == Verdict.FORBID
    with pytest.raises(ValueError, match="below 0"):
        decide_portfolio(3, {"CALM": Part(-0.1, 1, "money_market")}, RULES)


@pytest.mark.parametrize(
    ("level", "loss", "limit", "verdict"),
    [
        (3, 0.12, 0.12, Verdict.RECOMMEND),
        (3, 0.121, 0.12, Verdict.ALLOW_AFTER_WARNING),
        (3, 0.5, None, Verdict.RECOMMEND),
        (3, math.nan, 0.12, Verdict.ALLOW_AFTER_WARNING),
        (0, 0.01, math.nan, Verdict.FORBID),
        (3, None, 0.1, Verdict.RECOMMEND),
        (0, 0.001, 0.0001, Verdict.FORBID),
    ],
)
def test_a_portfolio_that_could_lose_more_than_its_limit_is_never_recommended(level, loss, limit, verdict):
    decision = decide_portfolio(level, {"CALM": Part(1.0, 1, "money_market")}, RULES, loss=loss, limit=limit)
    assert decision.verdict == verdict
    assert ("above_budget" in decision.reasons) == (verdict != Verdict.RECOMMEND)


@given(st.integers(0, 5), st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["money_market", "equity"])), min_size=1, max_size=6))
def test_a_portfolio_is_recommended_only_where_each_of_its_funds_is(level, kinds):
    parts = {f"F{n}": Part(1 / len(kinds), grade, asset_class) for n, (grade, asset_class) in enumerate(kinds)}
    each = [decide(level, grade, asset_class, RULES).verdict for grade, asset_class in kinds]
    expected = next(verdict for verdict in (Verdict.FORBID, Verdict.ALLOW_AFTER_WARNING, Verdict.RECOMMEND) if verdict in each)
    assert decide_portfolio(level, parts, RULES).verdict == expected


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
