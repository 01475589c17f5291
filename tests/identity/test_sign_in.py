"""Sign-up and sign-in as a browser does it, through allauth's own pages."""

import json
import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from identity.models import User

PHONE, STORED = "138 0013 8000", "+8613800138000"
PASSWORD = "correct horse"
SIGNUP, LOGIN = reverse("account_signup"), reverse("account_login")
PHONE_CODE, EMAIL_CODE = reverse("account_verify_phone"), reverse("account_email_verification_sent")
LOGIN_CODE = reverse("account_confirm_login_code")


@pytest.fixture(autouse=True)
def _empty_outbox(db):
    for path in settings.SMS_FILE_PATH.glob("*.json"):
        path.unlink()


@pytest.fixture(autouse=True)
def _english(client):
    client.cookies["django_language"] = "en"


def sms_to(number):
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(settings.SMS_FILE_PATH.glob("*.json"))]
    return [message["text"] for message in read if message["to"] == number]


def code_in(text):
    return re.search(r"\b\d{6}\b", text).group()


def another_browser():
    browser = Client()
    browser.cookies["django_language"] = "en"
    return browser


def sign_up(client, **sent):
    return client.post(SIGNUP, sent)


def sign_up_by_phone(client, typed=PHONE, stored=STORED):
    assert sign_up(client, phone=typed).url == PHONE_CODE
    return client.post(PHONE_CODE, {"code": code_in(sms_to(stored)[-1])})


def sign_up_by_email(client, address="new@example.com"):
    assert sign_up(client, email=address, password1=PASSWORD).url == EMAIL_CODE
    return client.post(EMAIL_CODE, {"code": code_in(mail.outbox[-1].body)})


def bare(response):
    """The page without what differs between any two: tokens, and the number or address that was typed."""
    return re.sub(r'value="[^"]{60,}"|nonce="[^"]+"|\+86\d+|\w+@example.com', "", response.content.decode())


def is_signed_in(client):
    return "_auth_user_id" in client.session


# ── Telephone ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sign_up_with_a_number_and_the_code_sent_to_it(client):
    response = sign_up_by_phone(client)
    assert response.url == reverse("home")
    assert is_signed_in(client)
    user = User.objects.get()
    assert (user.phone, user.phone_verified, user.email) == (STORED, True, None)


def test_a_second_person_signs_up_with_a_number_only(client):
    sign_up_by_phone(client)
    sign_up_by_phone(another_browser(), "+852 6123 4567", "+85261234567")
    assert set(User.objects.values_list("phone", "email")) == {(STORED, None), ("+85261234567", None)}


def test_sign_in_with_a_number_and_a_code(client):
    sign_up_by_phone(client)
    browser = another_browser()
    assert browser.post(reverse("account_request_login_code"), {"phone": "+86 13800138000"}).url == LOGIN_CODE
    assert not is_signed_in(browser)
    assert browser.post(LOGIN_CODE, {"code": code_in(sms_to(STORED)[-1])}).url == reverse("home")
    assert is_signed_in(browser)


def test_sign_in_with_a_number_and_a_password(client):
    assert sign_up(client, phone=PHONE, password1=PASSWORD).url == PHONE_CODE
    client.post(PHONE_CODE, {"code": code_in(sms_to(STORED)[-1])})
    browser = another_browser()
    assert browser.post(LOGIN, {"login": "13800138000", "password": PASSWORD}).url == reverse("home")
    assert is_signed_in(browser)


def test_a_wrong_code_signs_nobody_in(client):
    sign_up(client, phone=PHONE)
    right = code_in(sms_to(STORED)[-1])
    response = client.post(PHONE_CODE, {"code": "000000" if right != "000000" else "111111"})
    assert response.status_code == 200
    assert not is_signed_in(client) and not User.objects.get().phone_verified


def test_a_taken_number_looks_like_a_free_one(client):
    sign_up_by_phone(client)
    taken, free = another_browser(), another_browser()
    answers = [sign_up(taken, phone=PHONE), sign_up(free, phone="13900139000")]
    assert [(answer.status_code, answer.url) for answer in answers] == [(302, PHONE_CODE)] * 2
    pages = [bare(browser.get(PHONE_CODE)) for browser in (taken, free)]
    assert pages[0] == pages[1]
    assert "already has one" in sms_to(STORED)[-1] and not re.search(r"\d{6}", sms_to(STORED)[-1])
    assert User.objects.filter(phone=STORED).count() == 1


