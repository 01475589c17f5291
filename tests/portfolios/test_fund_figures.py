"""What a fund's page says of costs, prices and record, on numbers one can check by hand."""

from datetime import date, timedelta

import numpy as np
import pytest
from django.utils import timezone

from portfolios.kernels.types import FundHistory, Growth
from portfolios.models import FundFact, FundSize, GradeChange, Pool, PoolFund, ScreenRow, ScreenRun
from portfolios.selectors import (
    FundQuery,
    find_funds,
    fund_record,
    fund_with_family,
    holding_costs,
    payments_of,
    prices_of,
    rolling_years,
    style_of,
    year_figures,
)
from portfolios.services import store_histories
from tests.portfolios.market import make_fund

pytestmark = pytest.mark.django_db
START = date(2021, 1, 4).toordinal()
N_WEEKS = 200


def store(fund, returns, *, start=START, paid=None) -> None:
    """Weekly prices that grow by the returns."""
    index = np.cumprod(np.concatenate([[1.0], 1 + np.asarray(returns)]))
    days = start + 7 * np.arange(len(index))
    store_histories([FundHistory(fund.code, days, np.round(index * 1e6).astype(np.int64), index, paid)])
    fund.refresh_from_db()


def weekly(seed, volatility) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.001, volatility, N_WEEKS)


# Costs


def test_ten_thousand_yuan_pay_the_purchase_fee_outside_and_the_floor_of_their_age():
    fund = make_fund(fee_bps=60, sales_fee_bps=40)
    costs = {cost.days: cost for cost in holding_costs(fund)}
    net_minor = 994_036  # 10,000 / 1.006, to the cent
    assert {cost.purchase_minor for cost in costs.values()} == {1_000_000 - net_minor}
    assert [costs[days].redemption_minor for days in (7, 30, 180, 365, 1095)] == [9_940, 4_970, 0, 0, 0]
    assert [costs[days].sales_minor for days in (7, 365, 1095)] == [76, 3_976, 3_976]  # nothing after the first year
    assert costs[7].total_minor == 5_964 + 9_940 + 76
    assert [(cost.days, cost.years) for cost in costs.values()] == [(7, None), (30, None), (180, None), (365, 1), (1095, 3)]


def test_a_money_market_fund_pays_its_sales_fee_every_year_and_nothing_else():
    costs = holding_costs(make_fund(category="money", asset_class="money_market", grade=1, fee_bps=0, sales_fee_bps=25))
    assert [(cost.purchase_minor, cost.redemption_minor, cost.sales_minor) for cost in costs[-2:]] == [(0, 0, 2_500), (0, 0, 7_500)]


# Prices


def growth_of_days(daily: np.ndarray) -> Growth:
    growth = np.cumprod(np.concatenate([[1.0], 1 + daily]))
    return Growth(START + np.arange(len(growth)), growth, growth / np.maximum.accumulate(growth) - 1)


def test_every_twelve_months_of_a_steady_fund_bring_the_same():
    rolling = rolling_years(growth_of_days(np.full(800, 0.0001)))
    assert rolling.dates[0] == START + 365
    assert rolling.lowest == pytest.approx(1.0001**365 - 1, abs=2e-4)
    assert rolling.highest - rolling.lowest < 2e-4
    assert rolling.share_above == 1.0


def test_twelve_months_are_counted_by_how_they_ended():
    fall = np.zeros(1_000)
    fall[500] = -0.5
    rolling = rolling_years(growth_of_days(fall))
    assert (rolling.lowest, rolling.highest, rolling.middle) == (pytest.approx(-0.5), 0.0, pytest.approx(-0.5))
    assert rolling.share_above == 0.0


@pytest.mark.parametrize("n_days", [1, 200, 400])
def test_a_young_fund_has_no_range_of_twelve_months(n_days):
    assert rolling_years(growth_of_days(np.full(n_days, 0.001))) is None


