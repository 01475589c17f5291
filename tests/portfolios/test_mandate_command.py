"""manage.py optimise --moments M --mandate D: JSON in, JSON out, funds by id."""

import json
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

FUNDS = ["510300", "511010", "513500", "518880"]
MEAN = [0.075, 0.03, 0.07, 0.035]
VOLATILITY = np.array([0.22, 0.03, 0.19, 0.14])
COV = (np.outer(VOLATILITY, VOLATILITY) * (0.2 + 0.8 * np.eye(4))).tolist()
MOMENTS = {"funds": FUNDS, "mean": MEAN, "cov": COV}


def written(folder: Path, name: str, data: object) -> Path:
    path = folder / name
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture
def optimise(tmp_path, capsys):
    def run(mandate: object, moments: object = MOMENTS) -> tuple[dict, int]:
        exit_code = 0
        try:
            call_command("optimise", moments=written(tmp_path, "M.json", moments), mandate=written(tmp_path, "D.json", mandate), json=True)
        except SystemExit as stopped:
            exit_code = int(stopped.code)
        return json.loads(capsys.readouterr().out), exit_code

    return run


def test_the_optimum_of_a_utility_mandate_is_printed_with_all_its_figures(optimise):
    answer, exit_code = optimise({"risk_aversion": 3, "groups": [{"name": "shares", "funds": ["510300", "513500"], "max": 0.3}]})
    assert (exit_code, answer["status"], set(answer["weights"])) == (0, "solved", set(FUNDS))
    weights = np.array([answer["weights"][fund] for fund in FUNDS])
    assert abs(weights.sum() - 1) <= 1e-12
    variance = weights @ np.array(COV) @ weights
    assert answer["expected_return"] == pytest.approx(np.array(MEAN) @ weights)
    assert answer["volatility"] == pytest.approx(variance**0.5)
    assert answer["objective"] == pytest.approx(np.array(MEAN) @ weights - 1.5 * variance)
    assert answer["cvar"] == pytest.approx(2.062713 * variance**0.5 - np.array(MEAN) @ weights)
    assert answer["costs"] == 0 and answer["gap"] <= 1e-10
    prices = {row["limit"]: row["shadow_price"] for row in answer["binding"]}
    assert prices["group:shares:max"] > 0
    looser, _ = optimise({"risk_aversion": 3, "groups": [{"name": "shares", "funds": ["510300", "513500"], "max": 0.3001}]})
    assert (looser["objective"] - answer["objective"]) / 1e-4 == pytest.approx(prices["group:shares:max"], rel=1e-2)


def test_the_order_of_funds_in_the_file_does_not_matter(optimise):
    mandate = {"risk_aversion": 4, "current": {"511010": 1.0}, "buy_cost": 0.01, "sell_cost": {"511010": 0.005}}
    answer, _ = optimise(mandate)
    order = [2, 0, 3, 1]
    shuffled = {
        "funds": [FUNDS[i] for i in order],
        "mean": dict(zip(FUNDS, MEAN, strict=True)),
        "cov": [[COV[i][j] for j in order] for i in order],
    }
    again, _ = optimise(mandate, shuffled)
    assert again["weights"] == pytest.approx(answer["weights"], abs=1e-9)
    assert answer["costs"] == pytest.approx(0.01 * (1 - answer["weights"]["511010"]) + 0.005 * (1 - answer["weights"]["511010"]))


@pytest.mark.parametrize(
    "mandate",
    [
        {"objective": "min_volatility"},
        {"objective": "max_sharpe", "risk_free": 0.015},
        {"target_volatility": 0.08},
        {"target_return": 0.05},
        {"risk_aversion": 3, "cvar_limit": 0.1, "buy_cost": 0.002},
        {"risk_aversion": 3, "robust": {"kappa": 0.3, "mean_cov": (np.array(COV) / 10).tolist()}},
        {"risk_aversion": 3, "max_funds": 2, "min_weight_if_held": 0.2},
        {"risk_aversion": 3, "long_only": False, "default_bounds": [-0.2, 0.6], "max_turnover": 0.5, "current": {"510300": 1}},
        {"risk_aversion": 3, "locked": {"518880": 0.1}, "excluded": ["510300"], "cash": {"fund": "511010", "min": 0.3}},
        {"risk_aversion": 3, "risk_grades": dict(zip(FUNDS, [4, 2, 4, 3], strict=True)), "max_grade": 3},
    ],
)
def test_every_kind_of_mandate_is_solved(optimise, mandate):
    answer, exit_code = optimise(mandate)
    assert exit_code == 0
    assert abs(sum(answer["weights"].values()) - 1) <= 1e-9
    assert all(row["shadow_price"] >= 0 for row in answer["binding"])
    if "max_grade" in mandate:
        assert answer["weights"]["510300"] == answer["weights"]["513500"] == 0


