"""Errors are the product's own pages, in the reader's language, and say that nothing was changed."""

import pytest
from django.test import Client
from django.urls import reverse


@pytest.fixture
def browser(people):
    browser = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})
    browser.force_login(people.anna)
    return browser


def test_a_form_from_an_old_page_is_told_so(browser):
    response = browser.post(reverse("preferences"), {"switch": "marketing", "is_on": "1"})
    page = response.content.decode()
    assert response.status_code == 403
    assert "This page was out of date" in page and "Nothing was changed" in page and "<style" not in page


def test_more_fields_than_any_page_sends_are_refused_in_words(people, client):
    client.force_login(people.anna)
    client.cookies["django_language"] = "en"
    response = client.post(reverse("preferences"), {f"field{n}": "1" for n in range(2_001)})
    assert response.status_code == 400
    assert "Nothing was changed" in response.content.decode()


def test_an_address_under_another_name_is_refused_in_words(browser):
    response = browser.get("/", headers={"host": "elsewhere.example"})
    assert response.status_code == 400
    assert "This could not be read" in response.content.decode()


@pytest.mark.parametrize("name", ["health", "favicon", "advisors:index"])
def test_who_may_read_a_page_may_ask_for_its_head(people, client, name):
    client.force_login(people.ada)
    assert client.head(reverse(name)).status_code in (200, 302)


@pytest.mark.parametrize("number", ["99999999999999999999", "9" * 5000, "9223372036854775808", "0"])
def test_no_number_in_an_address_is_too_large_to_be_not_found(people, client, number):
    for who, paths in {"anna": ("goals", "proposals"), "ada": ("advisors/clients", "goals", "proposals")}.items():
        client.force_login(getattr(people, who))
        assert {client.get(f"/{path}/{number}/").status_code for path in paths} == {404}


def test_signing_in_in_the_middle_of_a_form_does_not_end_on_an_empty_page(people, client):
    client.cookies["django_language"] = "en"
    there = reverse("proposal_new", args=[1])
    back = client.post(there).url
    page = client.post(back, {"login": "anna@example.com", "password": "correct horse"}, follow=True)
    assert (page.redirect_chain[-1][0], page.status_code) == (there, 405)
    assert "nothing was changed" in page.content.decode() and page.headers["Allow"] == "POST"
