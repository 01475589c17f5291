"""manage.py fit_dormancy: what it prints, the figures of CDNOW, and files that cannot be used."""

import gzip
import json

import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from marketing.kernels.bgnbd import Parameters, simulate
from marketing.kernels.dormancy_holdout import areas, by_frequency, summarise, track
from tests.conftest import REAL_DATA

CDNOW = REAL_DATA / "cdnow"


def fitted(capsys, *arguments, **options):
    call_command("fit_dormancy", *arguments, json=True, **options)
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def summary(tmp_path):
    rng = np.random.default_rng(4)
    x, t, end = simulate(Parameters(0.6, 6.0, 0.8, 2.0), np.ceil(rng.uniform(5, 60, 400)), rng)
    path = tmp_path / "summary.csv"
    rows = [f"c{i},{int(x[i])},{np.ceil(t[i]):g},{end[i]:g}" for i in range(len(x))]
    path.write_text("\n".join(["ID,frequency,recency,T", *rows]) + "\n")
    return path


@pytest.mark.real_data
def test_cdnow_s_sample_gives_the_published_figures(capsys):
    found = fitted(capsys, transactions=CDNOW / "CDNOW_sample.txt", calibration_end="1997-09-30", unit="week", horizon=39)
    assert list(found) == ["r", "alpha", "a", "b", "log_likelihood", "customers"]
    assert [found[name] for name in ("r", "alpha", "a", "b")] == pytest.approx([0.243, 4.414, 0.793, 2.426], abs=0.005)
    assert found["log_likelihood"] == pytest.approx(-9582.43, abs=0.01)
    assert len(found["customers"]) == 2357
    first = found["customers"][0]
    assert first == {"id": "0001", "p_alive": pytest.approx(0.7266, abs=0.001), "expected": pytest.approx(1.226, abs=0.002)}


@pytest.mark.real_data
def test_cdnow_s_master_has_a_holdout_and_a_report(capsys):
    asked = {"transactions": CDNOW / "CDNOW_master.txt.gz", "calibration_end": "1997-09-30", "model": "mbgnbd"}
    report = fitted(capsys, report=True, **asked)["report"]
    assert (report["n"], report["n_came"], report["held_out"]) == (23_570, 7_058, 39)
    assert [row["n"] for row in report["bins"]][:3] == [14_119, 4_442, 2_064]
    assert report["areas"]["naive"]["value"] == pytest.approx(0.673, abs=0.001)
    assert report["differences"]["p_any"]["low"] > 0.05
    end = next(row for row in report["tracking"] if row["time"] == pytest.approx(273 / 7 - 1 / 7, abs=0.2))
    assert end["expected"] == pytest.approx(end["actual"], rel=0.05)
    call_command("fit_dormancy", report=True, **(asked | {"transactions": CDNOW / "CDNOW_sample.txt"}))
    assert "Who comes again: area under the ROC curve" in capsys.readouterr().out


def test_summaries_are_fitted_in_the_order_of_the_file(summary, capsys):
    found = fitted(capsys, summary=summary, horizon=10)
    assert [row["id"] for row in found["customers"]] == [f"c{i}" for i in range(400)]
    assert all(0 <= row["p_alive"] <= 1 and row["expected"] >= 0 for row in found["customers"])
    other = fitted(capsys, summary=summary, horizon=10, model="mbgnbd")
    assert other["log_likelihood"] != found["log_likelihood"]
    call_command("fit_dormancy", summary=summary)
    assert "400 customers" in capsys.readouterr().out


