"""manage.py assess_risk: JSON in, every number of the method out, no database."""

import json
import math
from pathlib import Path
from statistics import NormalDist

import pytest
import yaml
from django.core.management import CommandError, call_command

from advisor.instruments import file_path, load_instrument
from advisor.jurisdictions import advice_rules

ANSWERS = {
    "tolerance": [0.9] * 6,
    "capacity": [0.9] * 7,
    "knowledge": {"correct": 2, "experienced": True},
    "gates": {"civil_capacity": True, "accepts_loss": True},
}
NAMES = (
    "T K s T1 behaviour D T2 lo hi R raw_level SEM_T SEM_K sigma_R p0 queued lowered_by lowered_level ceilings gate p confidence "
    "retest p_retest confidence_shown level goal_level instrument instrument_sha256 rules"
)


def written(folder: Path, name: str, data: object) -> Path:
    path = folder / name
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    def call(answers: object, behaviour: object = None, *, as_json: bool = True, **options: object):
        files = {"answers": written(tmp_path, "A.json", answers)}
        if behaviour is not None:
            files["behaviour"] = written(tmp_path, "B.json", behaviour)
        call_command("assess_risk", **files, **options, json=as_json)
        printed = capsys.readouterr().out
        return json.loads(printed) if as_json else printed

    return call


@pytest.fixture
def refused(run):
    def call(answers: object, behaviour: object = None, **options: object) -> str:
        with pytest.raises(CommandError) as error:
            run(answers, behaviour, **options)
        assert error.value.returncode == 2
        sentence = str(error.value)
        assert "\n" not in sentence and "http" not in sentence and sentence.endswith(".")
        return sentence

    return call


def answers(**changed: object) -> dict:
    return ANSWERS | changed


@pytest.mark.parametrize(
    ("tolerance", "capacity", "figures", "raw"),
    [
        ([1] * 6, [0.25] * 7, {"T": 100, "K": 25, "lo": 25, "hi": 100, "R": 30}, "C2"),
        ([0.10] * 6, [1] * 7, {"T": 10, "K": 100, "lo": 10, "R": 15}, "C1"),
        ([0.5] * 6, [0.5] * 7, {"T": 50, "K": 50, "s": 0, "R": 50}, "C3"),
        (
            [0, 1] * 3,
            [0.5] * 7,
            {"s": 0.5, "T1": 50 * math.exp(-0.375), "R": 50 * math.exp(-0.375) + 0.25 * (50 - 50 * math.exp(-0.375))},
            "C2",
        ),
    ],
)
def test_the_published_vectors(run, tolerance, capacity, figures, raw):
    answer = run(answers(tolerance=tolerance, capacity=capacity))
    assert {name: answer[name] for name in figures} == pytest.approx(figures, abs=1e-6)
    assert answer["raw_level"] == raw


def test_the_vector_with_behaviour_and_every_number_under_its_name(run):
    sheet = answers(
        tolerance=[0.5] * 6,
        capacity=[0.6] * 7,
        facts={"max_loss": 0.1, "horizon_years": 0.5, "age": None},
        knowledge={"correct": 0, "experienced": True},
    )
    behaviour = {"panic": {"value": 1, "evidence": 1, "months_since_sale": 3}, "turnover": {"value": 3.0, "evidence": 1}}
    answer = run(sheet, behaviour)
    assert list(answer) == NAMES.split()
    assert [answer[name] for name in ("D", "T2", "lo", "hi", "R")] == pytest.approx([12, 38, 38, 60, 43], abs=1e-6)
    assert answer["behaviour"]["turnover"] == pytest.approx({"value": 3, "evidence": 1, "z": 1, "omega": 0.2, "damage": 4})
    assert (answer["raw_level"], answer["lowered_level"], answer["level"], answer["goal_level"]) == ("C3", "C2", "C2", "C2")
    assert "panic_sale" in answer["lowered_by"]
    assert answer["ceilings"] == [
        {"name": "loss_10", "level": "C2", "binds": False},
        {"name": "knowledge", "level": "C3", "binds": False},
    ]
    assert 5 < answer["SEM_T"] < 20 and 5 < answer["SEM_K"] < 20
    assert answer["sigma_R"] == pytest.approx(answer["SEM_T"])  # tolerance is the lower by more than 20 points
    assert answer["p0"] == pytest.approx(NormalDist(43, answer["sigma_R"]).cdf(46))
    assert answer["p"] == pytest.approx(NormalDist(43, answer["sigma_R"]).cdf(66))
    norms = load_instrument(advice_rules().assessment.instrument).sem.norms
    assert (answer["retest"]["mean_T"], answer["retest"]["rel_K"]) == (norms.tolerance.mean, norms.capacity.reliability)
    assert len(answer["retest"]) == 11 and 0 < answer["p_retest"] < 1
    alone = run(sheet | {"profiling_consent": False}, behaviour)
    assert (alone["D"], alone["behaviour"], alone["confidence"]) == (0, {}, "medium")


