"""What is looked at beyond single rows: jumps, income, currencies, dates, twins, families, gaps, and imports larger than memory likes."""

from datetime import date, timedelta

import numpy as np
import pytest

from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, ImportRun, QuarantinedHistory
from portfolios.selectors import load_history, note_sentence
from portfolios.services import ImportRequest, QuarantineRefused, accept_quarantined, import_nav, reject_quarantined
from portfolios.sources import files
from portfolios.sources.checks import jumps, share_class_of
from portfolios.sources.dates import DAY_FIRST, MONTH_FIRST, date_order

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)
FIRST = date(2026, 3, 2)


def lines(code, navs, *, first=FIRST, more=None, every=1):
    more = more or {}
    return [f"{code},{first + timedelta(days=every * i)},{nav:.4f},{more.get(i, '')}" for i, nav in enumerate(navs)]


def bring(folder, rows, header="fund,date,nav,dividend", **files_):
    path = folder / "prices.csv"
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    written = {}
    for name, text in files_.items():
        if name == "accept_jumps":
            written[name] = text
            continue
        written[name] = folder / f"{name}.csv"
        written[name].write_text(text, encoding="utf-8")
    report = import_nav(request=ImportRequest(prices=path, today=TODAY, **written))
    assert report.n_rows == report.counted.n_new + report.counted.n_changed + report.counted.n_unchanged + report.n_reported
    return report


def counted(report):
    return report.counted.n_new, report.counted.n_changed, report.counted.n_unchanged, report.n_reported


def history(code):
    fund = Fund.objects.get(code=code)
    return load_history([fund.pk])[fund.pk]


CALM = [1 + i / 1000 for i in range(12)]
JUMPY = [*CALM[:6], *[nav * 1.5 for nav in CALM[6:]]]
BOND = "code,category\nA,bond\nB,bond\nC,equity\n"


def test_a_fund_with_a_jump_waits_whole_and_the_others_come_in(tmp_path):
    report = bring(tmp_path, lines("A", JUMPY) + lines("B", CALM), funds=BOND)
    assert (report.quarantined, counted(report)) == ({"A": 12}, (12, 0, 0, 12))
    kept = QuarantinedHistory.objects.get()
    assert (kept.fund_code, kept.n_rows, kept.reasons[0]["day"], kept.reasons[0]["limit"]) == ("A", 12, "2026-03-08", 0.085)
    assert not Fund.objects.filter(code="A").exists()


@pytest.mark.parametrize(("category", "waits"), [("bond", True), ("equity", False)])
def test_what_is_a_jump_hangs_on_the_category(tmp_path, category, waits):
    navs = [1.0, 1.001, 1.09, 1.091]
    report = bring(tmp_path, lines("A", navs), funds=f"code,category\nA,{category}\n")
    assert bool(report.quarantined) is waits


@pytest.mark.parametrize(
    ("navs", "said"), [([2.0, 2.01, 1.005, 1.01], "每份基金份额折算2.0份"), ([2.0, 2.01, 1.51, 1.52], "每份派现金0.5000元")]
)
def test_a_jump_that_a_split_or_a_distribution_explains_is_none(tmp_path, navs, said):
    assert not bring(tmp_path, lines("A", navs, more={2: said}), funds=BOND).quarantined


def test_a_step_over_weeks_may_be_larger_than_one_of_a_day(tmp_path):
    assert not bring(tmp_path, lines("A", [1.0, 1.09, 1.1], every=10), funds=BOND).quarantined


@pytest.mark.parametrize(("gap_days", "n_jumps"), [(1, 1), (3, 1), (7, 0)])
def test_a_weekend_is_one_day_and_a_week_is_five(gap_days, n_jumps):
    friday = date(2026, 3, 6).toordinal()
    two = FundHistory("A", np.array([friday, friday + gap_days]), np.array([1_000_000, 1_080_000]), np.array([1.0, 1.08]))
    assert len(jumps(two, 0.04, np.array([True]))) == n_jumps


def test_the_same_jump_is_asked_about_once_though_days_are_added(tmp_path):
    bring(tmp_path, lines("A", JUMPY), funds=BOND)
    report = bring(tmp_path, lines("A", [*JUMPY, 1.519]), funds=BOND)
    assert report.quarantined == {"A": 13}
    kept = QuarantinedHistory.objects.get()
    assert (kept.n_rows, kept.last_date) == (13, date(2026, 3, 14))