def test_the_slower_of_two_sign_ups_with_one_number_is_no_error(client, monkeypatch):
    sign_up(client, phone=PHONE)
    monkeypatch.setattr("identity.adapter.AccountAdapter.get_user_by_phone", lambda self, phone: None)  # looked too early
    assert sign_up(another_browser(), phone=PHONE).url == PHONE_CODE
    assert User.objects.filter(phone=STORED).count() == 1


def test_an_unknown_number_gets_no_code_and_the_page_does_not_say_so(client):
    response = client.post(reverse("account_request_login_code"), {"phone": PHONE})
    assert response.url == LOGIN_CODE
    assert "no account" in sms_to(STORED)[-1]
    assert client.post(LOGIN_CODE, {"code": "123456"}).status_code in {200, 302}
    assert not is_signed_in(client)


def test_a_number_somebody_else_began_with_stays_its_owners(client):
    """A thief signs up with the owner's number and a password of the thief's, and waits for the owner to confirm."""
    sign_up(another_browser(), phone=PHONE, password1="a thief's own")
    client.post(reverse("account_request_login_code"), {"phone": PHONE})
    assert "no account" in sms_to(STORED)[-1]
    User.objects.update(date_joined=timezone.now() - timedelta(hours=1))
    owner = another_browser()
    assert sign_up_by_phone(owner).url == reverse("home")
    thief = another_browser()
    assert thief.post(LOGIN, {"login": PHONE, "password": "a thief's own"}).status_code == 200
    assert not is_signed_in(thief)


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({}, "Give a mobile number or an e-mail address"),
        ({"phone": "12345"}, "Enter a mobile number, such as 138 0013 8000"),
        ({"email": "not an address", "password1": PASSWORD}, "Enter a valid email address"),
        ({"email": "new@example.com", "password1": "12345678"}, "entirely numeric"),
        ({"email": "new@example.com", "password1": "short"}, "too short"),
    ],
)
def test_a_sign_up_that_cannot_be_says_why(client, sent, sentence):
    response = client.post(SIGNUP, sent)
    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert not User.objects.exists()


# ── E-mail ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sign_up_with_an_address_and_the_code_sent_to_it(client):
    assert sign_up_by_email(client).url == reverse("home")
    assert is_signed_in(client)
    user = User.objects.get()
    assert (user.email, user.phone) == ("new@example.com", None)
    assert EmailAddress.objects.get(user=user).verified


def test_sign_in_with_an_address_and_a_password(client):
    sign_up_by_email(client)
    browser = another_browser()
    assert browser.post(LOGIN, {"login": "new@example.com", "password": "wrong horse"}).status_code == 200
    assert not is_signed_in(browser)
    assert browser.post(LOGIN, {"login": "new@example.com", "password": PASSWORD}).url == reverse("home")
    assert is_signed_in(browser)


def test_sign_in_with_an_address_and_a_code(client):
    sign_up_by_email(client)
    browser = another_browser()
    browser.post(reverse("account_request_login_code"), {"email": "new@example.com"})
    browser.post(LOGIN_CODE, {"code": code_in(mail.outbox[-1].body)})
    assert is_signed_in(browser)


def test_the_case_of_an_address_does_not_matter(client):
    sign_up_by_email(client, "New@Example.COM")
    assert User.objects.get().email == "new@example.com"
    assert another_browser().post(LOGIN, {"login": "NEW@example.com", "password": PASSWORD}).url == reverse("home")
    sign_up(another_browser(), email="NEW@EXAMPLE.COM", password1=PASSWORD)
    assert User.objects.count() == 1


def test_a_taken_address_looks_like_a_free_one(client):
    sign_up_by_email(client)
    taken, free = another_browser(), another_browser()
    answers = [sign_up(taken, email="new@example.com", password1=PASSWORD), sign_up(free, email="old@example.com", password1=PASSWORD)]
    assert [(answer.status_code, answer.url) for answer in answers] == [(302, EMAIL_CODE)] * 2
    pages = [bare(browser.get(EMAIL_CODE)) for browser in (taken, free)]
    assert pages[0] == pages[1]
    to_owner = next(message for message in reversed(mail.outbox) if message.to == ["new@example.com"])
    assert not re.search(r"\b\d{6}\b", to_owner.body)
    assert User.objects.filter(email="new@example.com").count() == 1


