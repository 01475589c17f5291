"""Outside a demo, staff set up a second factor before they see anything; investors may."""

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse

SET_UP = reverse("mfa_activate_totp")


@pytest.fixture(autouse=True)
def _required(settings):
    settings.SECOND_FACTOR_REQUIRED = True


def sign_in(client, who):
    return client.post(reverse("account_login"), {"login": f"{who}@example.com", "password": "correct horse"})


@pytest.mark.parametrize("who", ["ada", "sue", "mark", "adam"])
@pytest.mark.parametrize("page", ["home", "admin:index", "advisors:index", "onboarding", "account_email"])
def test_staff_are_sent_to_set_it_up(people, client, who, page):
    sign_in(client, who)
    assert client.get(reverse(page)).url == SET_UP


def test_a_posted_form_is_stopped_too(people, client):
    sign_in(client, "ada")
    assert client.post(reverse("preferences"), {"switch": "marketing", "is_on": "1"}).url == SET_UP


def test_the_way_to_the_set_up_itself_does_not_loop(people, client):
    sign_in(client, "ada")
    response = client.get(SET_UP, follow=True)
    assert response.status_code == 200
    assert len(response.redirect_chain) <= 2
    if response.redirect_chain:  # it asks for the password once more
        response = client.post(response.redirect_chain[-1][0], {"password": "correct horse"}, follow=True)
    assert response.request["PATH_INFO"] == SET_UP
    assert response.status_code == 200
    assert 'src="data:image/svg' in response.content.decode()


def test_signing_out_stays_possible(people, client):
    sign_in(client, "ada")
    client.post(reverse("account_logout"))
    assert "_auth_user_id" not in client.session


def test_with_a_second_factor_staff_pass(people, client):
    Authenticator.objects.create(user=people.ada, type=Authenticator.Type.TOTP, data={"secret": "x"})
    client.force_login(people.ada)
    assert client.get(reverse("advisors:index")).status_code == 200


def test_a_password_alone_does_not_open_the_admin(people, client):
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    TOTP.activate(people.adam, generate_totp_secret())
    response = client.post(
        f"{reverse('account_login')}?next={reverse('admin:index')}", {"login": "adam@example.com", "password": "correct horse"}
    )
    assert response.url.startswith(reverse("mfa_authenticate"))
    assert client.get(reverse("admin:index")).status_code == 302
    assert "_auth_user_id" not in client.session


def test_investors_are_free_to_go_without(people, client):
    sign_in(client, "anna")
    assert client.get(reverse("preferences")).status_code == 200


def test_a_demo_asks_nobody(people, client, settings):
    settings.SECOND_FACTOR_REQUIRED = False
    sign_in(client, "ada")
    assert client.get(reverse("advisors:index")).status_code == 200
