"""manage.py behaviour: a ledger from files, worked out by hand, its output in assess_risk, and files that cannot be used."""

import json
from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.advisor.kernels.behaviour_world import weekdays

DAYS = weekdays(date(2024, 1, 1), 520)
FUNDS = "fund,class,region,category,grade\nA,equity,cn,index,R4\nB,bond,cn,bond,R2\nG,gold,world,gold,3\n"
LEDGER = [
    "date,fund,side,units,amount,origin",
    "2024-01-10,A,buy,10000,10000,investor",
    "2024-01-10,G,buy,10000,10000,proposal",
    "2024-01-10,B,buy,10000,10000,plan",
    f"{DAYS[120]},A,sell,8000,7200,investor",
]

PRICES = ["date,A,B,G"] + [f"{day},{'0.90' if at > 100 else '0.95' if at == 100 else '1.00'},1.0,1.0" for at, day in enumerate(DAYS)]


@pytest.fixture
def run(tmp_path, capsys):
    def call(ledger=LEDGER, prices=PRICES, funds=FUNDS, as_of="2025-12-31", **options):
        texts = {"ledger": "\n".join(ledger) + "\n", "prices": "\n".join(prices) + "\n", "funds": funds}
        files = {}
        for name, text in texts.items():
            files[name] = tmp_path / f"{name}.csv"
            files[name].write_text(text, encoding="utf-8")
        call_command("behaviour", **files, as_of=as_of, **({"json": True} | options))
        return capsys.readouterr().out

    return call


def test_five_measures_of_a_ledger_that_assess_risk_takes(run, tmp_path, capsys):
    printed = run()
    found = json.loads(printed)
    assert list(found) == ["panic", "turnover", "disposition", "concentration", "chasing"]
    # 8,000 x 0.90 = 7,200 were sold of shares (9,000) and gold (10,000): no panic sale, 7,200 / 19,000.
    assert found["panic"]["value"] == pytest.approx(7_200 / 19_000) and found["panic"]["months_since_sale"] is None
    assert found["panic"]["rests_on"] == found["panic"]["rests_on"] | {"trades": [5], "from": str(DAYS[101]), "to": str(DAYS[120]), "n": 1}
    # 23 months open with something; in June 2024 (day 120 is 17 June) with 9,000 + 10,000 + 10,000: 12 x 3,600 / 29,000 / 23.
    assert found["turnover"]["value"] == pytest.approx(12 * 3_600 / 29_000 / 23) and found["turnover"]["evidence"] == pytest.approx(23 / 29)
    # A sold with a loss, gold and bonds at their cost: RL 1. PGR = .148; PLR = (1 + 1.96) / 21.
    assert found["disposition"]["value"] == pytest.approx(0.148 - 2.96 / 21)
    # 5 month-ends with 10,000 of gold and 10,000, ... of A: January to April 1/2, May (9,000) 181 / 361, then 1,800 beside 10,000.
    hhi = [0.5] * 4 + [181 / 361] + [(0.18**2 + 1) / 1.18**2] * 19
    assert found["concentration"]["value"] == pytest.approx(sum(hhi) / 24)
    assert found["chasing"]["rests_on"]["n"] == 0 and found["chasing"]["rests_on"]["risk_assets"] == 11_800
    behaviour, answers = tmp_path / "b.json", tmp_path / "a.json"
    behaviour.write_text(printed, encoding="utf-8")
    sheet = {"tolerance": [0.5] * 6, "capacity": [0.6] * 7, "gates": {"civil_capacity": True, "accepts_loss": True}}
    answers.write_text(json.dumps(sheet | {"knowledge": {"correct": 2, "experienced": True}}), encoding="utf-8")
    call_command("assess_risk", answers=answers, behaviour=behaviour, json=True)
    weighed = json.loads(capsys.readouterr().out)
    z = (sum(hhi) / 24 - 0.20) / 0.60
    assert weighed["D"] == pytest.approx(20 * (0.40 * 7_200 / 19_000 + 0.15 * 24 / 30 * z), abs=1e-6)
    assert "concentration" in run(json=False) and "11,800.00 yuan" in run(json=False)