def test_distributions_are_listed_the_latest_first():
    paid = np.zeros(61, np.int64)
    paid[[10, 40]] = 20_000, 35_000
    fund = make_fund()
    store(fund, np.full(60, 0.001), paid=paid)
    payments = payments_of(prices_of(fund).own)
    assert [(payment.day.toordinal(), payment.micro) for payment in payments] == [(START + 280, 35_000), (START + 70, 20_000)]


def test_a_year_of_figures_wants_a_year_of_prices():
    old, young = make_fund("000001"), make_fund("000002")
    store(old, np.full(N_WEEKS, 0.001))
    store(young, np.full(40, 0.001), start=START + 7 * (N_WEEKS - 40))
    since = old.last_nav_date - timedelta(days=400)
    years = year_figures([old.pk, young.pk], since)
    assert set(years) == {old.pk}
    assert years[old.pk].total_return == pytest.approx(1.001**52 - 1, rel=0.03)
    assert years[old.pk].max_drawdown == 0.0


@pytest.fixture
def classes():
    """Three funds a class that move as one, so that what a mix of them follows is known."""
    moves = {"bond": weekly(1, 0.003), "equity": weekly(2, 0.025), "gold": weekly(3, 0.015)}
    for n, (name, returns) in enumerate(moves.items()):
        for i in range(3):
            store(make_fund(f"{n}0000{i}", category=name, family_code=f"F{n}{i}"), returns)
    return moves


def test_the_style_of_a_mix_is_its_mix(classes):
    mixed = make_fund("600000", category="mixed")
    recent = np.arange(N_WEEKS) >= N_WEEKS - 52
    store(mixed, np.where(recent, 0.6 * classes["bond"] + 0.4 * classes["equity"], classes["gold"]))
    style = style_of(prices_of(mixed))
    assert {share.code: share.weight for share in style.shares} == pytest.approx({"bond": 0.6, "equity": 0.4, "gold": 0.0}, abs=0.01)
    assert {share.code: share.before for share in style.shares} == pytest.approx({"bond": 0.0, "equity": 0.0, "gold": 1.0}, abs=0.01)
    assert style.explained == pytest.approx(1.0, abs=1e-3)


def test_a_fund_is_not_measured_against_its_own_family(classes):
    odd = weekly(9, 0.02)
    own, kin = (make_fund(code, category="gold", family_code="KIN") for code in ("700000", "700001"))
    store(own, odd, start=START - 7)  # both with a longer history than the other gold funds
    store(kin, odd, start=START - 7)
    assert kin.code not in {history.fund_code for _, history in prices_of(own).classes}
    assert style_of(prices_of(own)).explained < 0.5


def test_a_fund_without_a_year_of_prices_a_money_fund_and_a_lone_class_have_no_style(classes):
    young = make_fund("800000")
    store(young, np.full(40, 0.001), start=START + 7 * (N_WEEKS - 40))
    money = make_fund("800001", category="money", asset_class="money_market", grade=1)
    store(money, np.full(N_WEEKS, 0.0003))
    assert style_of(prices_of(young)) is None
    assert style_of(prices_of(money)) is None
    assert prices_of(make_fund("800002")) is None


def test_the_style_of_a_fund_that_ended_is_that_of_its_last_year(classes):
    gone = make_fund("900000", category="mixed")
    store(gone, classes["gold"][:120])
    gone.ended_on = gone.last_nav_date
    gone.save()
    style = style_of(prices_of(gone))
    assert style.end == gone.last_nav_date
    assert {share.code for share in style.shares if share.weight > 0.9} == {"gold"}


# The record


