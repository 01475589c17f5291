"""Price files as they come, and what must not come in."""

import gzip
import io
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from portfolios.models import Fund, ImportIssue, ImportRun, NavYear
from portfolios.selectors import load_history
from portfolios.services import ImportRequest, import_nav

pytestmark = pytest.mark.django_db

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
TODAY = date(2026, 11, 20)
LONG = """fund,date,nav,cumulative_nav,dividend,subscription
A,2020-01-02,1.0000,1.0000,,open
A,2020-01-03,1.0100,1.0100,,open
A,2020-01-06,0.9600,1.0100,0.0500,open
A,2020-01-07,0.9696,1.0196,,closed
B,2020-01-02,2.0,2.0,,
B,2020-01-03,2.1,2.1,,
"""


def write(folder: Path, text: str, name: str = "prices.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def run(path: Path, **files):
    return import_nav(request=ImportRequest(prices=path, today=TODAY, **files))


def history(code: str):
    fund = Fund.objects.get(code=code)
    return load_history([fund.pk])[fund.pk]


def stored() -> tuple:
    return list(Fund.objects.order_by("code").values()), list(NavYear.objects.order_by("pk").values())


def test_a_distribution_does_not_look_like_a_loss(tmp_path):
    run(write(tmp_path, LONG))
    back = history("A")
    assert back.total_return == pytest.approx([1.0, 1.01, 1.01, 1.01 * 0.9696 / 0.96])
    assert back.distribution_micro.tolist() == [0, 0, 50_000, 0]
    assert not Fund.objects.get(code="A").is_open
    assert Fund.objects.get(code="B").is_open


def test_without_a_distribution_column_the_cumulative_nav_says_what_was_paid(tmp_path):
    lines = ["fund,date,nav,cumulative_nav"]
    lines += [f"A,2020-01-{day:02d},{1 + day / 1000:.4f},{1 + day / 1000:.4f}" for day in range(1, 21)]
    lines += [f"A,2020-02-{day:02d},{0.97 + day / 1000:.4f},{1.02 + day / 1000:.4f}" for day in range(1, 3)]
    report = run(write(tmp_path, "\n".join(lines)))
    assert history("A").distribution_micro[20] == 50_000
    assert history("A").total_return[20] == pytest.approx((0.971 + 0.05) / 1.001)
    assert ("A", "distributions_from_cumulative_nav:1") in report.notes


@pytest.mark.parametrize(("text", "paid"), [("每份派现金0.0500元", 0.05), ("每10份派现金0.5000元", 0.05), ("0.05", 0.05)])
def test_chinese_distribution_texts_are_read(tmp_path, text, paid):
    report = run(
        write(
            tmp_path,
            f"基金代码,净值日期,单位净值,累计净值,日增长率,申购状态,分红送配\nA,2020-01-02,1,1,,开放申购,\nA,2020-01-03,0.95,1,0.00%,限制大额申购,{text}\n",
        )
    )
    assert report.n_reported == 0
    assert history("A").total_return[1] == pytest.approx(1.0)
    assert history("A").distribution_micro[1] == paid * 1e6
    assert Fund.objects.get(code="A").is_open


def test_a_split_does_not_look_like_a_loss(tmp_path):
    run(write(tmp_path, "基金代码,净值日期,单位净值,分红送配\nA,2020-01-02,2,\nA,2020-01-03,1,每份基金份额折算2.0份\n"))
    assert history("A").total_return.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_every_encoding_and_order_of_a_chinese_file_gives_the_same_history(tmp_path, encoding):
    text = "基金代码,净值日期,单位净值\n易方达,2020/1/3,1.1\n易方达,2020/1/2,1.0\n"
    report = run(write(tmp_path, text, encoding=encoding))
    assert (report.n_rows, report.counted.n_new) == (2, 2)
    assert [date.fromordinal(day) for day in history("易方达").dates] == [date(2020, 1, 2), date(2020, 1, 3)]


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%m/%d/%Y", "%Y/%m/%d", "%Y%m%d"])
def test_dates_are_read_in_every_form(tmp_path, form):
    days = [date(2020, 1, 30), date(2020, 2, 3)]
    run(write(tmp_path, "date,SPY\n" + "".join(f"{day.strftime(form)},{i + 100}\n" for i, day in enumerate(days))))
    assert history("SPY").dates.tolist() == [day.toordinal() for day in days]


def test_empty_cells_of_a_wide_file_are_no_rows(tmp_path):
    report = run(write(tmp_path, 'Date,SPY,IEF\n1/2/2020,1000,NA\n1/3/2020,1010,nan\n1/6/2020,"1,020.5",50\n'))
    assert (report.n_rows, report.counted.n_new, report.n_reported) == (4, 4, 0)
    assert history("SPY").nav_micro[-1] == 1_020_500_000


def test_a_comma_at_the_end_of_each_row_is_no_field(tmp_path):
    report = run(write(tmp_path, "date,SPY,IEF\n2020-01-02,100,200,\n2020-01-03,101,201,\n2020-01-06,102,202\n"))
    assert (report.n_rows, report.n_funds, report.n_reported) == (6, 2, 0)
    assert history("IEF").nav_micro.tolist() == [200_000_000, 201_000_000, 202_000_000]


def test_a_gzipped_file_is_read(tmp_path):
    path = tmp_path / "prices.csv.gz"
    path.write_bytes(gzip.compress(LONG.encode()))
    assert run(path).counted.n_new == 6


def test_importing_again_changes_nothing(tmp_path):
    path = write(tmp_path, LONG)
    run(path)
    before = stored()
    again = run(path)
    assert (again.counted.n_new, again.counted.n_changed, again.counted.n_unchanged) == (0, 0, 6)
    assert stored() == before
    assert list(ImportRun.objects.order_by("pk").values_list("n_rows", "n_new", "n_unchanged", "n_reported")) == [
        (6, 6, 0, 0),
        (6, 0, 6, 0),
    ]


def test_a_fund_that_was_graded_by_hand_keeps_its_grade(tmp_path):
    path = write(tmp_path, LONG)
    run(path)
    Fund.objects.filter(code="A").update(risk_grade=3, category="mixed", asset_class="mixed")
    run(path)
    assert Fund.objects.get(code="A").risk_grade == 3


def test_a_fund_too_short_to_measure_gets_the_highest_grade(tmp_path):
    report = run(write(tmp_path, LONG))
    assert Fund.objects.get(code="A").risk_grade == 5
    assert ("A", "grade_unknown:5") in report.notes


def test_the_funds_file_says_what_a_fund_is(tmp_path):
    funds = write(tmp_path, "code,name_zh,name_en,category,grade\nA,甲,Alpha,bond,R3\nB,乙,Beta,equity,\n", "funds.csv")
    run(write(tmp_path, LONG), funds=funds)
    rows = Fund.objects.order_by("code").values_list("name_zh", "name_en", "category", "asset_class", "risk_grade")
    assert list(rows) == [("甲", "Alpha", "bond", "bond", 3), ("乙", "Beta", "equity", "equity", 4)]


BAD_ROWS = [
    ("A,2020-01-08,abc,,,", "nav_not_a_number"),
    ("A,2020-01-08,1.2%,,,", "nav_not_a_number"),
    ("A,2020-01-08,inf,,,", "nav_not_a_number"),
    ("A,2020-01-07,0.9696,1.0196,,", "duplicate_date"),
    ("A,2099-01-08,1.0,,,", "date_in_future"),
    ("A,8 January,1.0,,,", "date_unreadable"),
    ("A,1/8/0000,1.0,,,", "date_unreadable"),
    ("A,0202-01-08,1.0,,,", "date_unreadable"),
    ("A,2020-01-08,0,,,", "nav_not_positive"),
    ("A,2020-01-08,-1.5,,,", "nav_not_positive"),
    ("A,2020-01-08,0.0000001,,,", "nav_not_positive"),
    ("A,2020-01-08,1e300,,,", "nav_too_large"),
    ("A,2020-01-08,1.0,,a present,", "distribution_unclear"),
    ("A,2020-01-08,1.0,,-3,", "distribution_unclear"),
    ("A,2020-01-08,1.0,,1e300,", "distribution_unclear"),
    ("A,2020-01-08,1.0,,nan%,", "distribution_unclear"),
    ("A,2020-01-08,1.0,,infinity,", "distribution_unclear"),
    ("A,2020-01-08,1.0,,每份基金份额折算0份,", "distribution_unclear"),
    ("A,2020-01-08,1.0,,每份基金份额折算1.1.1份,", "distribution_unclear"),
    ("A,2020-01-08,1.0,,每10份派现金0.5.5元,", "distribution_unclear"),
    ("A,2020-01-08,1.0,,每0份派现金1元,", "distribution_unclear"),
    ("A,2020-01-08,1.0,,1..1:2,", "distribution_unclear"),
]


@pytest.mark.parametrize(("row", "code"), BAD_ROWS)
def test_a_fund_with_a_wrong_row_is_left_as_it_was_and_the_row_is_named(tmp_path, row, code):
    report = run(write(tmp_path, LONG + row + "\n"))
    assert report.issues == [(8, "A", code)]
    assert report.refused == {"A": 4}
    assert not Fund.objects.filter(code="A").exists()
    assert history("B").nav_micro.tolist() == [2_000_000, 2_100_000]
    assert report.n_rows == report.counted.n_new + report.n_reported == 7
    assert set(ImportIssue.objects.values_list("line", "fund_code", "code")) == {(8, "A", code), (0, "A", "fund_refused")}


def test_a_wrong_row_leaves_an_imported_fund_as_it_was(tmp_path):
    run(write(tmp_path, LONG))
    before = stored()
    run(write(tmp_path, LONG + "A,2020-01-08,abc,,,\n"))
    assert stored() == before


def test_a_fund_late_in_the_file_that_cannot_be_stored_holds_up_none_of_the_others(tmp_path):
    codes = [f"F{number:02d}" for number in range(30)]
    rows = [",".join(["date", *codes]), ",".join(["2020-01-02", *("1" for _ in codes)])]
    report = run(write(tmp_path, "\n".join([*rows, ",".join(["2020-01-03", *("1" for _ in codes[:-1]), "1e-9"])])))
    assert report.refused == {"F29": 1}
    assert Fund.objects.count() == report.n_funds == 29


def test_a_day_without_a_total_return_refuses_the_fund_that_has_one_on_others(tmp_path):
    report = run(
        write(tmp_path, "fund,date,nav,total_return\nA,2020-01-02,1,1\nA,2020-01-03,0.99,\nA,2020-01-06,0.99,1.01\nB,2020-01-02,1,\n")
    )
    assert report.issues == [(3, "A", "total_return_missing")]
    assert list(Fund.objects.values_list("code", flat=True)) == ["B"]


def test_a_payment_on_a_day_without_a_cumulative_nav_is_found_on_the_next(tmp_path):
    lines = ["fund,date,nav,cumulative_nav"] + [f"A,2020-01-{day:02d},1.0,1.0" for day in range(1, 21)]
    run(write(tmp_path, "\n".join([*lines, "A,2020-02-03,0.95,nan", "A,2020-02-04,0.95,1.0", "A,2020-02-05,0.95,1.0"])))
    assert history("A").total_return[-1] == pytest.approx(1.0)


def test_a_payment_that_is_named_is_not_found_again_in_the_cumulative_nav(tmp_path):
    lines = ["fund,date,nav,cumulative_nav,dividend"] + [f"A,2020-01-{day:02d},1.0,1.0," for day in range(1, 21)]
    run(write(tmp_path, "\n".join([*lines, "A,2020-02-03,0.95,nan,0.05", "A,2020-02-04,0.95,1.0,", "A,2020-02-05,0.95,1.0,"])))
    assert history("A").distribution_micro[-3:].tolist() == [50_000, 0, 0]
    assert history("A").total_return[-1] == pytest.approx(1.0)


def test_a_row_without_a_nav_is_reported_and_the_fund_kept(tmp_path):
    report = run(write(tmp_path, LONG + "A,2020-01-08,nan,,,\n"))
    assert report.issues == [(8, "A", "nav_missing")]
    assert (report.n_rows, report.counted.n_new, report.n_reported, report.refused) == (7, 6, 1, {})


def test_a_day_the_total_return_file_lacks_refuses_the_fund(tmp_path):
    prices = write(tmp_path, "date,SPY,IEF\n2020-01-02,1,1\n2020-01-03,1.1,1.1\n")
    index = write(tmp_path, "date,SPY,IEF\n2020-01-02,10,10\n2020-01-03,NA,11.5\n", "index.csv")
    report = run(prices, total_return=index)
    assert report.issues == [(3, "SPY", "total_return_missing")]
    assert history("IEF").total_return[1] / history("IEF").total_return[0] == 1.15


def test_a_wrong_row_of_the_total_return_file_is_not_made_good_by_the_price(tmp_path):
    prices = write(tmp_path, "date,SPY,IEF\n2020-01-02,1,1\n2020-01-03,1.1,1.1\n")
    index = write(tmp_path, "date,SPY,IEF\n2020-01-02,10,10\n2020-01-03,ten,11\n", "index.csv")
    report = run(prices, total_return=index)
    assert report.issues == [(3, "SPY", "total_return_missing")]
    assert list(Fund.objects.values_list("code", flat=True)) == ["IEF"]


def test_names_longer_than_their_column_are_cut(tmp_path):
    prices = write(tmp_path, "date,A,B\n2020-01-02,1,1\n")
    funds = write(tmp_path, f"code,name_zh,name_en,category\nA,{'长' * 130},{'x' * 130},bond\n", "funds.csv")
    run(prices, funds=funds, descriptions=write(tmp_path, f"ticker,name\nB,{'y' * 130}\n", "words.csv"))
    assert {len(name) for name in Fund.objects.values_list("name_en", flat=True)} == {120}
    before = stored()
    run(prices, funds=funds)
    assert stored() == before


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("prices.csv", LONG)
    return packed.getvalue()


WHOLE_FILES = [
    (zipped(), "zip archive"),
    (b"\xef\xbb\xbf\n<!DOCTYPE html><html>502 Bad Gateway</html>", "web page"),
    (b"\xd0\xcf\x11\xe0" + b"x" * 50, "Excel workbook"),
    (b"", "no rows"),
    (b"fund,date,nav\n", "no rows"),
    (b"date,SPY\n", "no rows"),
    (b"date,SPY\n2020-01-02,NA\n", "no rows"),
    (b"fund,nav\nA,1\n", "no column “date”"),
    (b"fund,date\nA,2020-01-02\n", "no column “nav”"),
    (b"date,nav\n2020-01-02,1\n", "no column “fund”"),
    (b"date\n2020-01-02\n", "no column “nav”"),
    (b"date,SPY,spy\n2020-01-02,1,1\n", "stands twice"),
    (b"fund,date,nav,close\nA,2020-01-02,1,2\n", "nav / close\u201d stands twice"),
    (b"date,SPY\n2020-01-02,1,7,8\n2020-01-02,1,7,8,9\n", "more fields"),
    (b"date,SPY\n2020-01-02,1,234.5\n2020-01-03,1,235.5\n", "Line 2 of prices.csv has more fields"),
    (b'date,SPY\n2020-01-02,1\n2020-01-03,"1\n2020-01-06,1\n', "In line 3 of prices.csv a quotation mark is not closed"),
    (b"fund,date,nav\nA,2020-01-02,\x00\x00\x01", "not a text file"),
    (b"fund,date,nav\n" + b"A,2020-01-02,1\n" * 400 + b"B\x00,2020-01-02,1\n", "not a text file"),
    (b"fund,date,nav\nA,2020-01-02,\xff\xff\x80", "not a text file"),
    (LONG.encode("utf-16") + b"x", "not a text file"),
    (LONG.replace("A,", "A\0,").encode("utf-16"), "not a text file"),
    (b"\x1f\x8b\x08\x00" + b"\xff" * 200, "cannot be read"),
    (b"date,SPY\n2020-01-02,1\n2020-01-03," + b"1" * (17 << 20), "not a text file"),
]


@pytest.mark.parametrize(("content", "sentence"), WHOLE_FILES)
def test_what_is_no_price_file_is_refused_in_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "prices.csv"
    path.write_bytes(content)
    with pytest.raises(CommandError) as raised:
        call_command("import_nav", prices=path)
    assert sentence in str(raised.value)
    assert raised.value.returncode == 2
    assert "\n" not in str(raised.value)
    assert not Fund.objects.exists()
    assert not ImportRun.objects.exists()


@pytest.mark.parametrize("code", ["A/B", "A\\B", "A\x01B"])
def test_a_code_that_no_address_can_hold_is_reported(tmp_path, code):
    report = run(write(tmp_path, LONG + f"{code},2020-01-08,1.0,,,\n"))
    assert report.issues == [(8, code, "code_unclear")]
    assert set(Fund.objects.values_list("code", flat=True)) == {"A", "B"}


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CommandError, match=r"no file gone\.csv"):
        call_command("import_nav", prices=tmp_path / "gone.csv")


