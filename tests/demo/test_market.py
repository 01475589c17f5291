"""The simulated market: the same for everybody, longer but never different, and as risky as its categories say."""

import re
from collections import Counter
from datetime import date

import numpy as np
import pytest

from demo.market import BLOCK_DAYS, FIRST_DAY, MODELS, category_counts, choose_pool, factor_returns, make_funds, simulate, weekdays
from portfolios.jurisdictions import jurisdiction

SEED, UNTIL = 2026, date(2026, 11, 20)
# Annual volatility of daily returns over ten years, the mean fund of each category.
VOLATILITY = {
    "money": (0, 0.001), "short_bond": (0.004, 0.008), "bond": (0.018, 0.032), "bond_plus": (0.02, 0.045), "mixed": (0.10, 0.145),
    "gold": (0.12, 0.16), "index": (0.17, 0.22), "reit": (0.13, 0.19), "equity": (0.18, 0.24), "qdii": (0.15, 0.21),
    "sector": (0.25, 0.32), "commodity": (0.20, 0.27),
}  # fmt: skip


def means_and_caps():
    table = jurisdiction()
    return {name: table.classes[row.asset_class].mean for name, row in table.categories.items()}, table.purchase_fee_caps_bps


def funds_of(n_funds=600):
    means, caps = means_and_caps()
    return make_funds(seed=SEED, n_funds=n_funds, class_means=means, fee_caps_bps=caps)


@pytest.fixture(scope="module")
def funds():
    return funds_of()


@pytest.fixture(scope="module")
def market(funds):
    return simulate(funds, seed=SEED, until=UNTIL)


def test_the_same_seed_makes_the_same_market(funds, market):
    again = simulate(funds_of(), seed=SEED, until=UNTIL)
    assert funds_of() == funds
    assert np.array_equal(again.nav, market.nav, equal_nan=True)


def test_another_seed_makes_another_market(funds, market):
    assert not np.array_equal(simulate(funds, seed=7, until=UNTIL).nav, market.nav, equal_nan=True)


@pytest.mark.parametrize("until", [date(2019, 3, 8), date(2026, 10, 30), date(2026, 11, 2), date(2026, 11, 19)])
def test_a_longer_market_begins_with_the_shorter_one(funds, market, until):
    shorter = simulate(funds, seed=SEED, until=until)
    assert np.array_equal(shorter.nav, market.nav[: len(shorter.days)], equal_nan=True)
    assert np.array_equal(shorter.days, market.days[: len(shorter.days)])


def test_a_small_market_holds_the_first_funds_of_the_large_one(funds):
    small = {fund.code: fund for fund in funds_of(80)}
    large = {fund.code: fund for fund in funds}
    assert len(small) == 80
    assert all(large[code] == fund for code, fund in small.items())


def test_a_market_too_small_for_its_pool_is_refused():
    with pytest.raises(ValueError, match="cannot fill the pool"):
        category_counts(40)


def test_days_are_weekdays_without_gaps():
    days = [date.fromordinal(int(day)) for day in weekdays(date(2016, 11, 15))]
    assert days[0] == FIRST_DAY
    assert [day.weekday() for day in days] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]


def test_600_funds_of_every_category_have_invented_codes_and_different_names(funds):
    assert len(funds) == 600
    assert {fund.category for fund in funds} == set(jurisdiction().categories)
    assert all(re.fullmatch(r"S\d{5}", fund.code) for fund in funds)
    for names in ([fund.code for fund in funds], [fund.name_zh for fund in funds], [fund.name_en for fund in funds]):
        assert len(set(names)) == 600


def test_purchase_fees_keep_the_legal_caps(funds):
    _, caps = means_and_caps()
    assert all(0 <= fund.purchase_fee_bps <= caps[fund.category] for fund in funds)


def test_factors_of_a_whole_block_have_no_mean_and_fat_tails():
    factors, _, stress = factor_returns(seed=SEED, n_days=BLOCK_DAYS)
    scaled = factors / factors.std(axis=0)
    assert np.abs(factors.mean(axis=0)).max() < 1e-12
    assert ((scaled**4).mean(axis=0) > 4).all()  # 3 is normal
    assert 0.02 < stress.mean() < 0.3


@pytest.mark.parametrize("category", MODELS)
def test_volatility_and_mean_are_those_of_the_category(funds, market, category):
    columns = [column for column, fund in enumerate(funds) if fund.category == category and fund.inception == FIRST_DAY]
    returns = np.diff(market.nav[: BLOCK_DAYS + 1, columns], axis=0) / market.nav[:BLOCK_DAYS, columns]
    low, high = VOLATILITY[category]
    assert low < (returns.std(axis=0) * np.sqrt(250)).mean() < high
    means, _ = means_and_caps()
    assert returns.mean() * 250 == pytest.approx(means[category], abs=0.012)


def test_share_funds_fall_deeply_and_money_market_funds_never(funds, market):
    worst = {
        category: min(
            float(np.nanmin(market.nav[:, column] / np.fmax.accumulate(market.nav[:, column])) - 1)
            for column, fund in enumerate(funds)
            if fund.category == category
        )
        for category in ("money", "equity")
    }
    assert worst["money"] == 0
    assert -0.6 < worst["equity"] < -0.25


@pytest.mark.parametrize("n_funds", [80, 600])
def test_the_pool_has_what_a_publishable_pool_needs(n_funds):
    funds = funds_of(n_funds)
    chosen = {choice.code for choice in choose_pool(funds, simulate(funds, seed=SEED, until=UNTIL))}
    pool = [fund for fund in funds if fund.code in chosen]
    grades = Counter(jurisdiction().categories[fund.category].grade for fund in pool)
    assert 55 <= len(pool) <= 66
    assert all(grades[grade] >= least for grade, least in jurisdiction().advice.min_pool.items())
    assert sum(fund.category == "money" for fund in pool) >= 3
    for grade in grades:
        companies = {fund.company for fund in pool if jurisdiction().categories[fund.category].grade == grade}
        assert len(companies) >= 3
    assert all(fund.is_open for fund in pool)


def test_the_pool_does_not_know_the_years_in_which_people_trade(funds, market):
    hidden = simulate(funds, seed=SEED, until=UNTIL)
    hidden.nav[-500:] = 1.0
    assert choose_pool(funds, hidden) == choose_pool(funds, market)
