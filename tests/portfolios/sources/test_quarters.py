"""What the screen wants besides prices, from tables of funds: a quarter's size a table, and the manager with the first day."""

from datetime import date

import numpy as np
import pytest

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, FundFact, FundSize
from portfolios.selectors import error_sentence
from portfolios.selectors.fund_record import fund_record
from portfolios.selectors.screen_inputs import load_screen_inputs
from portfolios.selectors.watch_inputs import _last_two_sizes
from portfolios.services import execute_import, request_import, store_histories
from portfolios.sources.tables import read_fund_facts
from tests.portfolios.market import make_fund

pytestmark = pytest.mark.django_db
HEADER = "code,category,manager,manager_since,size,units,size_date,size_published,institutional_share"
ROWS = [
    '000001,equity,Li,2024-02-01,"1,000,000.50",900000,2026-06-30,2026-07-21,35%',
    "000001,equity,Li,2024-02-01,1200000,950000.25,2026-09-30,2026-10-21,0.4",
    "000001,equity,Wu,2022-01-10,800000,700000,2025-12-31,2026-01-21,",
]


def bring(folder, row, header=HEADER):
    path = folder / f"{abs(hash(row))}.csv"
    path.write_text(f"{header}\n{row}\n", encoding="utf-8")
    run = request_import(source="csv", files={"funds": path}, file_name=path.name)
    execute_import(run.pk)
    run.refresh_from_db()
    return run


def test_each_table_adds_its_quarter_and_the_last_one_stands_on_the_fund(tmp_path):
    fund = make_fund("000001", category="equity", grade=4)
    for row in ROWS:
        run = bring(tmp_path, row)
        assert (run.status, run.n_rows, run.n_reported) == ("done", 1, 0)
    sizes = FundSize.objects.order_by("as_of_date").values_list(
        "as_of_date", "published_date", "size_minor", "units_centi", "institutional_share"
    )
    assert list(sizes) == [
        (date(2025, 12, 31), date(2026, 1, 21), 80_000_000, 70_000_000, None),
        (date(2026, 6, 30), date(2026, 7, 21), 100_000_050, 90_000_000, 0.35),
        (date(2026, 9, 30), date(2026, 10, 21), 120_000_000, 95_000_025, 0.4),
    ]
    fund.refresh_from_db()
    assert (fund.size_date, fund.size_minor, fund.units_centi) == (date(2026, 9, 30), 120_000_000, 95_000_025)


def test_a_manager_with_a_first_day_is_a_dated_fact(tmp_path):
    make_fund("000001", category="equity", grade=4)
    for row in ROWS:
        bring(tmp_path, row)
    facts = FundFact.objects.filter(kind=FundFact.Kind.MANAGER).order_by("from_date").values_list("text", "from_date", "published_date")
    assert list(facts) == [("Wu", date(2022, 1, 10), date(2022, 1, 10)), ("Li", date(2024, 2, 1), date(2024, 2, 1))]
    assert Fund.objects.values_list("manager", "manager_since").get() == ("Li", date(2024, 2, 1))


def test_bringing_a_table_again_changes_nothing(tmp_path):
    make_fund("000001", category="equity", grade=4)
    bring(tmp_path, ROWS[1])
    before = list(FundSize.objects.values()), list(Fund.objects.values())
    bring(tmp_path, ROWS[1])
    assert (list(FundSize.objects.values()), list(Fund.objects.values())) == before


def test_a_restated_quarter_stands_beside_the_first_and_a_screen_of_the_past_sees_what_was_public_then(tmp_path):
    fund = make_fund("000001", category="equity", grade=4)
    bring(tmp_path, ROWS[0])
    said_again = bring(tmp_path, ROWS[0].replace("2026-07-21", "2026-08-28").replace("35%", ""))
    restated = bring(tmp_path, ROWS[0].replace("1,000,000.50", "600,000").replace("2026-07-21", "2026-10-30"))
    assert [run.n_changed for run in (said_again, restated)] == [0, 1]
    sizes = FundSize.objects.order_by("published_date").values_list("published_date", "size_minor", "institutional_share")
    assert list(sizes) == [(date(2026, 7, 21), 100_000_050, 0.35), (date(2026, 10, 30), 60_000_000, 0.35)]
    fund.refresh_from_db()
    assert fund.size_minor == 60_000_000
    assert [quarter.size_minor for quarter in fund_record(fund).quarters] == [60_000_000]
    bring(tmp_path, ROWS[1].replace("2026-09-30,2026-10-21", "2026-03-31,2026-04-21"))
    for day, last in [(date(2026, 10, 29), 100_000_050), (date(2026, 10, 30), 60_000_000)]:
        assert _last_two_sizes([fund.pk], day) == {fund.pk: (last, 120_000_000)}
    store_histories([FundHistory("000001", np.array([739_000]), np.array([10**6]), np.ones(1))])
    for day, last in [(date(2026, 10, 29), 1_000_000.5), (date(2026, 10, 30), 600_000.0)]:
        assert load_screen_inputs(day, jurisdiction(), {}).market.facts.sizes[-1, 0] == last


