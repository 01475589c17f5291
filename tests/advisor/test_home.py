from datetime import timedelta

import plotly.graph_objects as go
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from advisor import services
from advisor.models import Consent, Goal, Investor, Override, Proposal
from advisor.selectors import goal_page, home_page
from advisor.services import give_consent
from identity.models import User
from portfolios.models import LedgerEntry
from portfolios.services import confirm_orders
from tests.advisor.advice_world import answer_with, ready_proposal, ready_to_ask, solution
from tests.advisor.site_world import give_level, make_goal

ENGLISH = {"accept-language": "en"}


@pytest.fixture
def goal(people):
    return ready_to_ask(people.anna_investor)


@pytest.fixture
def invested(people, goal, monkeypatch):
    services.accept_proposal(proposal=ready_proposal(monkeypatch, goal), actor=people.anna)
    confirm_orders()
    return Goal.objects.select_related("account__investor").get(pk=goal.pk)


def read(client, url):
    response = client.get(url, headers=ENGLISH)
    assert response.status_code == 200, response
    return response.content.decode()


def test_a_stranger_sees_the_landing_page(client, db):
    assert "Invest for what you want the money for" in read(client, reverse("home"))


@pytest.mark.parametrize(
    ("who", "where"),
    [("ada", "advisors:index"), ("sue", "advisors:index"), ("mark", "marketing_home"), ("adam", "admin:index")],
)
def test_staff_are_sent_to_where_they_work(people, client, who, where):
    client.force_login(getattr(people, who))
    assert client.get(reverse("home")).headers["Location"] == reverse(where)


def test_somebody_who_has_just_signed_up_goes_to_onboarding(client, roles):
    client.force_login(User.objects.create_user(email="new@example.com", password="x"))
    assert client.get(reverse("home")).headers["Location"] == reverse("onboarding")


def step(people):
    return home_page(Investor.objects.get(pk=people.anna_investor.pk)).step


def test_the_home_names_the_one_next_step(people, monkeypatch):
    assert step(people) == "no_level"
    goal = ready_to_ask(people.anna_investor)
    assert step(people) == "start"
    answer_with(monkeypatch, lambda: solution())
    proposal = services.request_proposal(goal=goal)
    assert step(people) == "working"
    services.execute_proposal(proposal.pk)
    assert step(people) == "ready"
    services.accept_proposal(proposal=proposal, actor=people.anna)
    assert step(people) == "ordering"
    confirm_orders()
    assert step(people) == "nothing"
    give_level(people.anna_investor, 3, days=-1)
    assert step(people) == "level_expired"


def test_a_level_without_a_goal_asks_for_one_and_a_failed_proposal_says_so(people, monkeypatch):
    give_level(people.anna_investor, 3)
    assert step(people) == "no_goal"
    goal = ready_to_ask(people.anna_investor)
    proposal = services.request_proposal(goal=goal)
    Proposal.objects.filter(pk=proposal.pk).update(status="failed", error={"code": "no_history", "params": {}})
    assert step(people) == "problem"


@pytest.mark.parametrize("state", ["no_level", "start", "working", "ready", "problem", "ordering", "nothing", "level_expired"])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_home_renders_in_every_state(people, client, monkeypatch, state, language):
    client.force_login(people.anna)
    if state != "no_level":
        goal = ready_to_ask(people.anna_investor, target_minor=20_000_000)
        answer_with(monkeypatch, lambda: solution())
    if state not in ("no_level", "start"):
        proposal = services.request_proposal(goal=goal)
    if state in ("ready", "ordering", "nothing", "level_expired"):
        services.execute_proposal(proposal.pk)
    if state == "problem":
        Proposal.objects.update(state="infeasible", status="done", error={"code": "no_pool", "params": {}})
    if state in ("ordering", "nothing", "level_expired"):
        services.accept_proposal(proposal=proposal, actor=people.anna)
    if state in ("nothing", "level_expired"):
        confirm_orders()
    if state == "level_expired":
        give_level(people.anna_investor, 3, days=-1)
    response = client.get(reverse("home"), headers={"accept-language": language})
    assert response.status_code == 200
    assert step(people) == state