@pytest.mark.parametrize(
    ("changed", "level", "goal_level"),
    [
        ({}, "C5", "C5"), ({"facts": {"horizon_years": 0.9}}, "C5", "C2"), ({"facts": {"horizon_years": 5}}, "C5", "C5"),
        ({"facts": {"age": 70}}, "C3", "C3"), ({"facts": {"age": 70}, "review_lifts_age": True}, "C5", "C5"),
        ({"facts": {"max_loss": 0}}, "C1-min", "C1-min"), ({"facts": {"max_loss": 1}}, "C5", "C5"),
        ({"facts": {"reserve_months": 1, "consumer_debt": False}}, "C3", "C3"), ({"facts": {"consumer_debt": True}}, "C3", "C3"),
        ({"gates": {"civil_capacity": False, "accepts_loss": True}}, "C1-min", "C1-min"),
        ({"gates": {"civil_capacity": True, "accepts_loss": False}}, "C1-min", "C1-min"),
        ({"soft_confirmed": 4}, "C5", "C5"), ({"tolerance": [0.85] * 6, "capacity": [0.85] * 7, "low_quality": True}, "C4", "C4"),
    ],
)  # fmt: skip
def test_each_key_of_the_answers_does_what_it_says(run, changed, level, goal_level):
    answer = run(answers(**changed))
    assert (answer["level"], answer["goal_level"]) == (level, goal_level)
    assert answer["s"] == pytest.approx(0.05 * changed.get("soft_confirmed", 0))
    assert not changed.get("low_quality") or (answer["confidence"], answer["lowered_by"]) == ("low", ["low_confidence"])


def test_for_people_it_is_a_text_and_in_a_chinese_shell_a_chinese_one(run, monkeypatch):
    told = run(answers(facts={"max_loss": 0.1}), {"chasing": {"value": 0.5, "evidence": 0.5}}, as_json=False)
    assert "Level C2, p 1.0000, confidence high; for this goal C2" in told
    assert "  at most C2, which decides: you can bear to lose 10 % at most" in told
    gated = run(answers(gates={"civil_capacity": False, "accepts_loss": True}, low_quality=True), as_json=False)
    assert "C1-min by law: you are under 18" in gated and "An advisor should look at it." in gated
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "您最多能接受亏 10%" in run(answers(facts={"max_loss": 0.1}), as_json=False)


BAD_ANSWERS = [
    ("[]", "JSON object"),
    ("{", "line 1"),
    ('{"tolerance": [], "tolerance": []}', "twice"),
    (b"\xff\xfe\x00", "JSON"),
    ("[" * 100_000, "JSON"),
    ('{"tolerance": ' + "9" * 5000 + "}", "JSON"),
    (" " * 1_000_001, "too large"),
    (answers(tolerance=[0.5] * 5), "tolerance is wrong (it must have exactly 6 entries)"),
    (answers(tolerance=[0.5] * 7), "exactly 6"),
    (answers(capacity=[0.5] * 6), "exactly 7"),
    (answers(tolerance=0.5), "tolerance is wrong (it must be a list)"),
    (answers(tolerance=[0.5] * 5 + ["0.5"]), "tolerance.6 is wrong (it must be a number)"),
    (answers(tolerance=[0.5] * 5 + [True]), "a number"),
    (answers(tolerance=[0.5] * 5 + [None]), "a number"),
    (answers(tolerance=[0.5] * 5 + [math.nan]), "finite"),
    (answers(capacity=[0.5] * 6 + [math.inf]), "finite"),
    (answers(capacity=[0.5] * 6 + [1.01]), "at most 1"),
    (answers(capacity=[-0.01] + [0.5] * 6), "capacity.1 is wrong (it must be at least 0)"),
    (answers(capacity=[10**400] * 7), "capacity.1"),
    (answers(colour="red"), "colour is wrong (it is not known here)"),
    (answers(facts={"max_los": 0.1}), "facts.max_los is wrong (it is not known"),
    ({name: value for name, value in ANSWERS.items() if name != "gates"}, "gates is wrong (it is missing)"),
    (answers(gates={"civil_capacity": True}), "gates.accepts_loss is wrong (it is missing)"),
    (answers(gates={"civil_capacity": 1, "accepts_loss": True}), "true or false"),
    (answers(gates=[]), "in braces"),
    (answers(knowledge={"correct": 3, "experienced": True}), "at most 2"),
    (answers(knowledge={"correct": 1.5, "experienced": True}), "whole number"),
    (answers(knowledge={"correct": -1, "experienced": True}), "at least 0"),
    (answers(facts={"age": 150}), "facts.age is wrong (it must be at most 120)"),
    (answers(facts={"age": -1}), "at least 0"),
    (answers(facts={"age": "65"}), "a number"),
    (answers(facts={"max_loss": 1.2}), "at most 1"),
    (answers(facts={"max_loss": -0.1}), "at least 0"),
    (answers(facts={"reserve_months": -3}), "at least 0"),
    (answers(facts={"horizon_years": -1}), "at least 0"),
    (answers(facts={"consumer_debt": 0}), "true or false"),
    (answers(soft_confirmed=-1), "at least 0"),
    (answers(soft_confirmed=1.5), "whole"),
    (answers(soft_confirmed=10**30), "at most 16"),
    (answers(low_quality="no"), "true or false"),
    (answers(profiling_consent=None), "true or false"),
]