def test_values_are_total_return_so_a_distribution_is_no_loss_and_no_fall(run):
    prices = ["date,fund,nav,distribution"]
    prices += [f"{day},A,{'0.85' if at > 100 else '1.00'},{'0.15' if at == 101 else ''}" for at, day in enumerate(DAYS)]
    prices += [f"{day},{fund},1.0," for day in DAYS for fund in "BG"]
    found = json.loads(run(prices=prices))
    assert found["panic"]["rests_on"]["n"] == 0 and found["disposition"]["rests_on"]["rl"] == 0
    # Units sold at 0.85 a unit are still 8,000 of 10,000: what is left is 2,000, with its distribution reinvested.
    assert found["panic"]["rests_on"]["risk_assets"] == pytest.approx(12_000)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ledger": [LEDGER[0], LEDGER[4]]}, "Line 2 of the ledger sells more of fund A than was bought before."),
        ({"ledger": [*LEDGER, "2024-12-02,A,sell,9000,8100,investor"]}, "Line 6 of the ledger sells more of fund A"),
        ({"ledger": [*LEDGER, "2024-12-02,X,buy,1,1,investor"]}, "fund X is not in the table of funds"),
        ({"funds": FUNDS + "X,equity,cn,index,4\n", "ledger": [*LEDGER, "2024-12-02,X,buy,1,1,investor"]}, "not in the price file"),
        ({"funds": FUNDS.replace("R4", "")}, "Fund A has no risk grade"),
        ({"funds": FUNDS.replace("R4", "R7")}, "“R7” is not a risk grade"),
        ({"funds": FUNDS + "A,equity,cn,index,4\n"}, "Fund A stands twice"),
        ({"funds": FUNDS.replace(",region", ",zone")}, "has no column “region”"),
        ({"ledger": [*LEDGER, "2024-02-30,A,buy,1,1,investor"]}, "“2024-02-30” cannot be used in the column “date”"),
        ({"ledger": [*LEDGER, "0202-01-05,A,buy,1,1,investor"]}, "“0202-01-05” cannot be used"),
        ({"ledger": [*LEDGER, "2023-12-01,A,buy,1,1,investor"]}, "fund A has no price of 2023-12-01"),
        ({"ledger": [*LEDGER, "2024-12-02,A,buy,nan,1,investor"]}, "“nan” cannot be used in the column “units”"),
        ({"ledger": [*LEDGER, "2024-12-02,A,buy,1,,investor"]}, "“” cannot be used in the column “amount”"),
        ({"ledger": [*LEDGER, "2024-12-02,A,buy,1,-5,investor"]}, "column “amount”"),
        ({"ledger": [*LEDGER, "2024-12-02,A,hold,1,1,investor"]}, "“hold” cannot be used in the column “side”"),
        ({"ledger": [*LEDGER, "2024-12-02,A,buy,1,1,"]}, "column “origin”"),
        ({"ledger": [*LEDGER, LEDGER[1]]}, "Line 6 of the ledger repeats line 2"),
        ({"prices": [*PRICES, "2025-12-30,x,1,1"]}, "fund A"),
        ({"as_of": "yesterday"}, "“yesterday” is no date"),
        ({"as_of": "0001-01-01"}, "“0001-01-01” is no date"),
        ({"as_of": "9999-12-31"}, "“9999-12-31” is no date"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_one_sentence(run, changed, said):
    with pytest.raises(CommandError) as error:
        run(**changed)
    assert error.value.returncode == 2 and said in str(error.value) and "\n" not in str(error.value)


def test_later_rows_are_not_looked_at_and_an_unknown_origin_is_left_out_and_named(run):
    early = json.loads(run(as_of="2024-03-29"))
    assert early["panic"]["rests_on"]["n"] == 0 and early["turnover"]["rests_on"]["n"] == 2
    assert json.loads(run(ledger=LEDGER[:1]))["panic"]["evidence"] == 0.0
    beside = StringIO()
    found = json.loads(run(ledger=[*LEDGER, "2024-02-01,A,buy,5000,5000,gift"], stderr=beside))
    assert found["turnover"]["rests_on"]["trades"] == [5] and "gift" in beside.getvalue()
