from datetime import timedelta

import pytest
from django.utils import timezone

from advisor.models import Clearance
from advisor.selectors import decide_for, recommendable_funds
from advisor.services import clear
from portfolios.models import Fund, Pool, PoolFund
from tests.advisor.site_world import give_level, make_market
from tests.portfolios.market import make_fund


@pytest.fixture
def market(db):
    make_market()


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_nothing_above_a_level_is_recommendable(market, level):
    assert all(fund.risk_grade <= level for fund in recommendable_funds(level))
    assert recommendable_funds(level).filter(risk_grade=min(level, 4)).exists()


def test_only_open_funds_of_the_current_pool_are_recommendable(market):
    codes = set(recommendable_funds(5).values_list("code", flat=True))
    assert {"MM1", "EQ4"} <= codes
    assert not codes & {"MM5", "EQ5"}, "closed"
    assert not codes & {"MM6", "EQ6"}, "outside the pool"


def test_the_lowest_class_gets_money_market_funds_of_grade_1_only(market):
    short = make_fund("SB1", category="short_bond", grade=1)
    risky = make_fund("MMX", category="money", asset_class="money_market", grade=2)
    for fund in (short, risky):
        PoolFund.objects.create(pool=Pool.objects.get(), fund=fund)
    codes = set(recommendable_funds(0).values_list("code", flat=True))
    assert codes == {"MM1", "MM2", "MM3", "MM4"}
    assert "SB1" in set(recommendable_funds(1).values_list("code", flat=True))


def test_the_decision_is_stored_with_its_level_grade_and_reasons(people, market):
    give_level(people.anna_investor, 3)
    cleared = clear(investor=people.anna_investor, portfolio_id=7, fund=Fund.objects.get(code="IX1"), side="buy", amount_minor=5_000)
    row = Clearance.objects.get(pk=cleared.pk)
    assert (row.verdict, row.reasons, row.level, row.risk_grade) == ("recommend", ["within_level"], 3, 3)
    assert (row.portfolio_id, row.amount_minor, row.units_centi) == (7, 5_000, None)


def test_a_purchase_above_the_level_needs_a_warning_and_one_of_the_lowest_class_is_forbidden(people, market):
    risky = Fund.objects.get(code="EQ1")
    give_level(people.anna_investor, 3)
    assert clear(investor=people.anna_investor, portfolio_id=1, fund=risky, side="buy", amount_minor=1).verdict == "warn"
    give_level(people.anna_investor, 0)
    assert clear(investor=people.anna_investor, portfolio_id=1, fund=risky, side="buy", amount_minor=1).verdict == "forbid"


def test_an_expired_level_forbids_buying_and_never_selling(people, market):
    investor, fund = people.anna_investor, Fund.objects.get(code="MM1")
    give_level(investor, 5, days=-1)
    assert clear(investor=investor, portfolio_id=1, fund=fund, side="buy", amount_minor=1).reasons == ["level_expired"]
    assert clear(investor=investor, portfolio_id=1, fund=fund, side="sell", units_centi=1).verdict == "recommend"


def test_a_level_is_valid_on_its_last_day(people, market):
    investor = people.anna_investor
    give_level(investor, 3, days=0)
    assert decide_for(investor, Fund.objects.get(code="MM1")).verdict == "recommend"
    investor.level_valid_until = timezone.localdate() - timedelta(days=1)
    assert decide_for(investor, Fund.objects.get(code="MM1")).verdict == "forbid"


def test_without_a_level_nothing_is_bought_and_everything_sold(people, market):
    fund = Fund.objects.get(code="MM1")
    assert decide_for(people.anna_investor, fund).reasons == ("no_level",)
    assert decide_for(people.anna_investor, fund, "sell").verdict == "recommend"


def test_a_closed_fund_is_sold_but_not_bought(people, market):
    give_level(people.anna_investor, 3)
    closed = Fund.objects.get(code="MM5")
    assert decide_for(people.anna_investor, closed).reasons == ("fund_closed",)
    assert decide_for(people.anna_investor, closed, "sell").verdict == "recommend"


def test_decisions_are_seen_by_their_investor_and_advisor_only(people, market):
    give_level(people.anna_investor, 3)
    clear(investor=people.anna_investor, portfolio_id=1, fund=Fund.objects.get(code="MM1"), side="buy", amount_minor=1)
    seen = {name: Clearance.objects.visible_to(getattr(people, name)).count() for name in ("anna", "ben", "ada", "bob", "mark", "adam")}
    assert seen == {"anna": 1, "ben": 0, "ada": 1, "bob": 0, "mark": 0, "adam": 0}


def test_a_fund_that_was_wound_up_is_not_recommended_though_nobody_closed_it(market, people):
    give_level(people.anna_investor, 3)
    fund = recommendable_funds(3).first()
    fund.ended_on = timezone.localdate()
    fund.save()
    assert fund not in recommendable_funds(3)
    assert "fund_closed" in decide_for(people.anna_investor, fund).reasons
