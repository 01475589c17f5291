"""The book: who is in it, why each client needs somebody, and what it costs the database."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from advisor.models import Household, Investor, Override, StaffMember
from advisor.selectors.book import REASONS, BookQuery, book
from advisor.services import open_task
from identity.roles import Role
from identity.services import give_role
from portfolios.models import Holding, Portfolio
from tests.advisor.site_world import give_level, make_goal, make_market
from tests.conftest import make_user


@pytest.fixture
def client(client):
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


@pytest.fixture
def calm(people):
    """Anna needs nobody: a valid level, seen today, no cash."""
    give_level(people.anna_investor)
    people.anna_investor.last_seen_at = timezone.now()
    people.anna_investor.save()
    return people


def add_clients(people, n, first=0):
    household = people.anna_investor.household
    for number in range(first, first + n):
        user = make_user(f"client{number:03d}", Role.INVESTOR)
        investor = Investor.objects.create(user=user, household=household, pseudonym=f"C-{number}")
        goal = make_goal(investor, portfolio=Portfolio.objects.create(cash_minor=number * 50_000))
        give_level(investor, days=number - 5)
        open_task(investor_id=investor.pk, kind="call_me")
        assert goal.portfolio_id


def names(shown):
    return [row.name for row in shown.rows]


def reasons_of(user, name="Anna"):
    [row] = [row for row in book(user, BookQuery()).rows if row.name == name]
    codes = {str(label): code for code, label in REASONS.items()}
    return [codes[str(label)] for label in row.reasons]


@pytest.mark.parametrize(
    ("who", "seen"), [("ada", ["Anna"]), ("bob", ["Ben"]), ("cora", ["Anna"]), ("sue", ["Anna"]), ("mark", []), ("adam", [])]
)
def test_everybody_sees_their_own_clients(people, who, seen):
    assert names(book(getattr(people, who), BookQuery())) == seen


def test_an_advisor_who_invests_is_no_client_of_their_own(people):
    Investor.objects.create(user=people.ada, household=people.anna_investor.household, pseudonym="P-ada")
    assert names(book(people.ada, BookQuery())) == ["Anna"]


def test_a_supervisor_who_also_advises_sees_each_client_once(people):
    give_role(user=people.sue, role=Role.ADVISOR)
    StaffMember.objects.create(user=make_user("dora", Role.ADVISOR), branch=people.sue.staff_member.branch)
    household = people.anna_investor.household
    household.secondary_advisor = people.sue
    household.save()
    assert names(book(people.sue, BookQuery())) == ["Anna"]


def test_a_calm_client_needs_nobody(calm):
    assert reasons_of(calm.ada) == []
    assert book(calm.ada, BookQuery()).n_in_need == 0


@pytest.mark.parametrize(("days", "said"), [(-1, ["level_expired"]), (0, ["level_expiring"]), (30, ["level_expiring"]), (31, [])])
def test_a_level_that_ends(calm, days, said):
    give_level(calm.anna_investor, days=days)
    assert reasons_of(calm.ada) == said


def test_without_a_level(calm):
    Investor.objects.update(level=None, level_valid_until=None)
    assert reasons_of(calm.ada) == ["no_level"]


@pytest.mark.parametrize(("days", "said"), [(61, ["not_seen"]), (59, [])])
def test_no_visit(calm, days, said):
    Investor.objects.update(last_seen_at=timezone.now() - timedelta(days=days))
    assert reasons_of(calm.ada) == said


def test_never_seen_counts_from_the_day_of_joining(calm):
    Investor.objects.update(last_seen_at=None, joined_at=timezone.now() - timedelta(days=90))
    assert reasons_of(calm.ada) == ["not_seen"]


def test_idle_cash_is_counted_over_all_goals(calm):
    for cash in (60_000, 40_000):
        make_goal(calm.anna_investor, portfolio=Portfolio.objects.create(cash_minor=cash))
    assert reasons_of(calm.ada) == ["idle_cash"]
    assert book(calm.ada, BookQuery()).rows[0].cash_minor == 100_000


def test_tasks_and_ending_overrides(calm):
    open_task(investor_id=calm.anna_investor.pk, kind="call_me")
    goal = make_goal(calm.anna_investor)
    ends = timezone.localdate() + timedelta(days=14)
    Override.objects.create(goal=goal, advisor=calm.ada, weights={}, price={}, reason="x", expires_on=ends)
    assert reasons_of(calm.ada) == ["task", "override_expiring"]
    Override.objects.update(expires_on=ends + timedelta(days=1))
    assert reasons_of(calm.ada) == ["task"]
    Override.objects.update(expires_on=ends, state="withdrawn")
    assert reasons_of(calm.ada) == ["task"]


def test_the_most_pressing_comes_first(calm):
    household = calm.anna_investor.household
    for name, days in [("later", 20), ("gone", -3), ("fine", 300)]:
        investor = Investor.objects.create(user=make_user(name), household=household, pseudonym=name, last_seen_at=timezone.now())
        give_level(investor, days=days)
    assert names(book(calm.ada, BookQuery())) == ["Gone", "Later", "Anna", "Fine"]
    shown = book(calm.ada, BookQuery(reason="level_expiring"))
    assert (names(shown), shown.n_clients, shown.n_in_need) == (["Later"], 4, 2)


def test_every_order_answers(calm):
    make_market()
    add_clients(calm, 3)
    from portfolios.models import Fund

    goal = Investor.objects.get(pseudonym="C-1").accounts.get().goals.get()
    Holding.objects.create(portfolio=goal.portfolio, fund=Fund.objects.get(code="MM1"), units_centi=10_000_000_000, cost_minor=1)
    assert names(book(calm.ada, BookQuery(sort="value")))[0] == "Client001"
    assert names(book(calm.ada, BookQuery(sort="name")))[0] == "Anna"
    assert names(book(calm.ada, BookQuery(sort="expiry")))[0] == "Client000"
    assert len(names(book(calm.ada, BookQuery(sort="seen")))) == 4


@pytest.mark.parametrize("text", ["ann", "ANNA", "anna@example", "138 0013", "+8613800138000"])
def test_a_client_is_found_by_name_e_mail_or_telephone(people, text):
    people.anna.phone = "+8613800138000"
    people.anna.save()
    assert names(book(people.ada, BookQuery(text=text))) == ["Anna"]


@pytest.mark.parametrize("text", ["ben", "ben@example.com", "99999", "%", "_"])
def test_a_search_finds_nobody_elses_clients(people, text):
    assert names(book(people.ada, BookQuery(text=text))) == []


@pytest.mark.parametrize("extra", ["", "?sort=value", "?reason=task&sort=seen", "?q=client"])
def test_queries_do_not_grow_with_the_book(client, people, extra):
    client.force_login(people.ada)
    counted = []
    for n, first in ((5, 0), (55, 5)):
        add_clients(people, n, first)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(reverse("advisors:index") + extra).status_code == 200
        counted.append(len(queries))
    assert counted[0] == counted[1] <= 12


def test_a_long_book_is_paged_and_back_finds_the_row(client, people):
    add_clients(people, 40)
    client.force_login(people.ada)
    page = client.get(reverse("advisors:index"), {"q": "client", "sort": "name", "page": "2"}).content.decode()
    assert "Page 2 of 2" in page
    assert page.count("<tr id=") == 15
    investor = Investor.objects.get(pseudonym="C-30")
    there = f"{reverse('advisors:client', args=[investor.pk])}?q=client&sort=name&page=2"
    assert there.replace("&", "&amp;") in page
    back = f"{reverse('advisors:index')}?q=client&sort=name&page=2#client-{investor.pk}"
    assert back.replace("&", "&amp;") in client.get(there).content.decode()


@pytest.mark.parametrize(
    "query", ["?page=99999", "?page=-1", "?page=x", "?page=²", "?reason=nope", "?sort=nope", "?q=%00", "?q=" + "x" * 900]
)
def test_what_is_not_understood_counts_as_not_said(client, people, query):
    client.force_login(people.ada)
    assert client.get(reverse("advisors:index") + query).status_code == 200


def test_an_empty_book_says_why(client, people):
    Household.objects.update(primary_advisor=None)
    client.force_login(people.bob)
    assert "Nobody is entrusted to you yet" in client.get(reverse("advisors:index")).content.decode()
    assert "None of your clients matches" in client.get(reverse("advisors:index") + "?q=zzz").content.decode()


@pytest.mark.parametrize(("who", "status"), [("anna", 403), ("mark", 403), ("adam", 403), ("ada", 200), ("sue", 200)])
def test_who_opens_the_book(client, people, who, status):
    client.force_login(getattr(people, who))
    assert client.get(reverse("advisors:index")).status_code == status


def test_a_stranger_is_sent_to_the_products_own_sign_in(client, people):
    answer = client.get(reverse("advisors:index"))
    assert (answer.status_code, answer.url) == (302, f"{reverse('account_login')}?next=/advisors/")


def test_the_stock_pages_of_the_site_do_not_exist(client, people):
    client.force_login(people.ada)
    for name in ("login", "logout", "password_change", "jsi18n", "autocomplete", "app_list", "view_on_site"):
        with pytest.raises(NoReverseMatch):
            reverse(f"advisors:{name}")
    for path in (
        "login/",
        "logout/",
        "password_change/",
        "jsi18n/",
        "autocomplete/",
        "r/1/1/",
        "advisor/",
        "advisor/investor/",
        "auth/user/1/change/",
    ):
        assert client.get(f"/advisors/{path}").status_code == 404, path


def test_no_model_is_registered():
    from advisor.site import advisor_site

    assert advisor_site._registry == {}


def test_pages_hold_no_inline_script_or_style(client, people):
    add_clients(people, 2)
    client.force_login(people.ada)
    page = client.get(reverse("advisors:index")).content.decode()
    assert " style=" not in page
    assert "<script>" not in page
    assert "onclick" not in page
