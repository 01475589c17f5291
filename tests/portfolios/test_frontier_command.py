"""manage.py frontier: JSON in, every turning point out, funds by id."""

import json

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from portfolios.kernels.errors import SolverError

FUNDS = ["510300", "511010", "513500", "518880"]
MEAN = [0.075, 0.03, 0.07, 0.035]
VOLATILITY = np.array([0.22, 0.03, 0.19, 0.14])
COV = np.outer(VOLATILITY, VOLATILITY) * (0.2 + 0.8 * np.eye(4))
MOMENTS = {"funds": FUNDS, "mean": MEAN, "cov": COV.tolist()}


@pytest.fixture
def frontier(tmp_path, capsys):
    def run(mandate: dict | None = None, moments: dict = MOMENTS, **options) -> tuple[dict, str, int]:
        (tmp_path / "M.json").write_text(json.dumps(moments))
        if mandate is not None:
            (tmp_path / "D.json").write_text(json.dumps(mandate))
            options["mandate"] = tmp_path / "D.json"
        exit_code = 0
        try:
            call_command("frontier", moments=tmp_path / "M.json", json=True, **options)
        except SystemExit as stopped:
            exit_code = int(stopped.code)
        printed = capsys.readouterr()
        return json.loads(printed.out), printed.err, exit_code

    return run


def test_turning_points_go_from_highest_return_to_least_risk(frontier):
    answer, _, exit_code = frontier()
    turning = answer["turning_points"]
    assert exit_code == 0 and answer["points"] == []
    assert turning[0]["weights"] == {"510300": 1.0, "511010": 0.0, "513500": 0.0, "518880": 0.0}
    # Where all is in the first fund: variance slope difference = theta * difference of means, for the first fund to leave it.
    thetas = [(COV[0, 0] - COV[0, i]) / (MEAN[0] - MEAN[i]) for i in range(1, 4)]
    assert turning[0]["risk_aversion"] == pytest.approx(1 / max(thetas))
    assert turning[-1]["risk_aversion"] is None
    gammas = [point["risk_aversion"] for point in turning[:-1]]
    assert gammas == sorted(gammas)
    for name in ("expected_return", "volatility"):
        assert (np.diff([point[name] for point in turning]) < 0).all()
    for point in turning:
        weights = np.array([point["weights"][fund] for fund in FUNDS])
        assert weights.sum() == pytest.approx(1, abs=1e-12)
        assert point["expected_return"] == pytest.approx(weights @ MEAN)
        assert point["volatility"] == pytest.approx(np.sqrt(weights @ COV @ weights))


def test_points_are_as_many_as_asked_with_the_risk_aversion_of_each(frontier):
    answer, _, _ = frontier({"bounds": {"510300": [0, 0.5]}, "groups": [{"name": "bonds", "funds": ["511010"], "min": 0.2}]}, points=7)
    points = answer["points"]
    assert len(points) == 7
    assert points[0] == answer["turning_points"][0] and points[-1] == answer["turning_points"][-1]
    assert all(point["weights"]["510300"] <= 0.5 and point["weights"]["511010"] >= 0.2 - 1e-12 for point in points)
    assert np.diff([point["expected_return"] for point in points]) == pytest.approx(
        np.full(6, (points[-1]["expected_return"] - points[0]["expected_return"]) / 6)
    )


def test_the_objective_of_the_mandate_is_not_read(frontier):
    plain, _, _ = frontier()
    asked, _, _ = frontier({"objective": "utility", "risk_aversion": 4})
    assert asked == plain


def test_the_order_of_funds_in_the_file_does_not_matter(frontier):
    order = [2, 0, 3, 1]
    shuffled = {"funds": [FUNDS[i] for i in order], "mean": [MEAN[i] for i in order], "cov": COV[np.ix_(order, order)].tolist()}
    first, second = frontier()[0]["turning_points"], frontier(moments=shuffled)[0]["turning_points"]
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert other["weights"] == pytest.approx(one["weights"], abs=1e-12)


def test_limits_that_contradict_each_other_end_with_three(frontier):
    answer, said, exit_code = frontier({"default_bounds": [0, 0.2]})
    assert (answer["turning_points"], exit_code) == ([], 3)
    assert said.strip().count("\n") == 0 and said.strip()


@pytest.mark.parametrize(
    ("mandate", "word"),
    [
        ({"max_turnover": 0.1, "current": {"510300": 1}}, "turnover"),
        ({"target_return": 0.05}, "target_return"),
        ({"max_funds": 2}, "max_funds"),
        ({"cvar_limit": 0.1}, "cvar"),
        ({"bounds": {"000000": [0, 1]}}, "000000"),
    ],
)
def test_what_is_wrong_or_not_linear_ends_with_two_and_is_named(frontier, mandate, word):
    with pytest.raises(CommandError) as raised:
        frontier(mandate)
    assert raised.value.returncode == 2
    assert word in str(raised.value)


def test_a_negative_number_of_points_ends_with_two(frontier):
    with pytest.raises(CommandError) as raised:
        frontier(points=-1)
    assert raised.value.returncode == 2


def test_a_solver_that_fails_ends_with_four(frontier, monkeypatch):
    def fail(*_):
        raise SolverError("not_proven_optimal")

    monkeypatch.setattr("portfolios.kernels.frontier.trace", fail)
    with pytest.raises(CommandError) as raised:
        frontier()
    assert raised.value.returncode == 4


def test_without_json_it_prints_a_table(tmp_path, capsys):
    (tmp_path / "M.json").write_text(json.dumps(MOMENTS))
    call_command("frontier", moments=tmp_path / "M.json", points=3)
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 4
    assert "510300 100.00%" in lines[1] and lines[3].split()[0] == "-"