def test_what_i_have_and_how_it_went_in_yuan_then_percent(people, client, invested):
    client.force_login(people.anna)
    page = read(client, reverse("home"))
    home = home_page(Investor.objects.get(pk=people.anna_investor.pk))
    assert home.paid_in_minor == 10_000_000
    assert home.gain_minor == home.total_minor - 10_000_000 < 0, "the purchase fees"
    assert f"You have ¥{round(home.total_minor / 100):,} of the ¥100,000 you paid in" in page
    assert "There is nothing to do" in page
    assert page.index("Since the start") < page.index("% of the ¥100,000 paid in")
    go.Figure(home.bars)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_home_stays_within_thirteen_queries_with_many_goals(people, client, invested, monkeypatch, language):
    give_consent(investor=people.anna_investor, purpose=Consent.Purpose.PROFILING, is_given=True, source="test")
    answer_with(monkeypatch, lambda: solution())
    for n in range(5):
        goal = Goal.objects.select_related("account__investor").get(pk=make_goal(people.anna_investor, name=f"Pot {n}").pk)
        proposal = services.request_proposal(goal=goal)
        services.execute_proposal(proposal.pk)
        if n % 2:
            services.accept_proposal(proposal=proposal, actor=people.anna)
    client.force_login(people.anna)
    client.get(reverse("home"))
    with CaptureQueriesContext(connection) as captured:
        client.get(reverse("home"), headers={"accept-language": language})
    assert len(captured) <= 13, "\n".join(query["sql"] for query in captured)
    assert any("marketing_event" in query["sql"] for query in captured), "the page view is among them"


def test_suggestions_are_offered_only_with_a_level_in_force_and_while_they_are_wanted(people, client, goal):
    client.force_login(people.anna)
    slot = f'hx-get="{reverse("suggestions_slot")}"'
    assert slot in read(client, reverse("home"))
    Investor.objects.update(recommendations_off_at=timezone.now())
    assert slot not in read(client, reverse("home"))
    Investor.objects.update(recommendations_off_at=None, level_valid_until=timezone.localdate() - timedelta(days=1))
    assert slot not in read(client, reverse("home"))


def test_a_goal_is_seen_by_its_investor_and_their_advisors_only(people, client, invested):
    seen = []
    for who in ("anna", "ben", "ada", "bob", "cora", "sue", "mark", "adam"):
        client.force_login(getattr(people, who))
        if client.get(reverse("goal", args=[invested.pk])).status_code == 200:
            seen.append(who)
    assert seen == ["anna", "ada", "cora", "sue"]


def test_a_goals_page_shows_holdings_orders_and_proposals(people, client, invested):
    client.force_login(people.anna)
    page = read(client, reverse("goal", args=[invested.pk]))
    for words in ("Holdings", "Fund BO1", "Orders", "Confirmed", "Proposals", "Accepted", "on paper"):
        assert words in page
    shown = goal_page(invested)
    assert {share.code: round(share.target, 2) for share in shown.shares} == {"money_market": 0.4, "bond": 0.5, "equity": 0.1}
    go.Figure(shown.bars)


def test_a_goals_page_stays_within_its_queries(people, client, invested):
    client.force_login(people.anna)
    client.get(reverse("goal", args=[invested.pk]))
    with CaptureQueriesContext(connection) as captured:
        client.get(reverse("goal", args=[invested.pk]))
    assert len(captured) <= 15, "\n".join(query["sql"] for query in captured)


def test_an_override_in_force_is_told_to_the_investor_and_is_the_target(people, client, invested):
    Override.objects.create(
        goal=invested, advisor=people.ada, weights={"MM1": 0.5, "BO1": 0.5}, price={}, reason="She sells her flat.",
        expires_on=timezone.localdate() + timedelta(days=90),
    )  # fmt: skip
    client.force_login(people.anna)
    page = read(client, reverse("goal", args=[invested.pk]))
    assert "Ada has set another allocation" in page
    assert "She sells her flat." in page
    assert {share.code: share.target for share in goal_page(invested).shares} == {"money_market": 0.5, "bond": 0.5, "equity": 0.0}


def test_a_new_proposal_is_offered_only_with_a_level_in_force(people, client, goal):
    client.force_login(people.anna)
    ask = reverse("proposal_new", args=[goal.pk])
    assert ask in read(client, reverse("goal", args=[goal.pk]))
    give_level(people.anna_investor, 3, days=-1)
    assert ask not in read(client, reverse("goal", args=[goal.pk]))


def test_a_target_is_told_at_zero_growth(people, client, goal):
    goal.target_minor = 25_000_000
    goal.save()
    client.force_login(people.anna)
    assert "¥250,000 is missing if nothing grows" in read(client, reverse("home"))
    assert not LedgerEntry.objects.exists()
