"""关怀版: one tap on every page, larger text, a human first, and the choice survives signing in and out."""

from django.urls import reverse

from advisor.models import Task
from identity.models import User
from tests.conftest import make_user

ENGLISH = {"accept-language": "en"}


def read(client, name):
    return client.get(reverse(name), headers=ENGLISH).content.decode()


def switch(client, on, to="/"):
    return client.post(reverse("set_elder_mode"), {"on": on, "next": to})


def sign_in(client, email):
    return client.post(reverse("account_login"), {"login": email, "password": "correct horse"})


def test_one_tap_on_every_page_and_back_to_it(client, db):
    for name in ("home", "account_login", "account_signup"):
        page = read(client, name)
        assert reverse("set_elder_mode") in page and "data-elder" not in page
    assert switch(client, "1", reverse("account_login")).url == reverse("account_login")
    assert switch(client, "1", "https://elsewhere.example/").url == "/"
    assert " data-elder" in read(client, "account_login") and "Standard view" in read(client, "home")
    assert 'name="language" value="zh-hans"' in read(client, "home")
    switch(client, "perhaps")
    assert " data-elder" in read(client, "home")
    switch(client, "0")
    assert " data-elder" not in read(client, "home")


def test_the_choice_survives_signing_in_signing_out_and_another_device(client, people):
    switch(client, "1")
    sign_in(client, people.anna.email)
    assert User.objects.get(pk=people.anna.pk).elder_mode
    client.logout()
    client.cookies.clear()
    assert " data-elder" not in read(client, "account_login")
    sign_in(client, people.anna.email)
    assert " data-elder" in read(client, "home")
    client.logout()
    switch(client, "1")
    assert " data-elder" in read(client, "account_login")
    sign_in(client, people.anna.email)
    switch(client, "0")
    assert not User.objects.get(pk=people.anna.pk).elder_mode
    assert " data-elder" not in read(client, "home")


def test_a_human_stands_on_the_first_screen_and_nothing_is_promoted(client, people, settings):
    settings.SERVICE_PHONE = "400 123 4567"
    switch(client, "1")
    assert "tel:400 123 4567" in read(client, "home")
    User.objects.filter(pk=people.ada.pk).update(phone="+8613800138000")
    client.force_login(people.anna)
    page = read(client, "home")
    assert "Your advisor: Cora" in page and "tel:400 123 4567" in page, "Cora covers for Ada today"
    people.ada.covers_taken.all().delete()
    page = read(client, "home")
    assert "Your advisor: Ada" in page and "tel:+8613800138000" in page
    assert reverse("suggestions_slot") not in page
    assert client.post(reverse("call_me"), follow=True).status_code == 200
    client.post(reverse("call_me"))
    assert [(task.kind, task.investor) for task in Task.objects.all()] == [("call_me", people.anna_investor)]


def test_whoever_has_no_advisor_yet_reaches_a_person_too(client, roles, settings):
    settings.SERVICE_PHONE = "400 123 4567"
    switch(client, "1")
    client.force_login(make_user("new"))
    page = read(client, "onboarding_consents")
    assert "Talk to a person" in page and "tel:400 123 4567" in page
    assert client.post(reverse("call_me")).url == reverse("onboarding")
