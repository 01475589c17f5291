"""manage.py optimise: a level on a price file, without the database."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "etf"
VOLATILITIES = {"CALM": 0.004, "BOND": 0.04, "MIX": 0.12, "WORLD": 0.18, "WILD": 0.35}


@pytest.fixture
def prices(tmp_path) -> Path:
    rng = np.random.default_rng(5)
    n_days = 261 * 5
    days = [date.fromordinal(737_791 + 7 * (i // 5) + i % 5) for i in range(n_days)]  # weekdays from 2021-01-04
    values = {code: 100 * np.exp(np.cumsum(rng.normal(0, v / np.sqrt(261), n_days))) for code, v in VOLATILITIES.items()}
    lines = [",".join(["Date", *values])] + [
        ",".join([f"{day.month}/{day.day}/{day.year}", *(f"{values[code][i]:.6f}" for code in values)]) for i, day in enumerate(days)
    ]
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(lines))
    return path


def run(capsys, prices: Path, level: str, grades: Path | None = None) -> tuple[dict, str, int]:
    exit_code = 0
    try:
        call_command("optimise", prices=prices, level=level, grades=grades, json=True)
    except SystemExit as stopped:
        exit_code = int(stopped.code)
    printed = capsys.readouterr()
    return json.loads(printed.out), printed.err, exit_code


def graded(folder: Path, text: str) -> Path:
    path = folder / "grades.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("level", "highest"), [("C1", 1), ("C2", 2), ("C3", 3), ("c4", 4), ("C5", 5)])
def test_a_level_holds_what_it_may_and_no_more(prices, capsys, level, highest):
    answer, _, exit_code = run(capsys, prices, level)
    assert exit_code == 0
    assert answer["status"] == "solved"
    assert answer["level"] == level.upper()
    assert abs(sum(answer["weights"].values()) - 1) <= 1e-12
    assert all(answer["grades"][code] <= highest and 0 < weight <= 1 for code, weight in answer["weights"].items())
    assert answer["cvar"] <= answer["cvar_limit"]
    assert answer["cvar"] == pytest.approx(2.062713 * answer["volatility"] - answer["expected_return"])


def test_grades_come_from_bands_and_are_printed_with_returns_and_cash(prices, capsys):
    answer, _, _ = run(capsys, prices, "C5")
    assert answer["grades"] == {"BOND": 2, "CALM": 1, "MIX": 3, "WILD": 5, "WORLD": 4}
    assert answer["classes"] == {"grade_1": 0.018, "grade_2": 0.028, "grade_3": 0.05, "grade_4": 0.07, "grade_5": 0.08}
    assert answer["cash_rate"] == 0.015


def test_the_caps_of_advice_are_not_applied(prices, capsys):
    answer, _, _ = run(capsys, prices, "C1")
    assert answer["weights"] == {"CALM": 1.0}


def test_without_a_money_market_fund_the_lowest_level_is_infeasible_and_says_so(prices, capsys):
    answer, error, exit_code = run(capsys, prices, "C1-min")
    assert exit_code == 3
    assert (answer["status"], answer["conflict"], answer["weights"]) == ("infeasible", ["only_money_market"], {})
    assert error.strip() == answer["sentence"]
    assert "no R1 money-market fund" in error


@pytest.mark.parametrize("text", ["CALM,R1,money_market\n", "fund,grade,class\nCALM,1,money_market\n"])
def test_a_graded_money_market_fund_makes_the_lowest_level_feasible(prices, capsys, tmp_path, text):
    answer, _, exit_code = run(capsys, prices, "C1-min", graded(tmp_path, text))
    assert (exit_code, answer["weights"], answer["cvar"] <= 1e-4) == (0, {"CALM": 1.0}, True)


def test_a_budget_that_cannot_be_kept_is_named_with_what_is_reachable(prices, capsys, tmp_path):
    answer, error, exit_code = run(capsys, prices, "C1", graded(tmp_path, "WILD,R1\nCALM,R5\n"))
    assert (exit_code, answer["conflict"]) == (3, ["cvar"])
    assert "2.00%" in error


def test_a_budget_that_binds_is_kept_exactly(prices, capsys, tmp_path):
    text = "fund,grade,class\nWORLD,R2,equity\nWILD,R2,sector_equity\nBOND,R2,bond\nCALM,R1,short_bond\nMIX,R2,mixed\n"
    answer, _, exit_code = run(capsys, prices, "C2", graded(tmp_path, text))
    assert exit_code == 0
    assert answer["cvar"] == pytest.approx(0.05, abs=1e-6)
    assert answer["gamma"] > 2
    assert {"limit": "cvar", "shadow_price": None} in answer["binding"]
    assert "budget_does_not_bind" not in answer["notes"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("CALM,R9\n", "not a risk grade"),
        ("CALM\n", "not a risk grade"),
        ("NOBODY,R1\n", "NOBODY is not in the price file"),
        ("CALM,R1,crypto\n", "no asset class “crypto”"),
        ("CALM,R1\nCALM,R2\n", "stands twice"),
        ("fund,grade\n", "no rows"),
        ('fund,grade\n"CALM,R1\n' + "MIX,R3\n" * 20_000, "a quotation mark that is not closed"),
        ("fund,grade\nCA\x00LM,R1\n", "not a text file"),
    ],
)
def test_wrong_grades_are_refused_in_one_sentence(prices, tmp_path, text, sentence):
    with pytest.raises(CommandError, match=sentence) as raised:
        call_command("optimise", prices=prices, level="C3", grades=graded(tmp_path, text))
    assert raised.value.returncode == 2


def test_an_unknown_level_and_a_wrong_row_are_refused_in_one_sentence(prices, tmp_path):
    with pytest.raises(CommandError, match="C1-min, C1, C2"):
        call_command("optimise", prices=prices, level="C9")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(prices.read_text() + "\n1/8/2026,x,1,1,1,1\n")
    with pytest.raises(CommandError, match="fund CALM: the NAV is not a number") as raised:
        call_command("optimise", prices=wrong, level="C3")
    assert raised.value.returncode == 2


def test_a_file_too_short_to_measure_is_bad_input_and_no_limit(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("date,A\n2021-01-04,1\n")
    with pytest.raises(CommandError, match="not enough price history") as raised:
        call_command("optimise", prices=path, level="C3")
    assert raised.value.returncode == 2


def test_the_table_for_people_names_funds_weights_and_the_bad_year(prices, capsys):
    call_command("optimise", prices=prices, level="C3")
    printed = capsys.readouterr().out
    assert "MIX           R3" in printed
    assert "Level C3: expected return" in printed


def test_a_fund_with_too_short_a_history_is_left_out_and_said(prices, capsys):
    rows = prices.read_text().split("\n")
    filled = [rows[0] + ",YOUNG"] + [row + (",1.0" if i > len(rows) - 30 else ",NA") for i, row in enumerate(rows[1:])]
    prices.write_text("\n".join(filled))
    answer, _, exit_code = run(capsys, prices, "C5")
    assert exit_code == 0
    assert "short_history:YOUNG" in answer["notes"]
    assert answer["grades"]["YOUNG"] == 5 and "YOUNG" not in answer["weights"]


@pytest.mark.real_data
@pytest.mark.parametrize("file", ["ETFs_Prices.csv", "ETFs_TotalReturnIndices.csv"])
def test_the_etf_set_solves_for_c3_and_for_c1_min_only_with_a_money_market_fund(capsys, tmp_path, file):
    answer, _, exit_code = run(capsys, DATA / file, "C3")
    assert exit_code == 0
    assert len(answer["grades"]) == 37
    assert abs(sum(answer["weights"].values()) - 1) <= 1e-8
    assert all(answer["grades"][code] <= 3 and 0 <= weight <= 1 for code, weight in answer["weights"].items())
    assert answer["cvar"] <= 0.12
    _, error, exit_code = run(capsys, DATA / file, "C1-min")
    assert exit_code == 3
    assert "R1 money-market fund" in error
    answer, _, exit_code = run(capsys, DATA / file, "C1-min", graded(tmp_path, "BIL,R1,money_market\n"))
    assert (exit_code, answer["weights"]) == (0, {"BIL": 1.0})
