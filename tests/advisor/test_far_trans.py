"""FAR-Trans: each row kept or reported, the four levels, bad folders, and the benchmark's reading of a full data set."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from advisor.kernels.instrument_lint import BANK_MIX
from advisor.services.far_trans import read_far_trans
from benchmarks.bank_customers import customers_seen, market_of
from tests.advisor.kernels.behaviour_world import weekdays
from tests.conftest import REAL_DATA

CUSTOMERS = """customerID,customerType,riskLevel,investmentCapacity,lastQuestionnaireDate,timestamp
A,Mass,Income,CAP_LT30K,2017-05-02,2018-01-02
A,Mass,Income,CAP_LT30K,2021-05-02,2021-06-01
B,Premium,Aggressive,CAP_GT300K,2017-05-02,2018-01-02
C,Mass,Predicted_Balanced,Predicted_CAP_LT30K,2000-01-01,2018-01-02
D,Mass,Not_Available,Not_Available,2000-01-01,2018-01-02
E,Mass,Conservative,CAP_LT30K,2021-05-02,2018-01-02
F,Mass,Balanced,CAP_LT30K,2017-05-02,2018-01-02
A,Mass,Income,CAP_LT30K,2017-05-02,2018-01-02
G,Mass,Daring,CAP_LT30K,2017-05-02,2018-01-02
,Mass,Income,CAP_LT30K,2017-05-02,2018-01-02
H,Mass,Income,CAP_LT30K,2017-02-30,2018-01-02
"""
ASSETS = """ISIN,assetName,assetShortName,assetCategory,assetSubCategory,marketID,sector,industry,timestamp
S1,ΔΗΛΟΣ,D,Stock,,XATH,,,2018-01-02
M1,"Fund, mixed",F,MTF,Balanced,AEDAK,,,2018-01-02
B1,Bond,B,Bond,Corporate,XATH,,,2018-01-02
X1,Coin,X,Crypto,,XATH,,,2018-01-02
"""
MARKETS = "exchangeID,marketID,name,description,country,tradingDays\nXATH,XATH,Athens,,Greece,Mon\nAEDAK,AEDAK,Funds,,Greece,Mon\n"
DAYS = weekdays(date(2018, 1, 2), 700)
# Shares fall by a fifth on day 560, after the 24 months that end on 2 January 2020 (day 522).
PRICES = [f"{code},{day},{(8 if at >= 560 else 10) if code == 'S1' else 10}" for code in ("S1", "M1", "B1") for at, day in enumerate(DAYS)]
ORDERS = [
    f"A,S1,1,Buy,{DAYS[0]},10000,1000,Branch,XATH",
    f"A,S1,2,Sell,{DAYS[570]},8000,1000,Branch,XATH",
    f"B,S1,3,Buy,{DAYS[0]},10000,1000,Branch,XATH",
    f"B,M1,4,Buy,{DAYS[30]},5000,500,Branch,AEDAK",
    f"C,S1,5,Buy,{DAYS[0]},10000,1000,Branch,XATH",
    f"F,S1,6,Sell,{DAYS[1]},10000,1000,Branch,XATH",
]
WRONG_ORDERS = [
    f"A,S1,1,Buy,{DAYS[3]},10,1,Branch,XATH",
    f"Z,S1,7,Buy,{DAYS[3]},10,1,Branch,XATH",
    f"A,X1,8,Buy,{DAYS[3]},10,1,Branch,XATH",
    f"A,S1,9,Gift,{DAYS[3]},10,1,Branch,XATH",
    f"A,S1,10,Buy,{DAYS[3]},0,1,Branch,XATH",
    f"A,S1,11,Buy,{DAYS[3]},10,nan,Branch,XATH",
    "A,S1,12,Buy,2018-02-30,10,1,Branch,XATH",
]
ORDER_HEAD = "customerID,ISIN,transactionID,transactionType,timestamp,totalValue,units,channel,marketID"


@pytest.fixture
def folder(tmp_path):
    texts = {"customer_information": CUSTOMERS, "asset_information": ASSETS, "markets": MARKETS}
    texts |= {"transactions": "\n".join([ORDER_HEAD, *ORDERS, *WRONG_ORDERS, ""])}
    texts |= {"close_prices": "\n".join(["ISIN,timestamp,closePrice", *PRICES, f"S1,{DAYS[0]},11", "Q,2018-01-02,1", f"S1,{DAYS[1]},-1"])}
    for name, text in texts.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def test_every_row_is_kept_or_reported_with_its_reason(folder, capsys):
    call_command("import_far_trans", folder, json=True, store=folder / "kept")
    found = json.loads(capsys.readouterr().out)
    files = {one["file"]: one for one in found["files"]}
    assert all(one["n_rows"] == one["n_kept"] + sum(one["left_out"].values()) for one in files.values())
    wrong = {"row_repeated": 1, "level_unknown": 1, "customer_missing": 1, "lastquestionnairedate_unclear": 1}
    assert files["customer_information.csv"]["left_out"] == wrong and files["customer_information.csv"]["n_rows"] == 11
    assert files["customer_information.csv"]["first_lines"]["row_repeated"] == 9
    assert files["asset_information.csv"]["left_out"] == {"category_unknown": 1}
    wrong = dict.fromkeys(("row_repeated", "customer_unknown", "asset_unknown", "side_unknown", "timestamp_unclear"), 1)
    assert files["transactions.csv"]["left_out"] == wrong | {"totalvalue_not_positive": 1, "units_not_positive": 1}
    assert files["close_prices.csv"]["left_out"] == {"row_repeated": 1, "asset_unknown": 1, "closeprice_not_positive": 1}
    assert found["absent"] == ["limit_prices.csv"] and found["customers"] == 6 and found["without_level"] == 1
    assert found["stated"] == {"Conservative": 1, "Income": 1, "Balanced": 1, "Aggressive": 1}
    assert sum(found["predicted"].values()) == found["predicted"]["Balanced"] == 1
    assert found["levels"] == {"Conservative": "C1", "Income": "C2", "Balanced": "C3", "Aggressive": "C4"}
    for name, file in (("customers", "customer_information"), ("transactions", "transactions"), ("prices", "close_prices")):
        assert len(pd.read_csv(folder / "kept" / f"{name}.csv")) == files[f"{file}.csv"]["n_kept"]
    call_command("import_far_trans", folder)
    said = capsys.readouterr().out
    assert "no number above 0 in units" in said and "Kept apart: 1 whose level" in said and "first in line 9" in said


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("", "", "There is no folder"),
        ("customer_information.csv", None, "customer_information.csv"),
        ("customer_information.csv", CUSTOMERS.splitlines()[0], "customer_information.csv"),
        ("asset_information.csv", ASSETS.replace("ISIN", "code"), "column “isin”"),
        ("asset_information.csv", ASSETS.splitlines()[0] + "\nX1,Coin,X,Crypto,,XATH,,,2018-01-02", "none of its 1 rows can be used"),
        ("transactions.csv", ORDER_HEAD + '\nA,"S1,1,Buy', "transactions.csv"),
        ("close_prices.csv", "PK\x03\x04", "close_prices.csv"),
        ("kept", "a file", "Nothing can be written"),
        ("kept/asset_information.csv", ASSETS, "choose another folder to store in"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_in_one_sentence(folder, name, text, said):
    target = folder / name if name else folder
    if name and text is None:
        target.unlink()
    elif name:
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
    with pytest.raises(CommandError) as error:
        call_command("import_far_trans", folder if name else folder / "nowhere", store=folder / "kept" if name.startswith("kept") else None)
    assert error.value.returncode == 2 and said in str(error.value) and "\n" not in str(error.value)


def test_the_benchmark_reads_who_sold_in_the_fall_after_the_day(folder):
    seen, left_out = customers_seen(folder)
    # A sold everything ten days into the fall, B held on; C's level was predicted, D has none, E answered later, F had not bought.
    assert left_out == {
        "without a stated level": 2,
        "who answered later": 1,
        "with an order of an asset without prices": 0,
        "without an order": 0,
        "selling more than they bought": 1,
        "held no risk assets": 0,
    }
    assert seen.sold.tolist() == [True, False] and seen.by_answers.tolist() == pytest.approx([30, 70])
    assert (seen.with_behaviour <= seen.by_answers).all()
    market, codes = market_of(read_far_trans(folder=folder))
    assert codes == ["B1", "M1", "S1"] and market.grade[0].tolist() == [2, 3, 4]
    assert [market.cells[cell] if cell >= 0 else "" for cell in market.cell] == ["bond/Greece", "", "equity/Greece"]
    assert market.total_return[[0, 600], 2] == pytest.approx([10, 8]) and np.isfinite(market.total_return).all()


@pytest.mark.real_data
def test_the_customers_of_the_data_set_are_the_linters_mix(capsys):
    call_command("import_far_trans", REAL_DATA / "far_trans", json=True)
    found = json.loads(capsys.readouterr().out)
    files = {one["file"]: one for one in found["files"]}
    assert [files[name]["n_rows"] for name in ("customer_information.csv", "asset_information.csv")] == [32_468, 836]
    assert [sum(one["left_out"].values()) for one in files.values()] == [0, 0, 0, 1]
    assert files["limit_prices.csv"]["left_out"] == {"asset_unknown": 1} and found["absent"] == ["transactions.csv", "close_prices.csv"]
    assert found["customers"] == 29_090 and sum(found["stated"].values()) == 21_629 and sum(found["predicted"].values()) == 7_141
    assert found["assets"] == {"Bond": 209, "MTF": 315, "Stock": 282}
    assert [round(share, 2) for share in found["stated_mix"]] == list(BANK_MIX)
