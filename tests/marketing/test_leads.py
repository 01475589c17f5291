"""The leads that advisors get from a night: the most pressing first, only what fits at that moment, closed when it is over."""

from datetime import timedelta

import pytest
from django.utils import timezone

from advisor.models import Consent, Goal, Household, Task
from identity.models import User
from marketing.models import NextActionRun, NotInterested, Profile
from marketing.selectors.next_actions import next_action_of
from marketing.services import next_actions as services
from marketing.services.next_actions import LEADS_A_DAY, close_leads, open_leads, refresh_next_actions
from portfolios.models import Fund, Holding, ModelSet, Portfolio
from tests.advisor.site_world import make_goal
from tests.marketing.crowd import agreed
from tests.marketing.next_action_world import IDLE, advised, drawn, persons, suggest

pytestmark = pytest.mark.django_db


def test_an_advisor_gets_the_most_pressing_first_a_few_a_day_and_none_twice(people, funds):
    of_ada, of_bob = advised(people, people.ada, LEADS_A_DAY + 3, funds), advised(people, people.bob, 2, funds)
    Profile.objects.filter(pk=of_ada[-1].pk).update(idle_cash_minor=9_000_000)
    refresh_next_actions()
    leads = Task.objects.filter(kind="next_action")
    assert leads.filter(investor__in=of_ada).count() == LEADS_A_DAY
    assert leads.filter(investor__in=of_bob).count() == 2
    assert leads.filter(investor=of_ada[-1], params={"items": ["place"]}).exists()
    assert NextActionRun.objects.get().n_leads == LEADS_A_DAY + 2
    refresh_next_actions()
    assert leads.count() == LEADS_A_DAY + 2
    leads.update(state="done", opened_at=timezone.now() - timedelta(days=1))
    assert open_leads(on=timezone.localdate()) == 3, "the rest come on the next day, and those done do not come again"


SINCE = {
    "the goal's date came near": lambda one, fund: Goal.objects.update(target_date=timezone.localdate() + timedelta(days=100)),
    "the account was shut": lambda one, fund: User.objects.filter(pk=one.user_id).update(is_active=False),
    "another share class was turned down": lambda one, fund: NotInterested.objects.create(
        investor=one, fund=Fund.objects.create(code="N00003C", category="mixed", asset_class="mixed", risk_grade=3, family_code="N3")
    ),
    "there are no approved models": lambda one, fund: ModelSet.objects.update(is_current=False),
    "all their money stands there": lambda one, fund: Holding.objects.create(
        portfolio=Goal.objects.get().portfolio, fund=fund, units_centi=1, cost_minor=10_000_000
    ),
}


@pytest.mark.parametrize("what", SINCE)
def test_a_fund_that_does_not_pass_every_filter_now_is_no_lead_and_not_shown(people, funds, what):
    """The level of the person is as it was: the goal, what is held and what was turned down count as well."""
    Fund.objects.filter(pk=funds[2].pk).update(family_code="N3")
    one, = persons(level=3, **IDLE | {"has_advisor": True})  # fmt: skip
    Household.objects.filter(pk=one.household_id).update(primary_advisor=people.ada)
    make_goal(one, portfolio=Portfolio.objects.create(cash_minor=6_000_000))
    suggest([one], funds[2])
    refresh_next_actions()
    assert next_action_of(one).fund == funds[2] and Task.objects.filter(kind="next_action", investor=one).count() == 1
    Task.objects.all().delete()
    SINCE[what](one, funds[2])
    assert next_action_of(one) is None
    assert open_leads(on=timezone.localdate()) == 0


def with_goals(people, advisor, n: int, funds):
    """Clients who are proposed the third fund, which suits their level and a goal far away; leads of the night are taken back."""
    found = advised(people, advisor, n, funds[2:])
    for one in found:
        make_goal(one, portfolio=Portfolio.objects.create(cash_minor=6_000_000))
    refresh_next_actions()
    Task.objects.filter(kind="next_action").delete()
    return found


def comes_near(found) -> None:
    """Their goal's date: the fund, above what a goal so near allows, passes the doors of one statement and not every filter."""
    near = timezone.localdate() + timedelta(days=100)
    Goal.objects.filter(account__investor__in=found).update(target_date=near)
    assert {one.pk for one in found} <= drawn() and next_action_of(found[0]) is None


@pytest.mark.parametrize("n_unfit", [4, 6, 23])
def test_whose_fund_does_not_fit_gives_the_place_to_the_next_in_order(people, funds, django_assert_max_num_queries, n_unfit):
    of_ada, of_bob = with_goals(people, people.ada, n_unfit + LEADS_A_DAY + 2, funds), with_goals(people, people.bob, 1, funds)
    comes_near(of_ada[:n_unfit])
    with django_assert_max_num_queries(35):
        assert open_leads(on=timezone.localdate()) == LEADS_A_DAY + 1
    told = set(Task.objects.filter(kind="next_action").values_list("investor_id", flat=True))
    assert told == {one.pk for one in [*of_ada[n_unfit : n_unfit + LEADS_A_DAY], *of_bob]}
    assert open_leads(on=timezone.localdate()) == 0, "five a day, whoever was passed over"


def test_no_more_than_the_first_of_an_advisor_are_gone_through(people, funds, monkeypatch):
    monkeypatch.setattr(services, "CONSIDERED", 4)
    monkeypatch.setattr(services, "AT_ONCE", 3)
    found = with_goals(people, people.ada, 6, funds)
    comes_near(found[:3])
    assert open_leads(on=timezone.localdate()) == 1
    assert Task.objects.get(kind="next_action").investor_id == found[3].pk


def test_a_lead_whose_fund_does_not_pass_every_filter_any_more_is_closed(people, funds, monkeypatch, django_assert_max_num_queries):
    found = with_goals(people, people.ada, 5, funds)
    assert open_leads(on=timezone.localdate()) == 5
    comes_near(found[1:4])
    monkeypatch.setattr(services, "BLOCK", 2)
    with django_assert_max_num_queries(30):
        assert close_leads() == 3
    leads = Task.objects.filter(kind="next_action")
    assert set(leads.filter(state=Task.State.OPEN).values_list("investor_id", flat=True)) == {found[0].pk, found[4].pk}
    assert not leads.filter(state=Task.State.DONE, done_at=None).exists() and not leads.exclude(done_by=None).exists()
    assert (close_leads(), open_leads(on=timezone.localdate())) == (0, 0)


def test_a_lead_is_closed_in_the_night_after_there_is_nothing_to_talk_over_any_more(people, funds):
    gone, stays = advised(people, people.ada, 2, funds)
    refresh_next_actions()
    agreed([gone], False, days_ago=0, purpose=Consent.Purpose.PROFILING)
    refresh_next_actions()
    leads = Task.objects.filter(kind="next_action")
    assert {task.investor_id: task.state for task in leads} == {gone.pk: Task.State.DONE, stays.pk: Task.State.OPEN}
    assert leads.get(investor=gone).done_by is None, "no advisor did it"


def test_who_has_no_advisor_or_may_not_be_spoken_to_is_no_lead(people, funds):
    advised(people, None, 1, funds)
    off, = advised(people, people.ada, 1, funds)  # fmt: skip
    refresh_next_actions()
    Task.objects.all().delete()
    agreed([off], False, days_ago=0)
    assert open_leads(on=timezone.localdate()) == 0
