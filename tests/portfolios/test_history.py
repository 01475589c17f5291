"""Storing NAV histories and reading them back."""

from datetime import date, timedelta

import numpy as np
import pytest

from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, NavYear
from portfolios.selectors import daily_block, growth_of, load_history, month_end_matrix, monthly_returns, nav_on, return_matrix
from portfolios.services import store_counted, store_histories

pytestmark = pytest.mark.django_db


def make_fund(code="A", **fields) -> Fund:
    return Fund.objects.create(code=code, category="equity", asset_class="equity", risk_grade=4, source="test", **fields)


def make_history(code="A", start=date(2019, 12, 28), n=10, paid=None, first=1_000_000) -> FundHistory:
    nav = first + 1_000 * np.arange(n, dtype=np.int64)
    return FundHistory(code, start.toordinal() + np.arange(n), nav, nav / first, paid)


def test_a_history_comes_back_as_it_was_stored():
    fund = make_fund()
    paid = np.zeros(10, np.int64)
    paid[7] = 50_000
    assert store_histories([make_history(paid=paid)]) == 10
    back = load_history([fund.pk])[fund.pk]
    assert back.dates.tolist() == make_history().dates.tolist()
    assert back.nav_micro.tolist() == make_history().nav_micro.tolist()
    assert np.array_equal(back.total_return, make_history().total_return)
    assert back.distribution_micro.tolist() == paid.tolist()
    assert list(NavYear.objects.values_list("year", "n_days")) == [(2019, 4), (2020, 6)]
    fund.refresh_from_db()
    assert (fund.inception_date, fund.last_nav_date, fund.last_nav_micro) == (date(2019, 12, 28), date(2020, 1, 6), 1_009_000)


def test_storing_twice_changes_nothing():
    make_fund()
    store_histories([make_history()])
    before = list(NavYear.objects.order_by("pk").values())
    assert store_histories([make_history()]) == 0
    assert list(NavYear.objects.order_by("pk").values()) == before


def test_an_appended_month_continues_the_total_return_index_whatever_its_base():
    fund = make_fund()
    store_histories([make_history(n=10)])
    later = make_history(start=date(2020, 1, 5), n=5, first=1_008_000)
    [(_, count)] = store_counted([later])
    assert (count.n_new, count.n_changed, count.n_unchanged) == (3, 0, 2)
    back = load_history([fund.pk])[fund.pk]
    assert np.allclose(back.total_return, back.nav_micro / back.nav_micro[0], rtol=1e-12)


def test_a_gap_is_bridged_by_the_unit_nav():
    fund = make_fund()
    store_histories([make_history(n=10)])
    store_histories([make_history(start=date(2020, 3, 1), n=3, first=2_018_000)])
    assert load_history([fund.pk])[fund.pk].total_return[-3] == pytest.approx(2.018)


def test_a_corrected_nav_replaces_the_stored_one():
    fund = make_fund()
    store_histories([make_history()])
    nav = make_history().nav_micro.copy()
    nav[-1] += 500
    corrected = FundHistory("A", make_history().dates, nav, nav / nav[0])
    [(_, count)] = store_counted([corrected])
    assert (count.n_new, count.n_changed, count.n_unchanged) == (0, 1, 9)
    assert load_history([fund.pk])[fund.pk].nav_micro[-1] == nav[-1]


def day_of(nav_micro: int, day: date) -> FundHistory:
    return FundHistory("A", np.array([day.toordinal()]), np.array([nav_micro]), np.array([1.0]))


def test_a_day_corrected_alone_corrects_its_total_return():
    fund = make_fund()
    store_histories([make_history(start=date(2020, 1, 1), n=3)])
    store_histories([day_of(2_000_000, date(2020, 1, 4))])
    assert store_histories([day_of(1_003_000, date(2020, 1, 4))]) == 1
    store_histories([day_of(1_004_000, date(2020, 1, 5))])
    back = load_history([fund.pk])[fund.pk]
    assert back.total_return == pytest.approx(back.nav_micro / 1e6)


