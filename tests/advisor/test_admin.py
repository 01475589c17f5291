"""The stock admin site: reference data, to read, for administrators; no client in it anywhere."""

import pytest
from django.contrib import admin
from django.urls import reverse

from advisor.models import Cover
from identity.models import User
from marketing.models import RecommenderRun
from marketing.services.api_keys import make_api_key
from portfolios.models import Fund, ImportIssue, ImportRun, Pool, PoolFund
from tests.advisor.site_world import give_level, make_goal

REGISTERED = {
    "identity.User", "portfolios.Fund", "portfolios.Pool", "portfolios.ImportRun", "advisor.Branch", "advisor.Cover",
    "marketing.RecommenderRun", "marketing.ApiKey",
}  # fmt: skip


@pytest.fixture
def client(client):
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


@pytest.fixture
def filled(people):
    """A row of everything registered, and a client with money who must not be seen."""
    give_level(people.anna_investor)
    make_goal(people.anna_investor, name="A house by the sea")
    fund = Fund.objects.create(code="MM1", name_en="Calm cash", category="money", asset_class="money_market", risk_grade=1, source="test")
    PoolFund.objects.create(pool=Pool.objects.create(name="Pool of 2026", is_current=True), fund=fund)
    run = ImportRun.objects.create(source="csv", file_name="nav.csv", sha256="0" * 64)
    ImportIssue.objects.create(run=run, line=7, code="bad_nav")
    RecommenderRun.objects.create()
    make_api_key(name="Warehouse", scopes=["events:write"])
    return people


def rows():
    """(list page, first row's page) of every registered model."""
    for model, site in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist"), reverse(f"{name}_change", args=[model._default_manager.filter(**only(model)).first().pk]), site


def only(model):
    return {"is_staff": True} if model is User else {}


def test_only_reference_data_is_registered():
    assert {model._meta.label for model in admin.site._registry} == REGISTERED


def test_every_page_opens_and_names_no_client(client, filled):
    client.force_login(filled.adam)
    pages = [reverse("admin:index")]
    for listed, row, _ in rows():
        pages += [listed, row, f"{listed}?q=anna"]
    for page in pages:
        answer = client.get(page, follow=True)
        assert answer.status_code == 200, page
        text = answer.content.decode()
        for person in ("Anna<", ">Anna", "Ben<", ">Ben", "anna@example.com", "ben@example.com", "A house by the sea"):
            assert person not in text, (page, person)
        assert "<style>" not in text
        assert " style=" not in text
        assert "<script>" not in text


def test_a_clients_row_is_not_opened_by_its_id(client, filled):
    client.force_login(filled.adam)
    for person in (filled.anna, filled.ben):
        answer = client.get(reverse("admin:identity_user_change", args=[person.pk]))
        assert answer.status_code == 302
        assert answer.url == reverse("admin:index")
    assert client.get(reverse("admin:identity_user_change", args=[filled.ada.pk])).status_code == 200


@pytest.mark.parametrize("what", ["add/", "1/delete/", "1/history/"])
def test_what_changes_does_not_exist(client, filled, what):
    filled.adam.is_superuser = True
    filled.adam.save()
    client.force_login(filled.adam)
    for listed, _, _ in rows():
        assert client.get(listed + what, follow=True).status_code == 404, listed
        assert client.post(listed + what).status_code in (403, 404), listed


def test_nobody_posts_a_change_not_even_a_superuser(client, filled):
    filled.adam.is_superuser = True
    filled.adam.save()
    client.force_login(filled.adam)
    for _, row, _ in rows():
        assert client.post(row, {"name": "changed", "_save": "1"}).status_code == 403, row
    before = User.objects.count()
    for listed, row, _ in rows():
        client.post(listed, {"action": "delete_selected", "_selected_action": [row.split("/")[-3]], "post": "yes"})
    assert (User.objects.count(), Cover.objects.count(), Pool.objects.count(), Fund.objects.get().code) == (before, 1, 1, "MM1")


@pytest.mark.parametrize("who", ["anna", "ada", "sue", "mark"])
def test_the_site_is_for_administrators(client, filled, who):
    client.force_login(getattr(filled, who))
    for page in ("admin:index", "admin:login"):
        answer = client.get(reverse(page), follow=True)
        assert answer.status_code == 403, page
    assert client.get(reverse("admin:portfolios_fund_changelist"), follow=True).status_code == 403


def test_a_stranger_signs_in_where_everybody_does(client, filled):
    answer = client.get(reverse("admin:portfolios_fund_changelist"), follow=True)
    assert answer.redirect_chain[-1][0].startswith(reverse("account_login"))
    assert "next=" in answer.redirect_chain[-1][0]


@pytest.mark.parametrize("who", ["mark", "anna", None])
def test_the_admins_own_login_form_takes_no_password(client, filled, who):
    if who:
        client.force_login(getattr(filled, who))
    answer = client.post(reverse("admin:login"), {"username": "adam@example.com", "password": "correct horse"})
    assert answer.status_code == (403 if who else 302)
    assert client.session.get("_auth_user_id") != str(filled.adam.pk)


@pytest.mark.parametrize("query", ["password__startswith=md5", "password=x", "email=%00"])
def test_nobody_searches_by_password_or_by_what_cannot_be_searched(client, filled, query):
    client.force_login(filled.adam)
    assert client.get(f"{reverse('admin:identity_user_changelist')}?{query}").status_code == 400