@pytest.mark.parametrize(("sheet", "said"), BAD_ANSWERS, ids=range(len(BAD_ANSWERS)))
def test_bad_answers_are_refused_in_one_sentence(refused, sheet, said):
    sentence = refused(sheet)
    assert "A.json" in sentence and said in sentence


BAD_BEHAVIOUR = [
    ({"luck": {"value": 1, "evidence": 1}}, "luck is wrong (it is not known here)"),
    ({"panic": 1}, "panic is wrong"),
    ({"panic": {"value": 1}}, "panic.evidence is wrong (it is missing)"),
    ({"panic": {"value": 1, "evidence": 1.1}}, "at most 1"),
    ({"panic": {"value": 1, "evidence": -0.1}}, "at least 0"),
    ({"panic": {"value": math.nan, "evidence": 1}}, "finite"),
    ({"panic": {"value": 1, "evidence": 1, "months_since_sale": -2}}, "panic.months_since_sale is wrong (it must be at least 0)"),
    ({"turnover": {"value": 1, "evidence": 1, "months_since_sale": 2}}, "not known"),
    ({"turnover": {"value": -1, "evidence": 1}}, "at least 0"),
    ({"concentration": {"value": 1.1, "evidence": 1}}, "at most 1"),
    ({"disposition": {"value": -1.5, "evidence": 1}}, "at least -1"),
    ({"chasing": {"value": "all", "evidence": 1}}, "a number"),
    ("[]", "JSON object"),
]


@pytest.mark.parametrize(("behaviour", "said"), BAD_BEHAVIOUR, ids=range(len(BAD_BEHAVIOUR)))
def test_bad_behaviour_is_refused_in_one_sentence(refused, behaviour, said):
    sentence = refused(ANSWERS, behaviour)
    assert "B.json" in sentence and said in sentence


def test_missing_files_folders_and_a_broken_questionnaire_are_refused(refused, tmp_path):
    assert "no file" in refused(ANSWERS, instrument=tmp_path / "none.yaml")
    assert "cannot be read" in refused(ANSWERS, instrument=tmp_path)
    for text in ("name: [unclosed", "name: own\nversion: 1", "- a list", b"\xff\xfe\x00", "[" * 50_000, "version: " + "9" * 5000):
        assert "I.yaml" in refused(ANSWERS, instrument=written(tmp_path, "I.yaml", text))


def test_another_questionnaire_brings_its_own_errors_of_measurement(run, tmp_path):
    """Half of an item's options gone: it is told apart by less."""
    shipped = load_instrument("standard@1")
    assert run(ANSWERS)["SEM_T"] == load_instrument(advice_rules().assessment.instrument).sem.tolerance
    same = run(ANSWERS, instrument=file_path("standard@1"))
    assert (same["instrument"], same["SEM_T"], same["SEM_K"]) == ("standard@1", shipped.sem.tolerance, shipped.sem.capacity)
    data = yaml.safe_load(file_path("standard@1").read_text(encoding="utf-8"))
    item = next(item for item in data["items"] if item["code"] == "dependants")
    item["options"] = item["options"][::2]
    other = run(ANSWERS, instrument=written(tmp_path, "I.yaml", yaml.safe_dump(data, allow_unicode=True)))
    assert other["SEM_T"] == same["SEM_T"] and other["SEM_K"] > same["SEM_K"]