def test_a_distribution_told_later_lifts_all_days_after_it():
    fund = make_fund()
    start, nav = date(2020, 12, 28).toordinal(), np.array([1_000_000, 900_000, 900_000, 900_000, 900_000, 990_000])
    store_histories([FundHistory("A", start + np.arange(6), nav, nav / nav[0])])
    paid = np.array([0, 100_000, 0])
    [(_, count)] = store_counted([FundHistory("A", start + np.arange(3), nav[:3], np.array([1.0, 1.0, 1.0]), paid)])
    assert (count.n_new, count.n_changed, count.n_unchanged) == (0, 2, 1)
    assert load_history([fund.pk])[fund.pk].total_return == pytest.approx([1.0, 1.0, 1.0, 1.0, 1.0, 1.1])


@pytest.mark.parametrize(
    ("history", "code"),
    [
        (make_history(code="missing"), "unknown_fund"),
        (make_history(n=0), "no_history"),
        (FundHistory("A", np.array([2, 2]), np.array([1, 1]), np.array([1.0, 1.0])), "dates_not_ascending"),
        (FundHistory("A", np.array([2, 3]), np.array([1, 0]), np.array([1.0, 1.0])), "nav_not_positive"),
    ],
)
def test_a_wrong_history_is_refused_and_leaves_the_data_as_it_was(history, code):
    make_fund()
    make_fund("B")
    with pytest.raises(DataError) as raised:
        store_histories([make_history("B"), history])
    assert raised.value.code == code
    assert not NavYear.objects.exists()


def test_the_nav_on_a_day_without_one_is_the_last_before_it():
    fund = make_fund()
    store_histories(
        [
            make_history(n=3),
        ]
    )
    store_histories([make_history(start=date(2020, 12, 30), n=2, first=1_500_000)])
    assert nav_on(fund.pk, date(2019, 12, 27)) is None
    assert nav_on(fund.pk, date(2019, 12, 29)) == (date(2019, 12, 29), 1_001_000)
    assert nav_on(fund.pk, date(2020, 6, 1)) == (date(2019, 12, 30), 1_002_000)
    assert nav_on(fund.pk, date(2024, 6, 1)) == (date(2020, 12, 31), 1_501_000)


def test_monthly_returns_are_of_the_last_prices_by_two_days_and_need_a_week(django_assert_num_queries):
    funds = [make_fund(code) for code in "ABC"]
    store_histories([make_history(n=60), make_history("B", n=3)])
    first, second = date(2020, 1, 5), date(2020, 2, 8)
    with django_assert_num_queries(1):
        found = monthly_returns([fund.pk for fund in funds], first, second)
    (since, before), (until, after) = nav_on(funds[0].pk, first), nav_on(funds[0].pk, second)
    months = (until - since).days / (365.25 / 12)
    assert found == {funds[0].pk: pytest.approx((after / before) ** (1 / months) - 1)}
    assert monthly_returns([funds[0].pk], first, first + timedelta(days=6)) == {}


def test_a_matrix_joins_calendars_and_does_not_carry_a_dead_fund_forward(django_assert_num_queries):
    make_fund()
    make_fund("B")
    make_fund("C")
    store_histories([make_history(n=60), make_history("B", n=3)])
    with django_assert_num_queries(2):
        matrix = return_matrix(["B", "A", "C"])
    assert matrix.codes == ("B", "A", "C")
    assert np.isfinite(matrix.values[:, 1]).all()
    assert np.isnan(matrix.values[:, 2]).all()
    assert np.isfinite(matrix.values[:17, 0]).all()
    assert np.isnan(matrix.values[17:, 0]).all()