def test_transactions_are_read_from_csv_and_from_lines_apart_by_blanks(tmp_path, capsys):
    rng = np.random.default_rng(5)
    bought = [(i, int(day)) for i in range(60) for day in {0, *rng.integers(0, 200, rng.integers(0, 6)).tolist()}]
    rows = [(f"{i:03}", str(np.datetime64("2025-01-01") + day)) for i, day in bought]
    table, plain = tmp_path / "t.csv", tmp_path / "t.txt.gz"
    table.write_text("id,date,amount\n" + "".join(f"{who},{day},9.5\n{who},{day},1\n" for who, day in rows))
    with gzip.open(plain, "wt") as file:
        file.write(" customer_id  date n\n" + "".join(f" {who}  {day.replace('-', '')}  2   11.77\n" for who, day in rows))
    one, two = (fitted(capsys, transactions=path, calibration_end="2025-05-31", unit="day", horizon=30) for path in (table, plain))
    assert one == two and len(one["customers"]) == 60


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("c,1,2,3\n", "1 customers are too few"),
        ("".join(f"c{i},0,0,9\n" for i in range(20)), "Nobody came more than once"),
        ("".join(f"c{i},0,0,0\n" for i in range(20)), "nobody was watched"),
        ("a,1,2,5\nb,1,7,5\n", "Line 3 (b): recency 7.0 is more than T, 5.0."),
        ("a,1,2,5\n\nb,2,0,5\n", "Line 4 (b): frequency is 2.0 but recency is 0"),
        ("a,0,2,5\n", "who did not come again has a recency of 0"),
        ("a,-1,0,5\n", "negative"),
        ("a,1.5,1,5\n", "not a whole number"),
        ("a,x,1,5\n", "Line 2: “x” is no number in the column “frequency”."),
        ("a,1,1,nan\n", "“nan” is no number in the column “T”."),
        ("a,1,1,5\na,1,1,5\n", "the ID a stands twice"),
        (",1,1,5\n", "Line 2 has no ID."),
        ("", "has no rows"),
    ],
)
def test_summaries_that_cannot_be_used_are_told_in_one_sentence(tmp_path, rows, said):
    path = tmp_path / "s.csv"
    path.write_text("ID,frequency,recency,T\n" + rows)
    with pytest.raises(CommandError) as error:
        call_command("fit_dormancy", summary=path)
    assert error.value.returncode == 2 and said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("id,date\na,2025-13-01\n", {}, "Line 2: “2025-13-01” is no date"),
        ("id,date\na,\n", {}, "“” is no date"),
        ("id,date\n,2025-01-01\n", {}, "Line 2 has no id."),
        ("id,when\na,2025-01-01\n", {}, "no column “date”"),
        ("id,date\na,2026-01-01\n", {}, "later than the end of calibration"),
        ("001 20250101 1\n002\n", {}, "Line 2 has too few columns."),
        ("id,date\n" + "".join(f"c{i},2025-01-0{d}\n" for i in range(20) for d in (1, 5)), {"report": True}, "no transaction after"),
        ("id,date\na,2025-01-01\n", {"calibration_end": None}, "needs --calibration-end"),
        ("id,date\na,2025-01-01\n", {"calibration_end": "May"}, "“May” is no date"),
        ("id,date\na,2025-01-01\n", {"horizon": -1.0}, "horizon must be"),
    ],
)
def test_transactions_that_cannot_be_used_are_told_in_one_sentence(tmp_path, text, options, said):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(CommandError) as error:
        call_command("fit_dormancy", transactions=path, **({"calibration_end": "2025-05-31"} | options))
    assert error.value.returncode == 2 and said in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CommandError, match="There is no file"):
        call_command("fit_dormancy", summary=tmp_path / "no.csv")
    with pytest.raises(CommandError, match="There is no file"):
        call_command("fit_dormancy", transactions=tmp_path / "no.csv", calibration_end="2025-01-01")
    with pytest.raises(CommandError):
        call_command("fit_dormancy", summary=tmp_path / "no.csv", transactions=tmp_path / "no.csv")


def test_decisions_are_summed_up_by_person_and_day():
    person, time = np.array([3, 1, 1, 1, 1, 2, 2]), np.array([9.0, 0, 4, 4, 7, 3, 20])
    ids, seen = summarise(person, time, 5.0, 10.0)
    assert ids.tolist() == [1, 2]
    assert seen.frequency.tolist() == [1, 0] and seen.recency.tolist() == [4, 0]
    assert seen.observed.tolist() == [5, 2] and seen.later.tolist() == [1, 0]


def test_areas_count_ties_half_and_hold_their_truth():
    rng = np.random.default_rng(0)
    came = np.array([True, True, False, False])
    found, _ = areas({"s": np.array([2.0, 1, 1, 0]), "none": np.zeros(4)}, came, rng, against="none", n_bootstraps=20)
    assert found["s"].value == pytest.approx(3.5 / 4) and found["none"].value == 0.5
    n = 2_000
    came = rng.random(n) < 0.4
    score = came + rng.normal(size=n)  # the truth is the normal distribution function of 1 / sqrt 2
    found, gap = areas({"s": score, "none": np.zeros(n)}, came, rng, against="none", n_bootstraps=200)
    assert found["s"].low < 0.760 < found["s"].high and gap["s"].low > 0.2
    assert areas({"s": score}, np.zeros(n, bool), rng, against="s") == ({}, {})


def test_what_a_fit_expects_is_set_beside_what_came():
    bins = by_frequency(np.array([0, 0, 9, 12]), np.array([1.0, 2, 3, 4]), np.array([0.0, 1, 3, 5]))
    assert [(row.frequency, row.is_open, row.n, row.expected, row.actual) for row in bins] == [
        (0, False, 2, 1.5, 0.5),
        (7, True, 2, 3.5, 4),
    ]
    true, rng = Parameters(0.6, 6.0, 0.8, 2.0), np.random.default_rng(2)
    first = rng.integers(0, 10, 3_000).astype(float)
    x, _, _ = simulate(true, 40 - first, rng)
    ends = track(true, first, np.concatenate([np.full(int(k), 39.0) for k in x]), np.array([5.0, 40.0]))
    assert ends[0].actual == 0 < ends[0].expected
    assert ends[1].expected == pytest.approx(ends[1].actual, rel=0.08)
