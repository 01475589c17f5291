"""The pages of model portfolios: what they show, who may decide, and that they ask few queries."""

import plotly.graph_objects as go
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portfolios.charts import weights_with_range
from portfolios.models import ModelSet, ModelWeight
from portfolios.selectors.model_pages import set_page
from tests.portfolios.pages.models_world import make_set


def page(client, who, name, *args, **query) -> str:
    client.force_login(who)
    response = client.get(reverse(name, args=args), query, headers={"accept-language": "en"})
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_says_which_set_is_in_use_and_offers_a_new_one_to_those_who_may(people, client):
    made = make_set()
    seen = {who: page(client, getattr(people, who), "market_model_list") for who in ("ada", "sue", "adam")}
    assert all("in use" in text and f"no. {made.pk}" in text for text in seen.values())
    assert ["Make a new set" in seen[who] for who in ("ada", "sue", "adam")] == [False, True, True]


def test_without_a_set_the_list_says_what_that_means(people, client):
    assert "nothing can be recommended" in page(client, people.sue, "market_model_list")


def test_a_set_shows_each_level_with_its_figures_or_why_it_has_none(people, client):
    made = make_set()
    text = page(client, people.ada, "market_model_set", made.pk, bin="0", level="3")
    assert "C3 holds 3 funds; half of the draws or more hold 3 of them too" in text
    assert "the calmest portfolio that is allowed loses 31.00" in text
    assert text.count("such goals: C2 at most") == 3, "C3, C4 and C5 are beyond goals of less than a year"
    assert "such goals" not in page(client, people.ada, "market_model_set", made.pk, bin="3")


@pytest.mark.parametrize("query", [{"bin": "9", "level": "77"}, {"bin": "-1", "level": "'"}, {"bin": "²", "level": "²"}])
def test_an_address_that_names_no_level_or_bin_shows_the_usual_ones(people, client, query):
    assert "C3 holds 3 funds" in page(client, people.ada, "market_model_set", make_set().pk, **query)


def test_a_set_that_is_being_made_shows_its_progress_and_one_that_failed_its_reason(people, client):
    made = make_set(waits=True, n_total=6)
    ModelSet.objects.update(status="running", n_done=2, state="draft")
    assert "2 of 6 levels are done" in page(client, people.sue, "market_model_set", made.pk)
    assert "2 of 6 levels are done" in page(client, people.sue, "market_model_progress", made.pk)
    ModelSet.objects.update(status="failed", error={"code": "no_history", "params": {}})
    assert "There is not enough price history." in page(client, people.sue, "market_model_set", made.pk)
    assert client.get(reverse("market_model_progress", args=[made.pk])).status_code == 286


def test_a_supervisor_approves_on_the_page_and_sees_it_in_use(people, client):
    before, made = make_set(), make_set(waits=True)
    assert "Approve this set" in page(client, people.sue, "market_model_set", made.pk)
    assert "Approve this set" not in page(client, people.ada, "market_model_set", made.pk)
    client.force_login(people.sue)
    answered = client.post(reverse("market_model_decide", args=[made.pk]), {"approve": "1", "answer": "Fine."}, follow=True)
    assert "The set is in use from now on." in answered.content.decode()
    before.refresh_from_db()
    assert (before.state, ModelSet.objects.get(is_current=True)) == ("retired", made)


def test_whoever_asked_cannot_decide_and_a_return_needs_a_reason(people, client):
    made = make_set(waits=True, requested_by=people.sue)
    assert "another supervisor must approve it" in page(client, people.sue, "market_model_set", made.pk)
    said = client.post(reverse("market_model_decide", args=[made.pk]), {"approve": "1"}, follow=True).content.decode()
    assert "somebody else must approve" in said
    ModelSet.objects.update(requested_by=people.adam)
    said = client.post(reverse("market_model_decide", args=[made.pk]), {"return": "1"}, follow=True).content.decode()
    assert "why the set is returned" in said
    assert ModelSet.objects.get().state == "waiting"
    client.post(reverse("market_model_decide", args=[made.pk]), {"return": "1", "answer": "Too much in one house."})
    assert ModelSet.objects.get().state == "returned"


def test_a_new_set_without_a_pool_is_refused_in_words(people, client):
    client.force_login(people.sue)
    said = client.post(reverse("market_model_new"), follow=True, headers={"accept-language": "en"}).content.decode()
    assert "There is no fund pool yet." in said
    assert not ModelSet.objects.exists()


def test_two_sets_stand_beside_each_other_with_what_would_move(people, client):
    before, after = make_set(), make_set(waits=True)
    ModelWeight.objects.filter(portfolio__model_set=after, portfolio__level=3, fund__code="000003").update(weight=0.0)
    text = page(client, people.sue, "market_model_compare", after.pk, level="3")
    assert f"From set no. {before.pk} to no. {after.pk}" in text
    assert "16.7" in text, "a third of the money, halved"
    client.force_login(people.sue)
    assert client.get(reverse("market_model_compare", args=[after.pk]), {"with": "999"}).status_code == 404


def test_no_page_asks_more_than_twelve_queries(people, client):
    before, after = make_set(), make_set(waits=True)
    client.force_login(people.sue)
    for name, pk in (("market_model_list", None), ("market_model_set", after.pk), ("market_model_compare", before.pk)):
        with CaptureQueriesContext(connection) as seen:
            client.get(reverse(name, args=[pk] if pk else []))
        assert len(seen) <= 12, name


def test_the_figure_has_a_bar_a_fund_and_a_line_across_it(people):
    made = make_set()
    rows = set_page(made, place=3, level=3).weights
    figure = weights_with_range(rows)
    go.Figure(figure)
    bars, lines = figure["data"]
    assert bars["x"] == [33.33] * 3
    assert lines["x"][:3] == [10.0, 40.0, None]
    assert len(lines["x"]) == len(lines["y"]) == 9