def test_growth_starts_at_one_and_its_drawdown_is_never_above_zero():
    make_fund()
    make_fund("B")
    falling = make_history("B", n=60)
    store_histories([make_history(n=60), FundHistory("B", falling.dates, falling.nav_micro, falling.total_return[::-1].copy())])
    grown = growth_of({"A": 0.25, "B": 0.75})
    assert grown.growth[0] == 1.0
    assert len(grown.dates) == 60
    assert grown.growth[-1] < 1.0
    assert grown.drawdown.max() <= 0.0
    # Within the first month nothing is traded: buy and hold until the first date of January.
    assert grown.growth[3] == pytest.approx(0.25 * 1.003 + 0.75 * 1.056 / 1.059)


def test_a_daily_block_is_the_matrix_of_its_window_and_looks_no_further():
    ids = [make_fund(code).pk for code in "BAC"]
    store_histories([make_history("A", n=60), make_history("B", start=date(2020, 1, 3), n=3)])
    first, second = daily_block(ids, date(2019, 12, 30), date(2020, 1, 20), n_funds=2)
    assert (first.codes, second.codes, second.values.size) == (("B", "A"), ("C",), 0)
    whole = return_matrix(["B", "A"])
    kept = (whole.dates >= date(2019, 12, 30).toordinal()) & (whole.dates <= date(2020, 1, 20).toordinal())
    assert first.dates.tolist() == whole.dates[kept].tolist()
    assert np.array_equal(first.values, whole.values[kept], equal_nan=True)
    assert np.isnan(first.values[-1, 0])


def test_month_ends_are_the_last_prices_of_whole_months():
    ids = [make_fund(code).pk for code in "BAC"]
    store_histories([make_history("A", n=100), make_history("B", start=date(2020, 1, 10), n=40)])
    matrix = month_end_matrix(ids, date(2019, 12, 1), date(2020, 3, 30))
    assert (matrix.codes, matrix.months.tolist()) == (("B", "A", "C"), [599, 600, 601])
    of_a = dict(zip(make_history(n=100).dates, make_history(n=100).total_return, strict=True))
    assert matrix.values[:, 1].tolist() == [of_a[date(*day).toordinal()] for day in [(2019, 12, 31), (2020, 1, 31), (2020, 2, 29)]]
    # The last price of B is of 18 February: within 14 days of the month's end.
    assert np.isnan(matrix.values[0, 0])
    assert matrix.values[1:, 0] == pytest.approx([1.021, 1.039])
    assert np.isnan(matrix.values[:, 2]).all()
    assert np.isnan(month_end_matrix(ids, date(2019, 12, 1), date(2020, 3, 31)).values[-1, 0])


def test_storing_a_new_history_reads_none_and_appending_reads_the_last_two_years(django_assert_num_queries):
    make_fund()
    with django_assert_num_queries(5):  # the funds, two statements within a savepoint
        store_histories([make_history(start=date(2015, 12, 28), n=2000)])
    fund = Fund.objects.get()
    before = load_history([fund.pk])[fund.pk]
    store_histories([make_history(start=date(2021, 6, 19), n=3, first=3_000_000)])
    after = load_history([fund.pk])[fund.pk]
    assert np.array_equal(after.total_return[:2000], before.total_return)
    assert after.total_return[2000:] == pytest.approx([3.0, 3.001, 3.002])
    fund.refresh_from_db()
    assert (fund.inception_date, fund.last_nav_date) == (date(2015, 12, 28), date(2021, 6, 21))


def test_a_history_after_years_of_silence_goes_on_from_the_last_price():
    fund = make_fund()
    store_histories([make_history(start=date(2015, 1, 1), n=5)])
    store_histories([make_history(start=date(2019, 1, 1), n=5, first=2_000_000)])
    store_histories([make_history(start=date(2017, 6, 1), n=1, first=1_500_000)])
    back = load_history([fund.pk])[fund.pk]
    assert back.total_return == pytest.approx(back.nav_micro / 1e6)
    store_histories([day_of(2_100_000, date(2019, 1, 1))])
    back = load_history([fund.pk])[fund.pk]
    assert back.total_return == pytest.approx(back.nav_micro / 1e6)
