"""What an advisor reads where a mandate is impossible."""

import numpy as np
import pytest
from django.utils.translation import override

from portfolios.kernels.explain import explain
from portfolios.kernels.limits import limits_of, relaxed
from portfolios.kernels.mandate import Group, Mandate
from portfolios.kernels.types import Moments, Relaxation
from portfolios.selectors.explanations import conflict_sentence, limit_words, relaxation_sentence

FUNDS = ("000001", "000002", "000003")
EVERYTHING = Mandate(
    FUNDS,
    target_return=0.06,
    cvar_limit=0.05,
    default_bounds=(0.1, 0.2),
    groups=(Group("bonds: short", FUNDS[:2], 0.2, 0.4),),
    current={"000001": 1.0},
    max_turnover=0.2,
    locked={"000001": 0.2},
    excluded=("000002",),
    max_funds=2,
    min_weight_if_held=0.05,
    risk_grades=dict.fromkeys(FUNDS, 3),
    max_grade=2,
    cash=("000003", 0.05),
)
MOMENTS = Moments(FUNDS, np.array([0.02, 0.04, 0.06]), np.diag([0.0001, 0.01, 0.04]))


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("limit", "by", "sentence"),
    [
        ("fund:000001:max", 0.05, "Allow fund 000001 up to 25 % instead of 20 %."),
        ("fund:000001:max", 0.133334, "Allow fund 000001 up to 33.3334 % instead of 20 %."),
        ("fund:000002:min", 0.025, "Allow fund 000002 down to 7.5 % instead of 10 %."),
        ("group:bonds: short:min", 0.032, "Allow the group “bonds: short” to go 3.2 points lower: 16.8 % instead of 20 %."),
        ("group:bonds: short:max", 0.1, "Allow the group “bonds: short” to go 10 points higher: 50 % instead of 40 %."),
        ("turnover", 0.12, "Allow 12 points more turnover: 32 % instead of 20 %."),
        ("cvar", 0.03, "Raise the limit on the loss in a bad year to 8 % instead of 5 %."),
        ("target_return", 0.07, "Aim for a return of at least −1 % instead of 6 %."),
        ("locked:000001", 0.05, "Allow fund 000001 to move up to 5 points away from the 20 % it is locked at."),
        ("excluded:000002", 0.1, "Allow fund 000002, which is excluded, up to 10 points."),
        ("cash", 0.02, "Keep at least 3 % instead of 5 % in cash, fund 000003."),
        ("max_funds", 1.0, "Allow 1 more fund: 3 instead of 2."),
        ("max_funds", 2.0, "Allow 2 more funds: 4 instead of 2."),
        ("min_weight_if_held", 0.02, "Allow holdings as small as 3 % instead of 5 %."),
        ("min_weight_if_held", 0.05, "Allow holdings of any size instead of at least 5 %."),
    ],
)
def test_a_relaxation_says_what_to_allow(limit, by, sentence):
    assert plain(relaxation_sentence(EVERYTHING, Relaxation(limit, by))) == sentence


def test_a_volatility_has_its_sentence():
    calm = Mandate(FUNDS, target_volatility=0.06)
    assert plain(relaxation_sentence(calm, Relaxation("target_volatility", 0.02))) == "Allow a volatility of up to 8 % instead of 6 %."


def test_a_fund_is_called_by_its_name_where_it_has_one():
    names = {"000001": "Harbour Bond A"}
    said = relaxation_sentence(EVERYTHING, Relaxation("fund:000001:max", 0.05), names)
    assert plain(said) == "Allow fund Harbour Bond A up to 25 % instead of 20 %."


def test_every_limit_there_is_has_words_and_every_chosen_one_a_sentence():
    for mandate in (EVERYTHING, Mandate(FUNDS, target_volatility=0.06)):
        for limit in limits_of(MOMENTS, mandate).limits:
            assert limit_words(mandate, limit.name)
            if not limit.is_legal:
                assert relaxation_sentence(mandate, Relaxation(limit.name, 1.0)).endswith(".")


def test_a_sentence_says_what_the_relaxed_mandate_allows():
    mandate = Mandate(FUNDS, risk_aversion=3.0, default_bounds=(0.0, 0.3))
    (relaxation,) = explain(MOMENTS, mandate).relax
    allowed = relaxed(mandate, [relaxation]).bound("000001")[1]
    assert plain(relaxation_sentence(mandate, relaxation)) == f"Allow fund 000001 up to {allowed * 100:.0f} % instead of 30 %."


def conflict_of(mandate: Mandate) -> str:
    return plain(conflict_sentence(mandate, explain(MOMENTS, mandate).conflict))


def test_a_pool_without_a_fund_of_the_grade_says_so():
    said = conflict_of(Mandate(FUNDS, risk_aversion=3.0, risk_grades=dict.fromkeys(FUNDS, 3), max_grade=2))
    assert said == (
        "The pool has no fund of grade R2 or lower. These limits contradict each other, and none of them may be relaxed: "
        "no fund is above grade R2; the weights add up to 100 %."
    )


def test_too_few_funds_under_a_legal_cap_say_what_is_missing():
    caps = tuple(f"fund:{fund}:max" for fund in FUNDS)
    capped = Mandate(FUNDS, risk_aversion=3.0, default_bounds=(0.0, 0.18), hard=caps)
    assert conflict_of(capped).startswith("The funds may fill 54 % of the portfolio: the pool lacks funds for the other 46 %. ")
    grades = dict(zip(FUNDS, (1, 2, 3), strict=True))
    graded = Mandate(FUNDS, risk_aversion=3.0, default_bounds=(0.0, 0.18), hard=caps, risk_grades=grades, max_grade=2)
    told = "The funds of grade R2 or lower may fill 36 % of the portfolio: the pool lacks them for the other 64 %. "
    assert conflict_of(graded).startswith(told)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"target_return": 0.09}, "No portfolio within these limits returns 9 %: the pool lacks funds of a higher return. "),
        (
            {"target_volatility": 0.005},
            "No portfolio within these limits has a volatility as low as 0.5 %: the pool lacks calmer funds. ",
        ),
        (
            {"risk_aversion": 3.0, "cvar_limit": -0.1},
            "No portfolio within these limits keeps the loss in a bad year to −10 %: the pool lacks calmer funds. ",
        ),
    ],
)
def test_a_figure_that_no_portfolio_reaches_is_named(fields, told):
    hard = ("cvar",) if "cvar_limit" in fields else tuple(name for name in fields if name.startswith("target"))
    assert conflict_of(Mandate(FUNDS, **fields, hard=hard)).startswith(told)


def test_limits_at_odds_whatever_the_pool_holds_are_only_listed():
    odd = Mandate(FUNDS, risk_aversion=3.0, locked={"000001": 0.4}, excluded=("000001",), hard=("locked:000001", "excluded:000001"))
    assert conflict_of(odd) == (
        "These limits contradict each other, and none of them may be relaxed: fund 000001 excluded; fund 000001 locked at 40 %."
    )


def test_nothing_to_name_is_said_and_not_hidden():
    assert conflict_sentence(EVERYTHING, ()) == "No portfolio was found, though no limits contradict each other by more than rounding."


def test_a_percent_sign_follows_the_language():
    with override("zh-hans"):
        assert "25%" in relaxation_sentence(EVERYTHING, Relaxation("fund:000001:max", 0.05))