def test_nobody_gets_in_with_an_address_they_have_not_shown_to_be_theirs(client):
    sign_up(client, email="owner@example.com", password1=PASSWORD)
    thief = another_browser()
    assert thief.post(LOGIN, {"login": "owner@example.com", "password": PASSWORD}).url == EMAIL_CODE
    assert not is_signed_in(thief)


def test_an_address_somebody_else_began_with_stays_its_owners(client):
    sign_up(another_browser(), email="owner@example.com", password1="a thief's own")
    User.objects.update(date_joined=timezone.now() - timedelta(hours=1))
    assert sign_up_by_email(client, "owner@example.com").url == reverse("home")
    thief = another_browser()
    thief.post(LOGIN, {"login": "owner@example.com", "password": "a thief's own"})
    assert not is_signed_in(thief)


def test_number_and_address_together_are_both_shown_to_be_ones_own(client):
    sign_up(client, phone=PHONE, email="new@example.com", password1=PASSWORD)
    assert client.post(PHONE_CODE, {"code": code_in(sms_to(STORED)[-1])}).url == EMAIL_CODE
    assert not is_signed_in(client)
    client.post(EMAIL_CODE, {"code": code_in(mail.outbox[-1].body)})
    assert is_signed_in(client)


def test_a_new_investor_is_led_to_the_agreements(client):
    sign_up_by_phone(client)
    assert client.get(reverse("onboarding")).url == reverse("onboarding_consents")


# ── Staff ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("who", "site"), [("ada", "advisors:index"), ("sue", "advisors:index"), ("adam", "admin:index")])
def test_staff_sign_in_by_address_and_reach_their_site(people, client, who, site):
    response = client.get(reverse(site), follow=True)
    assert response.redirect_chain[-1][0].startswith(LOGIN)
    response = client.post(f"{LOGIN}?next={reverse(site)}", {"login": f"{who}@example.com", "password": PASSWORD}, follow=True)
    assert response.status_code == 200
    assert response.request["PATH_INFO"] == reverse(site)


@pytest.mark.parametrize("site", ["advisors:index", "admin:index"])
@pytest.mark.parametrize("who", ["anna", "mark"])
def test_others_do_not_reach_it(people, client, who, site):
    client.force_login(getattr(people, who))
    response = client.get(reverse(site), follow=True)
    assert response.status_code == 403 or response.request["PATH_INFO"] != reverse(site)


# ── The demo's post ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_demo_shows_its_messages_of_the_last_hour(client, settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path
    sign_up(client, phone=PHONE)
    sign_up(another_browser(), email="new@example.com", password1=PASSWORD)
    assert reverse("demo_outbox") in client.get(PHONE_CODE).content.decode()
    page = another_browser().get(reverse("demo_outbox")).content.decode()
    assert code_in(sms_to(STORED)[-1]) in page and "new@example.com" in page
    assert len(re.findall(r"\b\d{6}\b", page)) == 2


def test_a_licensed_deployment_shows_none(client, settings):
    settings.DEMO_OUTBOX = False
    assert client.get(reverse("demo_outbox")).status_code == 404


def test_the_settings_pass_the_checks_that_stop_a_start():
    call_command("check")


def owner(phone=None, email=None):
    user = User.objects.create_user(phone=phone, email=email, phone_verified=bool(phone))
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def test_two_people_who_sign_in_by_number_each_take_their_address_away(client):
    for number in ("+8613800138001", "+8613800138002"):
        user = owner(number, f"{number[-1]}@example.com")
        client.force_login(user)
        assert client.post(reverse("account_email"), {"action_remove": "", "email": user.email}).status_code == 302
        user.refresh_from_db()
        assert (user.email, user.phone) == (None, number)


def test_nobody_takes_away_the_only_thing_they_sign_in_with(client):
    user = owner(email="only@example.com")
    client.force_login(user)
    client.post(reverse("account_email"), {"action_remove": "", "email": user.email})
    user.refresh_from_db()
    assert user.email == "only@example.com" and EmailAddress.objects.filter(user=user).exists()
