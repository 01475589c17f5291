"""The simulated market: the same for everybody, longer but never different, and as risky as its categories say."""

import re
from collections import Counter
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from portfolios.jurisdictions import jurisdiction
from portfolios.jurisdictions.simulated_names import fund_names, manager_name
from portfolios.kernels.simulate import BLOCK_DAYS, factor_returns, simulate, simulate_funds, weekdays
from portfolios.kernels.simulate_facts import CLOSED, ENDED, MANAGER, PURCHASE, SPLIT, WARNING
from portfolios.kernels.simulate_funds import FACTORS, FIRST_DAY, MODELS, category_counts, make_funds

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


def funds_of(n_funds=600, **options):
    means, caps = means_and_caps()
    return make_funds(seed=SEED, n_funds=n_funds, class_means=means, fee_caps_bps=caps, **options)


def is_over(fund):
    return fund.ended is not None and fund.ended <= UNTIL


@pytest.fixture(scope="module")
def funds():
    return funds_of()


@pytest.fixture(scope="module")
def made(funds):
    return {one.spec.code: one for one in simulate_funds(funds, seed=SEED, until=UNTIL)}


@pytest.fixture(scope="module")
def market(funds):
    return simulate(funds, seed=SEED, until=UNTIL)


def test_the_same_seed_makes_the_same_market_and_another_seed_another(funds, market):
    some = funds[::40]
    again = simulate(some, seed=SEED, until=UNTIL)
    columns = [market.codes.index(fund.code) for fund in some]
    assert funds_of() == funds
    assert np.array_equal(again.nav, market.nav[:, columns], equal_nan=True)
    assert not np.array_equal(simulate(some, seed=7, until=UNTIL).nav, again.nav, equal_nan=True)


@pytest.mark.parametrize("until", [date(2019, 3, 8), date(2026, 10, 30), date(2026, 11, 2), date(2026, 11, 19)])
def test_a_longer_market_begins_with_the_shorter_one(funds, made, until):
    some = [fund for fund in funds if fund.ended or fund.changes_style or fund.pays or fund.splits or fund.number % 9 == 0][::3]
    for shorter in simulate_funds(some, seed=SEED, until=until):
        longer = made[shorter.spec.code]
        n, q = len(shorter.history.dates), len(shorter.facts.as_of)
        for name in ("dates", "nav_micro", "total_return", "distribution_micro"):
            assert np.array_equal(getattr(shorter.history, name), getattr(longer.history, name)[:n])
        for name in ("as_of", "published", "size_minor", "units_centi", "institutional_share"):
            assert np.array_equal(getattr(shorter.facts, name), getattr(longer.facts, name)[:q])
        assert shorter.facts.published.max(initial=0) <= until.toordinal()
        assert list(shorter.facts.happenings) == [fact for fact in longer.facts.happenings if fact.published_day <= until.toordinal()]


def test_a_small_market_holds_the_first_funds_of_the_large_one(funds):
    small = {fund.code: fund for fund in funds_of(80)}
    large = {fund.code: fund for fund in funds}
    assert len(small) == 80
    assert all(large[code] == fund for code, fund in small.items())


def test_a_market_too_small_for_its_pool_is_refused():
    with pytest.raises(ValueError, match="cannot fill the pool"):
        category_counts(40)


def test_days_are_weekdays_without_gaps_and_navs_are_published_on_sessions(funds, made):
    days = [date.fromordinal(int(day)) for day in weekdays(date(2016, 11, 15))]
    assert days[0] == FIRST_DAY
    assert [day.weekday() for day in days] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    sessions = weekdays(UNTIL)[::2]
    first = next(fund for fund in funds if fund.category == "equity" and fund.inception == FIRST_DAY and not fund.pays)
    [thin] = simulate_funds([first], seed=SEED, until=UNTIL, sessions=sessions)
    assert np.array_equal(thin.history.dates, sessions)
    assert np.array_equal(thin.history.nav_micro, made[first.code].history.nav_micro[::2])


def test_a_large_market_has_codes_and_names_of_its_own_for_every_fund():
    funds = funds_of(3000)
    names = [fund_names(fund) for fund in funds]
    assert all(re.fullmatch(r"S\d{5}", fund.code) for fund in funds)
    for words in ([fund.code for fund in funds], [name.zh for name in names], [name.en for name in names]):
        assert len(set(words)) == 3000
    assert {fund.category for fund in funds} == set(jurisdiction().categories)
    assert len({name.company for name in names}) > 100
    assert len({manager_name(who) for who in range(500)}) > 400


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
    usual = [fund.category == category and not (fund.share_class == "C" or fund.changes_style) for fund in funds]
    whole = np.isfinite(market.nav[: BLOCK_DAYS + 1]).all(axis=0) & np.isfinite(market.nav[-1])
    columns = np.flatnonzero(usual & whole)
    level = market.total_return[: BLOCK_DAYS + 1, columns]
    returns = np.diff(level, axis=0) / level[:-1]
    low, high = VOLATILITY[category]
    assert low < (returns.std(axis=0) * np.sqrt(250)).mean() < high
    means, _ = means_and_caps()
    assert returns.mean() * 250 == pytest.approx(means[category], abs=0.012)


def test_share_funds_fall_deeply_and_money_market_funds_never(funds, market):
    worst = {
        category: min(
            float(np.nanmin(market.total_return[:, column] / np.fmax.accumulate(market.total_return[:, column])) - 1)
            for column, fund in enumerate(funds)
            if fund.category == category
        )
        for category in ("money", "equity")
    }
    assert worst["money"] == 0
    assert -0.65 < worst["equity"] < -0.25