def test_an_older_quarter_counts_as_a_change_though_the_fund_s_columns_stay(tmp_path):
    make_fund("000001", category="equity", grade=4)
    bring(tmp_path, ROWS[1])
    assert bring(tmp_path, ROWS[2]).n_changed == 1


def test_a_manager_without_a_first_day_inherits_nobodys_years(tmp_path):
    make_fund("000001", category="equity", grade=4)
    bring(tmp_path, ROWS[0])
    run = bring(tmp_path, "000001,equity,Wu,,,,,,")
    assert (run.n_reported, run.issues.get().code) == (1, "manager_undated")
    assert Fund.objects.values_list("manager", "manager_since").get() == ("Li", date(2024, 2, 1))
    assert bring(tmp_path, "000001,equity,Li,,,,,,").n_reported == 0


def test_sizes_in_another_currency_are_not_kept(tmp_path):
    make_fund("000001", category="equity", grade=4)
    files = {"funds": tmp_path / "funds.csv", "prices": tmp_path / "prices.csv"}
    files["funds"].write_text(f"{HEADER},currency\n{ROWS[1]},USD\n", encoding="utf-8")
    files["prices"].write_text("date,code,nav\n2026-03-03,000001,1.0\n", encoding="utf-8")
    execute_import(request_import(source="csv", files=files).pk)
    assert not FundSize.objects.exists()


@pytest.mark.parametrize("row", [ROWS[1].replace("2026", "2062"), ROWS[1].replace("2024-02-01", "2042-02-01")])
def test_what_is_yet_to_be_published_is_a_slip_of_the_year(tmp_path, row):
    make_fund("000001", category="equity", grade=4)
    run = bring(tmp_path, row)
    assert (run.status, run.error["code"]) == ("failed", "fund_cell_unclear")
    assert not FundSize.objects.exists()


@pytest.mark.parametrize(
    ("row", "code", "said"),
    [
        ("000001,equity,,,1000,,2026-06-30,2026-07-21,", "size_incomplete", "units"),
        ("000001,equity,,,1000,900,2026-06-30,,", "size_incomplete", "size_published"),
        ("000001,equity,,,1000,900,2026-06-30,2026-06-01,", "fund_cell_unclear", "size_published"),
        ("000001,equity,,,-5,900,2026-06-30,2026-07-21,", "fund_cell_unclear", "size"),
        ("000001,equity,,,1.234,900,2026-06-30,2026-07-21,", "fund_cell_unclear", "size"),
        ("000001,equity,,,1000,900,2026-06-31,2026-07-21,", "fund_cell_unclear", "size_date"),
        ("000001,equity,,,1000,900,2026-06-30,2026-07-21,140%", "fund_cell_unclear", "institutional_share"),
        ("000001,equity,,,12.5,11.9,2026-06-30,2026-07-21,", "fund_cell_unclear", "size"),
        ("000001,equity,,,1250000000,12.5,2026-06-30,2026-07-21,", "fund_cell_unclear", "units"),
        ('000001,equity,,,"12,50",12,2026-06-30,2026-07-21,', "fund_cell_unclear", "size"),
        ("000001,equity,,,1000,900,0202-06-30,2026-07-21,", "fund_cell_unclear", "size_date"),
    ],
)
def test_a_size_that_is_wrong_or_without_its_dates_is_refused_with_its_column(tmp_path, row, code, said):
    path = tmp_path / "funds.csv"
    path.write_text(f"{HEADER}\n{row}\n", encoding="utf-8")
    with pytest.raises(DataError) as refused:
        read_fund_facts(path)
    assert (refused.value.code, refused.value.params["column"]) == (code, said)
    assert "000001" in error_sentence(refused.value.code, refused.value.params)