def test_an_impossible_mandate_says_what_would_have_to_give_way(optimise):
    mandate = {"risk_aversion": 3, "default_bounds": [0, 0.2], "bounds": {"511010": [0, 0.3]}}
    answer, exit_code = optimise(mandate)
    assert (exit_code, answer["status"], answer["weights"], answer["conflict"]) == (3, "infeasible", {}, [])
    assert [(row["limit"], row["by"]) for row in answer["relax"]] == [("fund:510300:max", 0.1)]
    assert "510300" in answer["relax"][0]["sentence"]
    hard = {**mandate, "hard": ["fund:510300:max", "fund:513500:max", "fund:518880:max"]}
    answer, _ = optimise(hard)
    assert [(row["limit"], row["by"]) for row in answer["relax"]] == [("fund:511010:max", 0.1)]


def test_legal_limits_that_contradict_each_other_are_named(optimise):
    answer, exit_code = optimise({"risk_aversion": 3, "risk_grades": dict.fromkeys(FUNDS, 4), "max_grade": 2})
    assert (exit_code, answer["relax"], sorted(answer["conflict"])) == (3, [], ["max_grade", "sum"])


@pytest.mark.parametrize(
    ("mandate", "moments", "said"),
    [
        ({"risk_aversion": 0}, MOMENTS, "above 0"),
        ({"risk_aversion": "six"}, MOMENTS, "six"),
        ({}, MOMENTS, "risk_aversion"),
        ({"risk_aversion": 3, "target_return": 0.05}, MOMENTS, "risk aversion"),
        ({"objective": "utility", "risk_aversion": 3, "target_return": 0.05}, MOMENTS, "Only one"),
        ({"objective": "max_sharpe", "risk_free": 0.2}, MOMENTS, "risk-free"),
        ({"objective": "max_sharpe", "risk_free": 0.01, "max_funds": 2}, MOMENTS, "max_funds"),
        ({"risk_aversion": 3, "gamma": 4}, MOMENTS, "gamma"),
        ({"risk_aversion": 3, "hard": "turnover"}, MOMENTS, "hard is not a list of limit names"),
        ({"risk_aversion": 3, "hard": ["turnover", 1]}, MOMENTS, "hard is not a list of limit names"),
        ({"risk_aversion": 3, "groups": [{"name": "", "funds": ["510300"], "max": 0.5}]}, MOMENTS, "A group has no name"),
        ({"risk_aversion": 3, "bounds": {"000001": [0, 0.2]}}, MOMENTS, "000001"),
        ({"risk_aversion": 3, "bounds": {"510300": [0.4, 0.2]}}, MOMENTS, "510300"),
        ({"risk_aversion": 3, "groups": [{"name": "gold", "funds": ["000001"]}]}, MOMENTS, "gold"),
        ({"risk_aversion": 3, "buy_cost": -0.01}, MOMENTS, "below 0"),
        ('{"risk_aversion": 3, "risk_aversion": 4}', MOMENTS, "twice"),
        ("{risk_aversion: 3}", MOMENTS, "JSON"),
        ([], MOMENTS, "object"),
        ({"risk_aversion": 3}, {**MOMENTS, "mean": MEAN[:3]}, "3"),
        ({"risk_aversion": 3}, {**MOMENTS, "mean": [0.07, None, 0.07, 0.03]}, "511010"),
        ({"risk_aversion": 3}, {**MOMENTS, "funds": ["A", "A", "B", "C"]}, "A"),
        ({"risk_aversion": 3}, {**MOMENTS, "funds": [], "mean": [], "cov": []}, "fund"),
        ({"risk_aversion": 3}, {**MOMENTS, "cov": {"510300": {}}}, "511010"),
        ({"risk_aversion": 3}, {"funds": FUNDS, "mean": MEAN}, "cov"),
        ({"risk_aversion": 3}, {**MOMENTS, "cov": (-np.array(COV)).tolist()}, ""),
        ({"risk_aversion": 3}, {**MOMENTS, "mean": [1e308, 0.03, 0.07, 0.03]}, "510300"),
        ({"risk_aversion": 3}, '{"funds": ["A"], "mean": [1' + "0" * 5000 + '], "cov": [[0.04]]}', "JSON"),
        ({"risk_aversion": 3, "locked": {"510300": 1e300}}, MOMENTS, "locked 510300"),
        ({"risk_aversion": 5e-324}, MOMENTS, "above 0"),
        ({"risk_aversion": 3, "horizon_years": 1e-320, "buy_cost": 0.01}, MOMENTS, "years above 0"),
        ({"risk_aversion": 3}, '{"funds": ["\\ud800"], "mean": [0.05], "cov": [[0.04]]}', "fund codes"),
        ('{"risk_aversion": 3, "groups": [{"name": "\\udc00", "funds": ["510300"], "max": 0.1}]}', MOMENTS, "text"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(optimise, mandate, moments, said):
    with pytest.raises(CommandError) as refused:
        optimise(mandate, moments)
    assert refused.value.returncode == 2
    assert said in str(refused.value)
    assert "(%" not in str(refused.value) and "This cannot be done" not in str(refused.value)


def test_files_that_are_not_there_or_half_asked_for_are_refused(tmp_path):
    with pytest.raises(CommandError) as missing:
        call_command("optimise", moments=tmp_path / "none.json", mandate=tmp_path / "none.json")
    assert missing.value.returncode == 2
    with pytest.raises(CommandError) as half:
        call_command("optimise", moments=tmp_path / "none.json")
    assert half.value.returncode == 2


@pytest.mark.parametrize(("shell", "said"), [("C.UTF-8", "Give either"), ("zh_CN.UTF-8", "请同时给出")])
def test_a_question_that_is_refused_before_it_is_read_is_refused_in_the_language_of_the_shell(tmp_path, monkeypatch, shell, said):
    monkeypatch.setenv("LC_ALL", shell)
    with pytest.raises(CommandError, match=said):
        call_command("optimise", moments=tmp_path / "none.json")


def test_an_impossible_mandate_is_told_in_chinese_without_spaces_between_sentences(optimise, monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    answer, _ = optimise({"risk_aversion": 3, "default_bounds": [0, 0.2], "bounds": {"511010": [0, 0.3]}})
    assert answer["sentence"] == "没有组合能满足全部限制。允许基金 510300 的权重高至 30%（原上限为 20%）。"


def test_figures_no_float_can_work_with_count_as_zero(optimise):
    tiny, _ = optimise({"risk_aversion": 3}, {**MOMENTS, "cov": (np.eye(4) * 1e-320).tolist()})
    none, _ = optimise({"risk_aversion": 3}, {**MOMENTS, "cov": np.zeros((4, 4)).tolist()})
    assert tiny["weights"] == none["weights"] and tiny["objective"] == none["objective"] == pytest.approx(0.075)


def test_limits_that_are_far_away_limit_nothing(optimise):
    free, _ = optimise({"risk_aversion": 3, "long_only": False})
    far, _ = optimise({"risk_aversion": 3, "long_only": False, "default_bounds": [-1e9, 1e9], "max_turnover": 1e9, "cvar_limit": 1e9})
    assert far["weights"] == pytest.approx(free["weights"], abs=1e-9)


def test_one_fund_and_dust(optimise):
    one, _ = optimise({"risk_aversion": 3}, {"funds": ["A"], "mean": [0.03], "cov": [[0.0]]})
    assert one["weights"] == {"A": 1.0}
    dust, _ = optimise({"risk_aversion": 3, "current": dict.fromkeys(FUNDS, 1e-17), "buy_cost": 0.01})
    clean, _ = optimise({"risk_aversion": 3, "buy_cost": 0.01})
    assert dust["weights"] == pytest.approx(clean["weights"], abs=1e-9)


def test_a_solver_that_is_missing_ends_with_4(optimise, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "daqp", None)
    with pytest.raises(CommandError) as refused:
        optimise({"risk_aversion": 3})
    assert refused.value.returncode == 4
    assert "daqp" in str(refused.value)


def test_a_limit_without_a_price_is_told_without_one(tmp_path, capsys):
    moments = {"funds": ["A", "B"], "mean": [0.02, 0.05], "cov": [[0.01, 0.0], [0.0, 0.04]]}
    mandate = {"target_volatility": (0.01 * 0.04 / 0.05) ** 0.5}
    call_command("optimise", moments=written(tmp_path, "M.json", moments), mandate=written(tmp_path, "D.json", mandate))
    assert "Binds: target_volatility, at no price that could be told" in capsys.readouterr().out