def test_a_distribution_and_a_split_change_the_nav_and_not_the_total_return(funds, made):
    paying = next(fund for fund in funds if fund.category == "reit" and fund.pays and made[fund.code].history.distribution_micro.any())
    [plain] = simulate_funds([replace(paying, pays=0.0)], seed=SEED, until=UNTIL)
    of = made[paying.code]
    day = int(np.flatnonzero(of.history.distribution_micro)[0])
    fall = of.history.nav_micro[day] / of.history.nav_micro[day - 1] - plain.history.nav_micro[day] / plain.history.nav_micro[day - 1]
    assert fall < -0.005
    assert of.history.total_return == pytest.approx(plain.history.total_return, rel=2e-3)
    splitting = next(one for one in made.values() if (one.split != 1).any())
    [whole] = simulate_funds([replace(splitting.spec, splits=False)], seed=SEED, until=UNTIL)
    assert splitting.history.nav_micro[-1] < 0.7 * whole.history.nav_micro[-1]
    assert splitting.history.total_return == pytest.approx(whole.history.total_return, rel=2e-3)
    [fact, *_] = [fact for fact in splitting.facts.happenings if fact.kind == SPLIT]
    assert fact.number == pytest.approx(1e6 * splitting.split[splitting.history.dates == fact.from_day][0], abs=1)


def test_no_event_comes_after_the_last_day_of_events():
    quiet = funds_of(600, events_until=date(2021, 1, 1))
    assert all(fund.ended is None or fund.ended <= date(2021, 1, 1) for fund in quiet)
    chosen = [fund for fund in quiet if fund.pays or fund.splits][:20]
    for one in simulate_funds(chosen, seed=SEED, until=UNTIL):
        moved = (one.history.distribution_micro > 0) | (one.split != 1)
        assert not moved[one.history.dates > date(2021, 1, 1).toordinal()].any()


def test_funds_that_end_had_earned_less_and_warned(funds, made):
    over = [one for one in made.values() if is_over(one.spec)]
    assert 30 <= len(over) <= 90
    for one in over:
        kinds = [fact.kind for fact in one.facts.happenings]
        assert kinds[-1] == ENDED
        assert WARNING in kinds
        assert one.history.dates[-1] <= one.spec.ended.toordinal()
        assert one.facts.size_minor[-1] < 0.5 * one.facts.size_minor.max()
    alike = [replace(one.spec, ended=None) for one in over]
    spared = {one.spec.code: one for one in simulate_funds(alike, seed=SEED, until=UNTIL)}
    lost = [one.history.total_return[-1] / spared[one.spec.code].history.total_return[len(one.history.dates) - 1] - 1 for one in over]
    assert -0.2 < np.mean(lost) < -0.03


def test_a_class_c_is_the_same_portfolio_with_other_fees(funds, made):
    pairs = [(made[fund.family_code], made[fund.code]) for fund in funds if fund.share_class == "C" and fund.code in made]
    assert 0.15 < len(pairs) / len(made) < 0.26
    for a, c in pairs[:30]:
        assert (a.spec.share_class, c.spec.purchase_fee_bps) == ("A", 0)
        years = (a.history.dates[-1] - a.history.dates[0]) / 365.25
        lag = np.log(c.history.total_return[-1] / a.history.total_return[-1]) / years
        assert lag == pytest.approx(-c.spec.sales_fee_bps / 1e4, abs=0.002)
        assert [fact for fact in a.facts.happenings if fact.kind == MANAGER] == [
            fact for fact in c.facts.happenings if fact.kind == MANAGER
        ]


def test_a_change_of_style_shows_in_the_loadings_on_the_style_factor(funds, made):
    inside = [fund for fund in funds if fund.changes_style and date(2019, 1, 1) < fund.changes_style < date(2024, 1, 1)]
    turned = [made[fund.code] for fund in inside if not is_over(fund)]
    assert len(turned) >= 3
    factors, _, _ = factor_returns(seed=SEED, n_days=len(weekdays(UNTIL)))
    for one in turned:
        growth = np.diff(np.log(one.history.total_return))
        style = factors[np.searchsorted(weekdays(UNTIL), one.history.dates[1:])]
        before = one.history.dates[1:] < one.spec.changes_style.toordinal()
        slopes = [np.linalg.lstsq(style[part], growth[part], rcond=None)[0][FACTORS.index("style")] for part in (before, ~before)]
        assert abs(slopes[1] - slopes[0]) > 0.4


def test_sizes_are_units_times_nav_and_published_within_three_weeks(made):
    for one in list(made.values())[::25]:
        facts = one.facts
        lag = facts.published - facts.as_of
        assert (lag >= 15).all()
        assert (lag <= 21).all()
        at = np.searchsorted(one.history.dates, facts.as_of, side="right") - 1
        assert facts.size_minor == pytest.approx(facts.units_centi * (one.history.nav_micro[at] / 1e6), rel=1e-9, abs=1)
        assert ((facts.institutional_share > 0) & (facts.institutional_share < 1)).all()


def test_managers_change_and_purchases_are_limited_now_and_then(made):
    kinds = Counter(fact.kind for one in made.values() for fact in one.facts.happenings)
    assert 1.5 < kinds[MANAGER] / len(made) < 3
    last = [
        next((fact for fact in one.facts.happenings[::-1] if fact.kind == PURCHASE), None) for one in made.values() if not one.spec.ended
    ]
    closed = np.mean([fact is not None and fact.text == CLOSED for fact in last])
    limited = np.mean([fact is not None and fact.number is not None for fact in last])
    assert 0.03 < closed < 0.15
    assert 0.03 < limited < 0.15
    for one in made.values():
        managers = [fact for fact in one.facts.happenings if fact.kind == MANAGER]
        assert all(a.number != b.number for a, b in pairwise(managers))
        assert managers[0].from_day == one.spec.inception.toordinal()