def test_an_unknown_category_is_refused_before_anything_is_written(tmp_path):
    funds = write(tmp_path, "code,category\nA,crypto\n", "funds.csv")
    with pytest.raises(CommandError, match="crypto"):
        call_command("import_nav", prices=write(tmp_path, LONG), funds=funds)
    assert not Fund.objects.exists()


def test_the_command_accounts_for_every_row_and_fails_where_a_fund_was_refused(tmp_path, capsys):
    path = write(tmp_path, LONG + "A,2020-01-08,abc,,,\n")
    with pytest.raises(CommandError) as raised:
        call_command("import_nav", prices=path)
    printed = capsys.readouterr()
    assert raised.value.returncode == 1
    assert "Rows read: 7 = new 2 + changed 0 + unchanged 0 + reported 5; funds: 1." in printed.out
    assert "Line 8, fund A: the NAV is not a number." in printed.err


def test_a_hundred_thousand_rows_come_in_at_once(tmp_path):
    days = [date.fromordinal(730_000 + i).isoformat() for i in range(2_500)]
    text = "fund,date,nav\n" + "".join(f"F{i:02d},{day},{1 + i / 100 + n / 1e5:.4f}\n" for i in range(40) for n, day in enumerate(days))
    report = run(write(tmp_path, text))
    assert report.counted.n_new == report.n_rows == 100_000