def test_an_accepted_jump_is_stored_and_never_asked_about_again(tmp_path):
    bring(tmp_path, lines("A", JUMPY), funds=BOND)
    count = accept_quarantined(kept=QuarantinedHistory.objects.get(), actor=None, why="right")
    assert count.n_new == 12
    assert Fund.objects.get(code="A").category == "bond"
    assert history("A").total_return[-1] == pytest.approx(1.5 * 1.011)
    report = bring(tmp_path, lines("A", [*JUMPY, 1.519]), funds=BOND)
    assert (report.quarantined, counted(report)) == ({}, (1, 0, 12, 0))


def test_a_rejected_jump_stays_out_without_another_question(tmp_path):
    bring(tmp_path, lines("A", JUMPY), funds=BOND)
    reject_quarantined(kept=QuarantinedHistory.objects.get(), actor=None, why="wrong")
    report = bring(tmp_path, lines("A", [*JUMPY, 1.519]), funds=BOND)
    assert (report.quarantined, QuarantinedHistory.objects.count(), Fund.objects.count()) == ({"A": 13}, 1, 0)
    assert list(report_codes()) == ["jump_rejected"]


def report_codes():
    return ImportRun.objects.latest("pk").issues.values_list("code", flat=True)


def test_a_jump_leaves_what_is_stored_as_it_was_and_a_corrected_file_ends_the_question(tmp_path):
    bring(tmp_path, lines("A", CALM[:6]), funds=BOND)
    report = bring(tmp_path, lines("A", JUMPY), funds=BOND)
    assert counted(report) == (0, 0, 0, 12)
    assert len(history("A").dates) == 6
    report = bring(tmp_path, lines("A", CALM), funds=BOND)
    assert counted(report) == (6, 0, 6, 0)
    kept = QuarantinedHistory.objects.get()
    assert (kept.state, kept.decided_by, kept.why) == ("rejected", None, "")


def test_what_later_prices_overtook_is_not_accepted_any_more(tmp_path):
    bring(tmp_path, lines("A", JUMPY), funds=BOND)
    bring(tmp_path, lines("A", CALM), funds=BOND)
    with pytest.raises(QuarantineRefused, match="overtaken"):
        accept_quarantined(kept=QuarantinedHistory.objects.get(), actor=None, why="the old one")
    assert history("A").nav_micro[-1] == round(CALM[-1] * 1e6)


def test_a_second_jump_asks_about_both_and_closes_the_first_question(tmp_path):
    bring(tmp_path, lines("A", JUMPY), funds=BOND)
    bring(tmp_path, lines("A", [*JUMPY, 0.7]), funds=BOND)
    first, second = QuarantinedHistory.objects.order_by("pk")
    assert (first.state, second.state, len(second.reasons)) == ("rejected", "waiting", 2)


def test_who_vouches_for_a_file_accepts_its_jumps_on_the_record(tmp_path):
    report = bring(tmp_path, lines("A", JUMPY), funds=BOND, accept_jumps="the crash of that day")
    assert (report.quarantined, counted(report)) == ({}, (12, 0, 0, 0))
    kept = QuarantinedHistory.objects.get()
    assert (kept.state, kept.why) == ("accepted", "the crash of that day")


def test_rows_that_only_follow_the_stored_ones_see_the_step_between_them(tmp_path):
    bring(tmp_path, lines("A", CALM[:6]), funds=BOND)
    report = bring(tmp_path, lines("A", [nav * 1.5 for nav in CALM[6:]], first=FIRST + timedelta(days=6)), funds=BOND)
    assert report.quarantined == {"A": 6}


def test_a_split_on_the_first_new_day_is_no_loss(tmp_path):
    bring(tmp_path, lines("A", [2.0, 2.01]), funds=BOND)
    report = bring(tmp_path, lines("A", [1.005, 1.006], first=FIRST + timedelta(days=2), more={0: "每份基金份额折算2.0份"}), funds=BOND)
    assert counted(report) == (2, 0, 0, 0)
    assert history("A").total_return == pytest.approx([1.0, 1.005, 1.005, 1.006])


MONEY = "基金代码,净值日期,每万份收益,7日年化收益率(%),申购状态".replace("(%)", "")


def test_a_money_market_fund_earns_its_income_though_its_nav_stays_at_par(tmp_path):
    rows = [f"货币A,{FIRST + timedelta(days=i)},0.5{i},1.9%,开放申购" for i in range(8)]
    report = bring(tmp_path, rows, header=MONEY)
    found = history("货币A")
    assert set(found.nav_micro) == {1_000_000}
    assert found.total_return[-1] == pytest.approx(np.prod([1 + (0.50 + i / 100) / 1e4 for i in range(1, 8)]))
    assert Fund.objects.get().category == "money"
    assert ("货币A", "total_return_from_income") in report.notes


