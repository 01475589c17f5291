"""The nightly review as its pages show it: to advisors their own clients, by reason, and on the client's page."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from advisor import services
from advisor.models import Readvice, ReadviceRun
from advisor.selectors.readvice import reviews_of
from advisor.services.readvice import readvise_next_block
from tests.advisor.review_world import client_with, many_clients, review_everyone
from tests.advisor.site_world import make_market, make_proposal


@pytest.fixture
def market(people):
    make_market()


@pytest.fixture
def reviewed(people, market):
    anna = client_with(people.anna_investor, 3, stated_loss=0.05, IX1=5_000_000, IX2=5_000_000)
    ben = client_with(people.ben_investor, 3, cash_minor=5_000_000, MM1=5_000_000)
    run = review_everyone()
    return run, anna, ben


def test_advisors_see_their_own_clients_and_nobody_elses(people, reviewed, client):
    seen = {}
    for who in ("ada", "bob", "cora", "sue"):
        client.force_login(getattr(people, who))
        page = client.get(reverse("advisors:review")).content.decode()
        seen[who] = {name for name in ("Anna", "Ben") if f">{name}</a>" in page}
    assert seen == {"ada": {"Anna"}, "bob": {"Ben"}, "cora": {"Anna"}, "sue": {"Anna"}}
    mine = {who: set(Readvice.objects.visible_to(getattr(people, who)).values_list("goal", flat=True)) for who in ("anna", "mark", "adam")}
    assert mine == {"anna": {reviewed[1].pk}, "mark": set(), "adam": set()}


def test_the_page_filters_by_reason_and_ignores_nonsense(people, reviewed, client):
    client.force_login(people.ada)
    address = reverse("advisors:review")
    assert ">Anna</a>" in client.get(address, {"reason": "too_risky"}).content.decode()
    assert ">Anna</a>" not in client.get(address, {"reason": "adjust"}).content.decode()
    assert client.get(address, {"reason": "'", "page": "-3"}).status_code == 200


def test_the_page_asks_as_many_queries_for_many_clients_as_for_few(people, reviewed, client):
    client.force_login(people.ada)
    counts = []
    for n in (0, 60):
        if n:
            many_clients(people.anna_investor.household, n)
            review_everyone()
        with CaptureQueriesContext(connection) as seen:
            page = client.get(reverse("advisors:review")).content.decode()
        counts.append(len(seen))
    assert page.count('class="row-link"') == 25
    assert counts[0] == counts[1]


def test_progress_polls_until_the_run_is_finished(people, market, client):
    client_with(people.anna_investor, 3, MM1=1_000_000)
    run = services.request_readvice(ring=False)
    client.force_login(people.ada)
    assert "review-progress" in client.get(reverse("advisors:review")).content.decode()
    address = reverse("advisors:review_progress", args=[run.pk])
    assert b"0 of 1 goals" in client.get(address).content
    while readvise_next_block(run.pk):
        pass
    ended = client.get(address)
    assert (ended.status_code, ended.headers["HX-Refresh"]) == (286, "true")
    assert "review-progress" not in client.get(reverse("advisors:review")).content.decode()


def test_the_clients_page_says_what_last_night_found(people, reviewed, client):
    client.force_login(people.ada)
    page = client.get(reverse("advisors:client", args=[people.anna_investor.pk])).content.decode()
    assert "Nightly review of" in page and "bad year above the limit" in page
    assert "asks you to look at:" in page and "Nothing to do for this client" not in page
    Readvice.objects.filter(goal=reviewed[1]).update(action="keep", is_breach=False)
    page = client.get(reverse("advisors:client", args=[people.anna_investor.pk])).content.decode()
    assert "asks you to look at:" not in page and "Nothing to do for this client" in page


def test_the_clients_page_says_when_the_goal_no_longer_stands_at_the_level_of_its_proposal(people, reviewed, client):
    make_proposal(reviewed[1], level=4)
    client.force_login(people.ada)
    page = client.get(reverse("advisors:client", args=[people.anna_investor.pk])).content.decode()
    assert "was made at C4; the goal now stands at C3" in page


def test_filters_survive_turning_the_page(people, reviewed, client):
    many_clients(people.anna_investor.household, 30)
    review_everyone()
    client.force_login(people.ada)
    reason = next(code for code in ("adjust", "no_level", "too_risky", "breach") if reviews_of(people.ada).filter(action=code).count() > 25)
    page = client.get(reverse("advisors:review"), {"reason": reason}).content.decode()
    assert f"reason={reason}&amp;page=2" in page


def test_before_the_first_review_the_page_says_so(people, client):
    client.force_login(people.ada)
    assert "There has been no review yet" in client.get(reverse("advisors:review")).content.decode()


def test_who_has_no_level_in_force_is_not_counted_among_those_who_may_stay(people, reviewed, client):
    Readvice.objects.filter(goal=reviewed[1]).update(action="no_level", is_breach=False)
    client.force_login(people.ada)
    page = client.get(reverse("advisors:review")).content.decode()
    assert "1 goal of your clients was reviewed, and it needs you." in page
    assert "No level in force" in page and ">Anna</a>" in page


def test_runs_that_nobody_works_on_do_not_hide_the_review_that_is_shown(people, reviewed, client):
    for _ in range(4):
        services.request_readvice(force=True, ring=False)
    client.force_login(people.ada)
    assert ">Anna</a>" in client.get(reverse("advisors:review")).content.decode()


def test_the_clients_page_says_why_no_portfolio_suits_and_no_negative_loss(people, reviewed, client):
    client.force_login(people.ada)
    address = reverse("advisors:client", args=[people.anna_investor.pk])
    error = {"code": "cvar_budget", "params": {"limit": "0.01", "reached": "0.034"}}
    Readvice.objects.filter(goal=reviewed[1]).update(action="impossible", error=error, cvar_now=None)
    assert "the calmest portfolio that is allowed loses 3.40%" in client.get(address).content.decode()
    Readvice.objects.filter(goal=reviewed[1]).update(action="keep", error=None, cvar_now=-0.01)
    page = client.get(address).content.decode()
    assert "a bad year would cost nothing" in page and "would cost −" not in page


def test_somebody_who_has_left_sees_no_run(people, reviewed):
    people.sue.is_active = False
    assert not ReadviceRun.objects.visible_to(people.sue).exists()
    assert ReadviceRun.objects.visible_to(people.ada).exists()