def test_the_record_tells_managers_sizes_splits_and_warnings_the_latest_first():
    fund = make_fund(ended_on=date(2024, 6, 1))
    facts = [
        ("manager", 2020, "Wang", None),
        ("manager", 2022, "Li", None),
        ("split", 2021, "", 1_500_000),
        ("liquidation_warning", 2024, "", None),
    ]
    for kind, year, text, number in facts:
        FundFact.objects.create(fund=fund, kind=kind, from_date=date(year, 3, 1), published_date=date(year, 3, 2), text=text, number=number)
    for quarter in range(14):
        day = date(2021 + quarter // 4, 3 * (quarter % 4) + 3, 28)
        FundSize.objects.create(
            fund=fund, as_of_date=day, published_date=day, size_minor=(quarter + 1) * 10**11, units_centi=1, institutional_share=0.25
        )
    record = fund_record(fund)
    assert [(tenure.name, tenure.start.year, tenure.end) for tenure in record.tenures] == [
        ("Li", 2022, date(2024, 6, 1)),
        ("Wang", 2020, date(2022, 3, 1)),
    ]
    assert [split.ratio for split in record.splits] == [1.5]
    assert record.warned_on == date(2024, 3, 1) and record.has_ended
    assert len(record.quarters) == 12 and record.quarters[0].size_minor == 14 * 10**11
    assert record.quarters[0].institutional_share == 0.25
    assert record.size_change == pytest.approx(0.4)


def test_an_announced_end_is_not_an_end_yet():
    fund = make_fund(ended_on=timezone.localdate() + timedelta(days=30))
    assert not fund_record(fund).has_ended


def test_a_fund_without_a_record_has_an_empty_one():
    record = fund_record(make_fund(category="unheard of"))
    assert (record.tenures, record.quarters, record.splits, record.warned_on, record.size, record.size_change) == (
        [],
        [],
        [],
        None,
        "",
        None,
    )
    assert (record.grade.category, record.grade.issuer, record.grade.own) == (None, None, None)


def test_the_grade_tells_both_grades_and_the_reasons_that_are_known():
    fund = make_fund(grade=4, issuer_grade=3, own_grade=4)
    reasons = [
        {"code": "volatility", "grade": 4, "value": 0.21},
        {"code": "new one", "grade": 4},
        "nonsense",
    ]
    GradeChange.objects.create(
        fund=fund, from_grade=3, to_grade=4, issuer_grade=3, own_grade=4, reasons=reasons, data_date=date(2026, 1, 5)
    )
    grade = fund_record(fund).grade
    assert (grade.counts, grade.issuer, grade.own, grade.category) == (4, 3, 4, 4)
    assert len(grade.reasons) == 1 and "21.0" in grade.reasons[0] and "R4" in grade.reasons[0]
    assert [(change.from_grade, change.to_grade) for change in grade.changes] == [(3, 4)]


# Finding


def test_a_fund_comes_with_its_other_share_classes_and_its_place_in_the_pool(django_assert_num_queries):
    a, c, lone = make_fund("000001", family_code="000001"), make_fund("000002", family_code="000001"), make_fund("000003")
    PoolFund.objects.create(pool=Pool.objects.create(name="Pool", is_current=True), fund=a)
    PoolFund.objects.create(pool=Pool.objects.create(name="Old one"), fund=lone)
    with django_assert_num_queries(1):
        found, others = fund_with_family("000001")
    assert found == a and found.is_in_pool and others == [c]
    found, others = fund_with_family("000003")
    assert found == lone and not found.is_in_pool and others == []
    assert fund_with_family("nothing") == (None, [])


def test_funds_are_found_by_company_pool_size_and_rank():
    small, large, unknown = (
        make_fund(code, company=company, size_minor=size)
        for code, company, size in (("000001", "Moss", 10), ("000002", "Reed", 20), ("000003", "Mossland", None))
    )
    PoolFund.objects.create(pool=Pool.objects.create(name="Pool", is_current=True), fund=large)
    run = ScreenRun.objects.create(data_date=date(2026, 1, 1), rules_version="x")
    for fund, percentile in ((small, 0.9), (large, 0.2)):
        ScreenRow.objects.create(run=run, fund=fund, peer_group="equity", risk_grade=4, percentile=percentile, verdict="x")
    every = type(small).objects.all()
    assert list(find_funds(every, FundQuery(text="moss"))) == [small, unknown]
    assert list(find_funds(every, FundQuery(in_pool=True))) == [large]
    assert list(find_funds(every, FundQuery(sort="size"))) == [large, small, unknown]
    assert list(find_funds(every, FundQuery(sort="rank"), run)) == [small, large, unknown]
    assert list(find_funds(every, FundQuery(sort="rank"))) == [small, large, unknown]  # without a screen as if not asked