def test_income_goes_on_from_one_file_to_the_next(tmp_path):
    for first in (0, 4):
        bring(tmp_path, [f"货币A,{FIRST + timedelta(days=i)},0.5,1.9%,开放申购" for i in range(first, first + 4)], header=MONEY)
    assert history("货币A").total_return[-1] == pytest.approx((1 + 0.5 / 1e4) ** 7)


def test_without_daily_income_the_seven_day_yield_stands_in_and_says_so(tmp_path):
    rows = [f"货币A,{day},nan,1.825%,开放申购" for day in ("2026-03-05", "2026-03-06", "2026-03-09")]
    report = bring(tmp_path, rows, header=MONEY)
    assert history("货币A").total_return[-1] == pytest.approx((1 + 0.00005) * (1 + 3 * 0.00005))
    assert ("货币A", "total_return_from_seven_day_yield") in report.notes


def test_income_is_not_added_to_a_nav_that_moves(tmp_path):
    rows = [f"A,{FIRST + timedelta(days=i)},{1 + i / 1000},0.5" for i in range(5)]
    report = bring(tmp_path, rows, header="fund,date,nav,per_10k")
    assert history("A").total_return[-1] == pytest.approx(1.004)
    assert ("A", "income_not_used") in report.notes


@pytest.mark.parametrize(("cell", "reason"), [("a lot", "income_not_a_number"), ("250", "income_unclear")])
def test_an_income_that_cannot_be_is_refused(tmp_path, cell, reason):
    report = bring(tmp_path, [f"货币A,{FIRST},{cell},1.9%,开放申购"], header=MONEY)
    assert report.issues == [(2, "货币A", reason)]


def test_a_nav_that_never_moves_without_income_is_noticed(tmp_path):
    assert ("A", "at_par_without_income") in bring(tmp_path, lines("A", [1.0] * 70)).notes


def test_a_restated_nav_counts_as_changed_and_changes_both_steps(tmp_path):
    bring(tmp_path, lines("A", CALM), funds=BOND)
    restated = [*CALM[:10], CALM[10] + 0.004, CALM[11]]
    assert counted(bring(tmp_path, lines("A", restated), funds=BOND)) == (0, 1, 11, 0)
    assert history("A").total_return == pytest.approx(restated)


@pytest.mark.parametrize("where", ["rows", "funds file"])
def test_prices_in_another_currency_are_refused_with_a_sentence(tmp_path, where):
    rows = [f"{line.rsplit(',', 1)[0]},{'USD' if where == 'rows' else ''}" for line in lines("A", CALM)]
    funds = "code,category,currency\nA,bond,USD\n" if where == "funds file" else BOND
    report = bring(tmp_path, rows, header="fund,date,nav,currency", funds=funds)
    assert (report.refused, counted(report)) == ({"A": 12}, (0, 0, 0, 12))
    assert list(ImportRun.objects.get().issues.values_list("code", "detail")) == [("currency_differs", "12 USD")]


def test_a_stated_currency_that_is_the_kept_one_is_fine(tmp_path):
    rows = [f"{line.rsplit(',', 1)[0]},cny" for line in lines("A", CALM)]
    assert counted(bring(tmp_path, rows, header="fund,date,nav,currency", funds=BOND)) == (12, 0, 0, 0)


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["3/4/2020", "3/25/2020"], MONTH_FIRST),
        (["3/4/2020", "25/3/2020"], DAY_FIRST),
        (["3/2/2020", "3/3/2020", "3/4/2020"], MONTH_FIRST),
        (["2/3/2020", "3/3/2020", "4/3/2020"], DAY_FIRST),
        (["2020-03-02"], MONTH_FIRST),
    ],
)
def test_the_order_of_dates_is_what_the_file_shows(texts, order):
    assert date_order(texts, "x.csv") == order


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (["13/1/2020", "1/13/2020"], "date_order_mixed"),
        (["1/2/2020"], "date_order_unclear"),
        (["1/1/2020", "2/2/2020"], "date_order_unclear"),
    ],
)
def test_an_order_that_does_not_show_is_refused(texts, code):
    with pytest.raises(DataError, match=code):
        date_order(texts, "x.csv")


def test_the_order_of_dates_is_decided_by_the_whole_file(tmp_path, monkeypatch):
    monkeypatch.setattr("portfolios.sources.text._CHUNK_CELLS", 8)
    days = [FIRST + timedelta(days=i) for i in range(20)]
    bring(tmp_path, [f"A,{day.day}/{day.month}/{day.year},1.0,{''}" for day in days])
    assert history("A").dates.tolist() == [day.toordinal() for day in days]


def test_the_same_prices_under_two_codes_are_noticed(tmp_path):
    navs = [1 + i / 1000 for i in range(80)]
    assert ("B", "same_series:A") in bring(tmp_path, lines("A", navs) + lines("B", navs), funds=BOND).notes