@pytest.mark.real_data
def test_the_etf_set_imports_whole_and_once():
    files = {"total_return": DATA / "etf" / "ETFs_TotalReturnIndices.csv", "descriptions": DATA / "etf" / "ETFs_desc.csv"}
    # The vendor's first price of one fund is wrong; the falls of 2008 and 2020 are not taken for errors.
    first = run(DATA / "etf" / "ETFs_Prices.csv", **files)
    assert (first.n_funds, first.n_rows, first.quarantined) == (36, 172_425, {"IWM": first.n_reported})
    files |= {"accept_jumps": "looked at: the fund's first price"}
    report = run(DATA / "etf" / "ETFs_Prices.csv", **files)
    assert (report.n_funds, report.n_rows, report.n_reported) == (37, 172_425, 0)
    assert (report.counted.n_new, report.counted.n_unchanged) == (first.n_reported, 172_425 - first.n_reported)
    spy = history("SPY")
    assert (len(spy.dates), spy.nav_micro[0], date.fromordinal(int(spy.dates[0]))) == (6_116, 146_875_000, date(1999, 12, 31))
    # Dividends reinvested: far more than the price alone.
    assert spy.total_return[-1] / spy.total_return[0] > 1.3 * spy.nav_micro[-1] / spy.nav_micro[0]
    before = stored()
    again = run(DATA / "etf" / "ETFs_Prices.csv", **files)
    assert again.counted.n_unchanged == 172_425
    assert stored() == before


