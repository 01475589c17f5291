"""Every source keeps the same contract: the frame, whole funds, one order, `since`, and going on after the first funds."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.simulate import weekdays
from portfolios.kernels.simulate_funds import make_funds
from portfolios.sources.akshare import AkshareSource
from portfolios.sources.calls import Patience
from portfolios.sources.contract import Wanted
from portfolios.sources.files import Files, FileSource
from portfolios.sources.frame import COLUMNS, NUMBERS, check, histories
from portfolios.sources.registry import SOURCES
from portfolios.sources.simulated import SimulatedSource
from portfolios.sources.yfinance import YfinanceSource
from tests.portfolios.sources.shapes import AKSHARE_CODES, YFINANCE_CODES, Akshare, Yfinance

TODAY = date(2026, 11, 20)
NO_PAUSE = Patience(seconds=5, pause=0)


def from_csv(folder):
    rows = [
        f"{code},2026-03-{day:02d},{1 + day / 100:.4f},{'每份派现金0.0100元' if day == 4 else ''}"
        for code in "ABC"
        for day in (2, 3, 4, 5, 6)
    ]
    (folder / "prices.csv").write_text("fund,date,nav,dividend\n" + "\n".join(rows), encoding="utf-8")
    (folder / "funds.csv").write_text("code,category,name_zh\nA,mixed,甲\nB,bond,乙\nC,bond,丙\n", encoding="utf-8")
    return FileSource(Files(folder / "prices.csv", funds=folder / "funds.csv")), ()


def simulated(folder):
    table = jurisdiction()
    means = {name: table.classes[category.asset_class].mean for name, category in table.categories.items()}
    specs = make_funds(seed=1, n_funds=80, class_means=means, fee_caps_bps=table.purchase_fee_caps_bps)
    return SimulatedSource(specs[::20], seed=1, sessions=weekdays(date(2024, 12, 31))), ()


OPENED = {
    "csv": from_csv,
    "akshare": lambda folder: (AkshareSource(Akshare(), NO_PAUSE), AKSHARE_CODES),
    "yfinance": lambda folder: (YfinanceSource(Yfinance(), NO_PAUSE), YFINANCE_CODES),
    "simulated": simulated,
}


def test_every_source_is_held_to_the_contract():
    assert set(OPENED) == set(SOURCES)


@pytest.fixture(params=sorted(OPENED))
def opened(request, tmp_path):
    source, codes = OPENED[request.param](tmp_path)
    assert source.name == request.param
    return source, Wanted(TODAY, codes)


def read(source, wanted):
    """Pieces with funds, their facts as they were told beside them, and all rows."""
    pieces, facts = [], []
    for piece in source.pieces(wanted):
        if piece.codes:
            pieces.append(piece)
            facts += source.describe(piece.codes)
    return pieces, facts, pd.concat([piece.frame for piece in pieces], ignore_index=True)


def test_a_piece_has_the_columns_of_the_frame_with_their_types(opened):
    for piece in read(*opened)[0]:
        assert list(piece.frame.columns) == COLUMNS
        if len(piece.frame):
            assert all(piece.frame[name].dtype == float for name in NUMBERS)
            assert np.issubdtype(piece.frame["date"].dtype, np.integer)
            assert set(piece.frame["subscription"]) <= {"open", "closed", ""}
            assert set(piece.frame["fund"]) <= set(piece.codes)


def test_each_fund_is_whole_in_one_piece_and_counted(opened):
    pieces, _, rows = read(*opened)
    codes = [code for piece in pieces for code in piece.codes]
    assert len(codes) == len(set(codes)) == pieces[0].n_funds == rows["fund"].nunique()


def test_the_rows_pass_the_checks_and_make_histories_without_jumps(opened):
    _, _, rows = read(*opened)
    checked = check(rows, TODAY)
    assert not checked.refused
    for history, _ in histories(checked.good):
        steps = history.total_return[1:] / history.total_return[:-1]
        assert np.abs(steps - 1).max() < 0.2


def test_asked_again_the_funds_come_in_the_same_order_and_the_first_can_be_left_out(opened):
    source, wanted = opened
    first = [code for piece in read(source, wanted)[0] for code in piece.codes]
    assert [code for piece in read(source, wanted)[0] for code in piece.codes] == first
    assert [code for piece in read(source, replace(wanted, skip=1))[0] for code in piece.codes] == first[1:]


def test_since_a_day_only_later_rows_come(opened):
    source, wanted = opened
    _, _, rows = read(source, wanted)
    cut = int(rows["date"].max()) - 2
    since = dict.fromkeys(rows["fund"].unique(), date.fromordinal(cut))
    later = read(source, replace(wanted, since=since))[2]
    kept = rows[rows["date"] >= cut]
    assert 0 < len(later) < len(rows)
    pd.testing.assert_frame_equal(
        later[["fund", "date", "nav"]].sort_values(["fund", "date"], ignore_index=True),
        kept[["fund", "date", "nav"]].sort_values(["fund", "date"], ignore_index=True),
    )


def test_the_facts_are_of_the_funds_and_name_known_categories(opened):
    pieces, facts, _ = read(*opened)
    codes = [code for piece in pieces for code in piece.codes]
    assert [fact.code for fact in facts] == codes
    for fact in facts:
        assert fact.category in {"", *jurisdiction().categories}
        assert fact.currency in {"", "CNY"}
        assert all(event.published_date <= TODAY for event in fact.events)


def history_of(source, wanted, code):
    rows = check(read(source, wanted)[2], TODAY).good
    return next(history for history, _ in histories(rows) if history.fund_code == code)


def test_a_distribution_and_a_split_of_akshare_are_in_the_total_return():
    history = history_of(AkshareSource(Akshare(), NO_PAUSE), Wanted(TODAY, AKSHARE_CODES), "900001")
    expected = [1.0, 2.02 / 2, 2.01 / 2, 2.02 / 2, 2.02 / 2 * 1.98 / 1.97]
    assert history.total_return[:5] == pytest.approx(expected)
    assert history.total_return[5] / history.total_return[4] == pytest.approx(1.0 * 2 / 1.98)
    assert history.distribution_micro.tolist() == [0, 0, 0, 50_000, 0, 0, 0, 0]


def test_the_income_of_a_money_market_fund_is_its_total_return():
    history = history_of(AkshareSource(Akshare(), NO_PAUSE), Wanted(TODAY, AKSHARE_CODES), "900002")
    assert history.nav_micro.tolist() == [1_000_000] * 8
    assert history.total_return[-1] == pytest.approx((1 + 0.5 / 10_000) ** 7)


def test_what_may_be_bought_a_day_and_whether_at_all_come_from_akshare():
    source = AkshareSource(Akshare(), NO_PAUSE)
    facts = {fact.code: fact.columns for fact in source.describe(AKSHARE_CODES)}
    assert (facts["900001"]["is_open"], facts["900001"]["daily_limit_minor"]) == (True, 50_000_00)
    assert facts["900002"]["daily_limit_minor"] is None
    assert facts["900003"]["is_open"] is False


def test_prices_of_yahoo_are_as_they_were_on_their_day_and_the_split_is_no_loss():
    history = history_of(YfinanceSource(Yfinance(), NO_PAUSE), Wanted(TODAY, YFINANCE_CODES), "EXA.SS")
    assert history.nav_micro.tolist() == [2_000_000, 2_020_000, 2_040_000, 1_960_000, 1_980_000, 1_000_000, 1_010_000, 1_020_000]
    assert history.total_return[5] / history.total_return[4] == pytest.approx(1.0 / 0.99)
    assert history.total_return[3] / history.total_return[2] == pytest.approx(0.98 / (1.02 - 0.05))
    assert history.distribution_micro[3] == 100_000


def test_the_simulated_total_return_is_the_generators_own():
    source, _ = simulated(None)
    for piece in source.pieces(Wanted(TODAY)):
        for history, _ in histories(check(piece.frame, TODAY).good):
            made = source._made[history.fund_code].history
            assert history.total_return == pytest.approx(made.total_return, rel=1e-9)
            assert history.nav_micro.tolist() == made.nav_micro.tolist()


def test_a_fund_that_ended_says_so(tmp_path):
    source, _ = from_csv(tmp_path)
    (tmp_path / "funds.csv").write_text("code,category,ended_on\nA,mixed,2026-03-06\n", encoding="utf-8")
    fact = next(iter(source.describe(["A"])))
    assert fact.columns["ended_on"] == date(2026, 3, 6)
    assert TODAY - fact.columns["ended_on"] > timedelta(0)