def test_share_classes_of_one_name_are_a_family(tmp_path):
    funds = "code,category,name_zh\nA,bond,示意稳健债券A\nB,bond,示意稳健债券C\nC,bond,示意纳斯达克ETF\n"
    bring(tmp_path, lines("A", CALM) + lines("B", CALM) + lines("C", CALM), funds=funds)
    assert list(Fund.objects.order_by("code").values_list("family_code", "share_class")) == [("A", "A"), ("A", "C"), ("", "")]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("示意债券A", ("示意债券", "A")),
        ("示意债券(C)", ("示意债券", "C")),
        ("示意债券C类", ("示意债券", "C")),
        ("示意QDII", None),
        ("示意100ETF", None),
        ("Growth Fund A", ("Growth Fund", "A")),
        ("ABA", None),
    ],
)
def test_a_share_class_is_a_letter_by_itself(name, found):
    assert share_class_of(name) == found


def test_gaps_ends_and_closed_days_are_noticed_and_the_rows_kept(tmp_path):
    rows = lines("A", CALM) + lines("A", [1.02], first=date(2026, 6, 1)) + lines("B", CALM[:2])
    report = bring(tmp_path, rows, funds=BOND)
    notes = dict.fromkeys(report.notes)
    assert ("A", "gaps:1 · 2026-03-13 – 2026-06-01") in notes
    assert ("B", "series_ends:2026-03-03") in notes
    assert ("A", "closed_days:2") in notes
    assert counted(report) == (15, 0, 0, 0)
    assert note_sentence("A", "closed_days:2") == "A: 2 prices are of days on which the exchange was closed; they are kept"
    assert note_sentence("A", "category_from_volatility:sector") == "A: its category is not clear: Sector fund by its volatility"


def test_a_wound_up_fund_keeps_its_history_and_is_closed(tmp_path):
    bring(tmp_path, lines("A", CALM), funds="code,category,ended_on\nA,bond,2026-03-13\n")
    fund = Fund.objects.get()
    assert (fund.ended_on, fund.is_open, len(history("A").dates)) == (date(2026, 3, 13), False, 12)


def test_an_old_file_does_not_open_a_fund_that_was_closed_since(tmp_path):
    header = "fund,date,nav,subscription"
    old, new = [f"A,{FIRST},1.0,open"], [f"A,{FIRST + timedelta(days=1)},1.001,closed"]
    bring(tmp_path, old, header=header)
    bring(tmp_path, new, header=header)
    bring(tmp_path, old, header=header)
    assert Fund.objects.get().is_open is False


def test_a_file_in_many_buckets_and_chunks_gives_the_same_as_in_one(tmp_path, monkeypatch):
    codes = [f"F{i:02d}" for i in range(30)]
    rows = [line for code in codes for line in lines(code, CALM)] + ["F07,2026-03-01,abc,", "F09,2026-04-01,1.5,"]
    whole = bring(tmp_path, rows)
    stored = {code: history(code).total_return.tolist() for code in codes if code not in ("F07", "F09")}
    Fund.objects.all().delete()
    QuarantinedHistory.objects.all().delete()
    monkeypatch.setattr(files, "_BYTES_A_BUCKET", 900)
    monkeypatch.setattr("portfolios.sources.text._CHUNK_CELLS", 40)
    monkeypatch.setattr("portfolios.services.taking_in._ISSUES_A_WRITE", 1)
    again = bring(tmp_path, rows)
    assert counted(again) == counted(whole)
    assert (again.refused, again.quarantined, again.issues) == (whole.refused, whole.quarantined, whole.issues)
    assert {code: history(code).total_return.tolist() for code in stored} == stored


def test_a_great_fall_in_a_turmoil_that_had_begun_is_no_jump_and_in_a_calm_after_one_jump_or_of_a_weekly_nav_it_is():
    swings = np.where(np.arange(30) % 2, 0.03, -0.03)
    calm = np.where(np.arange(30) % 2, 0.002, -0.002)
    after_a_jump = calm + 0.3 * (np.arange(30) == 25)
    for steps, apart, n_jumps in [(swings, 1, 0), (calm, 1, 1), (after_a_jump, 1, 2), (swings, 7, 1)]:
        index = np.cumprod(np.concatenate([[1.0], 1 + steps, [0.85 if apart == 1 else 0.65]]))
        first = FIRST.toordinal()
        days = np.array([day for day in range(first, first + 60 * apart, apart) if (day - 1) % 7 < 5 or apart == 7][: len(index)])
        history = FundHistory("A", days, np.rint(index * 1e6).astype(np.int64), index)
        assert len(jumps(history, 0.11, np.ones(len(index) - 1, bool))) == n_jumps