@pytest.mark.real_data
def test_the_chinese_set_imports_whole_and_once_and_its_total_return_is_the_published_daily_change():
    import pandas as pd

    path = DATA / "cn_nav" / "nav_long.csv.gz"
    report = run(path)
    assert (report.n_funds, report.n_rows, report.counted.n_new, report.n_reported) == (17, 23_176, 23_176, 0)
    published = pd.read_csv(path, dtype=str)
    published["ordinal"] = pd.to_datetime(published["净值日期"]).map(lambda day: day.toordinal())
    paid_days = published[published["分红送配"].notna()]
    assert len(paid_days) == 44
    for row in paid_days.itertuples():
        back = history(row.fund)
        at = int(np.searchsorted(back.dates, row.ordinal))
        change = back.total_return[at] / back.total_return[at - 1] - 1
        assert change == pytest.approx(float(row.日增长率.rstrip("%")) / 100, abs=1.5e-4), (row.fund, row.净值日期)
    before = stored()
    assert run(path).counted.n_unchanged == 23_176
    assert stored() == before


@pytest.mark.real_data
def test_the_total_return_of_a_fund_with_two_distributions_is_what_a_pencil_makes_of_it():
    import pandas as pd

    path = DATA / "cn_nav" / "nav_long.csv.gz"
    run(path)
    rows = pd.read_csv(path, dtype=str).query("fund == '110011'").set_index("净值日期").sort_index()
    nav = rows["单位净值"].astype(float)
    first_day, last_day, paid = nav.index[0], nav.index[-1], rows["分红送配"].dropna()
    assert paid.tolist() == ["每份派现金0.3500元", "每份派现金0.5000元"]
    # Each payment buys more units at that day's NAV, so a unit of the first day is worth this much on the last.
    units = (1 + 0.35 / nav[paid.index[0]]) * (1 + 0.50 / nav[paid.index[1]])
    back = history("110011")
    assert date.fromordinal(int(back.dates[0])).isoformat() == first_day
    assert back.total_return[-1] / back.total_return[0] == pytest.approx(nav[last_day] / nav[first_day] * units, rel=1e-9)
    assert units > 1.2, "without its distributions the fund would look a fifth poorer"
