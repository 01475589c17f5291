import json
from types import SimpleNamespace

import numpy as np
import pytest

from portfolios.kernels.grades import GradeInputs, GradeRules, own_grades

RULES = GradeRules(
    volatility_bands={1: 0.01, 2: 0.06, 3: 0.15, 4: 0.25, 5: 9.99},
    drawdown_bands={1: 0.02, 2: 0.08, 3: 0.30, 4: 0.50, 5: 9.99},
    leverage=[SimpleNamespace(above_percent=140, at_least=3), SimpleNamespace(above_percent=200, at_least=5)],
    complex_at_least=4,
    calmer=0.85,
)


def grade(category=1, volatility=0.005, fall=0.001, leverage=100, is_complex=False, before=0):
    one = GradeInputs(
        np.array([category]), np.array([volatility]), np.array([fall]), np.array([leverage]), np.array([is_complex]), np.array([before])
    )
    grades, reasons = own_grades(one, RULES)
    return int(grades[0]), [reason["code"] for reason in reasons[0]]


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, (1, ["category", "volatility", "drawdown"])),
        ({"category": 3}, (3, ["category"])),
        ({"volatility": 0.01}, (2, ["volatility"])),
        ({"volatility": 0.30}, (5, ["volatility"])),
        ({"fall": 0.31}, (4, ["drawdown"])),
        ({"leverage": 150}, (3, ["leverage"])),
        ({"leverage": 140}, (1, ["category", "volatility", "drawdown"])),
        ({"leverage": 201}, (5, ["leverage"])),
        ({"is_complex": True}, (4, ["complexity"])),
        ({"volatility": 0.2, "fall": 0.4}, (4, ["volatility", "drawdown"])),
    ],
)
def test_the_strictest_of_the_criteria_counts_and_is_named(fields, wanted):
    assert grade(**fields) == wanted


def test_an_unknown_history_asks_for_nothing_and_is_said():
    assert grade(category=2, volatility=np.nan, fall=np.nan) == (2, ["category", "short_history"])
    assert grade(category=1, volatility=np.nan, fall=np.nan) == (1, ["category", "short_history"])


def test_reasons_can_be_stored_whatever_is_not_known():
    """NaN is no JSON: no database takes it."""
    unknown = np.array([np.nan, 0.14])
    n = len(unknown)
    inputs = GradeInputs(np.array([1, 2]), unknown, np.full(n, np.nan), np.full(n, 100), np.zeros(n, bool), np.array([0, 4]))
    grades, reasons = own_grades(inputs, RULES)
    json.dumps(reasons, allow_nan=False)
    assert (grades.tolist(), [reason["code"] for reason in reasons[1]]) == ([1, 4], ["not_calmer_enough"])


def test_a_fund_just_below_the_edge_of_a_band_keeps_the_grade_it_had():
    assert grade(category=2, volatility=0.145, before=4) == (4, ["not_calmer_enough"])
    assert grade(category=2, volatility=0.145, before=3) == (3, ["volatility"])
    assert grade(category=2, volatility=0.85 * 0.15 - 1e-9, before=4) == (3, ["volatility"])


def test_the_narrower_bands_never_raise_a_grade():
    assert grade(category=2, volatility=0.055, before=2)[0] == 2
    assert grade(category=2, volatility=0.055, before=0)[0] == 2


def test_a_market_is_graded_as_its_funds_alone():
    random = np.random.default_rng(1)
    n = 300
    inputs = GradeInputs(
        random.integers(1, 6, n),
        np.where(random.random(n) < 0.1, np.nan, random.uniform(0, 0.4, n)),
        random.uniform(0, 0.7, n),
        random.choice([100, 140, 150, 250], n),
        random.random(n) < 0.1,
        random.integers(0, 6, n),
    )
    grades, reasons = own_grades(inputs, RULES)
    for i in range(n):
        one = GradeInputs(*(column[i : i + 1] for column in vars(inputs).values()))
        alone, why = own_grades(one, RULES)
        assert (alone[0], why[0]) == (grades[i], reasons[i])
    assert ((grades >= inputs.category_grade) & (grades <= 5)).all()
