"""A suggestion made last night whose fund is graded above the level by now is shown at no door of this app."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from advisor.models import Consent
from marketing.models import RecommenderRun, Suggestion
from marketing.selectors import suggestions_to_show
from portfolios.models import Fund, Pool, PoolFund
from tests.marketing.suiting_world import approve_plain_models, hold
from tests.portfolios.market import make_fund


@pytest.fixture
def investor(people):
    anna = people.anna_investor
    anna.level, anna.level_valid_until = 3, timezone.localdate() + timedelta(days=90)
    anna.save()
    Consent.objects.create(investor=anna, purpose=Consent.Purpose.PROFILING, is_given=True, source="test")
    fund = make_fund("900001", category="mixed", grade=3)
    PoolFund.objects.create(pool=Pool.objects.create(name="pool", is_current=True), fund=fund)
    run = RecommenderRun.objects.create(is_serving=True)
    Suggestion.objects.create(run=run, investor=anna, fund=fund, rank=1, score=1.0)
    hold(anna, cash_minor=10_000_000)
    approve_plain_models()
    return anna


def test_a_suggestion_is_gone_at_once_when_its_fund_is_graded_above_the_level(investor, client):
    client.force_login(investor.user)
    slot = reverse("suggestions_slot")
    assert [shown.fund.code for shown in suggestions_to_show(investor)] == ["900001"]
    assert "Fund 900001" in client.get(slot).content.decode()
    Fund.objects.update(risk_grade=4)
    assert suggestions_to_show(investor) == []
    assert "Fund 900001" not in client.get(slot).content.decode()
