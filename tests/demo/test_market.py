"""The pool of a market that is too small for the screen, and the rows of the market."""

from collections import Counter
from datetime import date

import pytest

from demo.market import SCREEN_LAG, choose_pool
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.simulate import simulate
from portfolios.kernels.simulate_funds import make_funds

SEED, UNTIL = 2026, date(2026, 11, 20)


def funds_of(n_funds):
    table = jurisdiction()
    means = {name: table.classes[row.asset_class].mean for name, row in table.categories.items()}
    return make_funds(
        seed=SEED, n_funds=n_funds, class_means=means, fee_caps_bps=table.purchase_fee_caps_bps, events_until=date(2024, 6, 30)
    )


@pytest.mark.parametrize("n_funds", [80, 600])
def test_the_pool_has_what_a_publishable_pool_needs(n_funds):
    funds = funds_of(n_funds)
    chosen = {choice.code for choice in choose_pool(funds, simulate(funds, seed=SEED, until=UNTIL))}
    pool = [fund for fund in funds if fund.code in chosen]
    grades = Counter(jurisdiction().categories[fund.category].grade for fund in pool)
    assert 50 <= len(pool) <= 66
    assert all(grades[grade] >= least for grade, least in jurisdiction().advice.min_pool.items())
    assert sum(fund.category == "money" for fund in pool) >= 3
    for grade in grades:
        companies = {fund.company for fund in pool if jurisdiction().categories[fund.category].grade == grade}
        assert len(companies) >= 3
    assert all(fund.is_open and not fund.ended for fund in pool)
    assert len({fund.family_code or fund.code for fund in pool}) == len(pool)


def test_the_pool_does_not_know_the_years_in_which_people_trade():
    funds = funds_of(200)
    market = simulate(funds, seed=SEED, until=UNTIL)
    before = choose_pool(funds, market)
    market.total_return[-SCREEN_LAG:] = 1.0
    assert choose_pool(funds, market) == before
