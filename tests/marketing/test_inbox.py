"""A person's own messages, and the way out of more of them."""

import pytest
from django.core import mail
from django.core.signing import dumps
from django.test import Client
from django.urls import reverse

from advisor.models import Consent
from advisor.selectors import has_consent
from advisor.services import give_consent
from marketing.models import InboxMessage
from marketing.services import execute_launch, launch_campaign, send_batch
from tests.marketing.crowd import crowd, draft

pytestmark = pytest.mark.django_db


@pytest.fixture
def messages(people):
    return {
        name: InboxMessage.objects.create(investor=getattr(people, f"{name}_investor"), subject=f"For {name}", body=f"Dear {name}")
        for name in ("anna", "ben")
    }


def test_each_sees_only_their_own_messages(people, messages, client):
    client.force_login(people.anna)
    page = client.get(reverse("inbox")).content.decode()
    assert "For anna" in page and "For ben" not in page
    assert client.get(reverse("message", args=[messages["anna"].pk])).status_code == 200
    assert client.get(reverse("message", args=[messages["ben"].pk])).status_code == 404


@pytest.mark.parametrize("who", ["ada", "sue", "mark", "adam"])
def test_staff_have_no_inbox_and_read_nobodys(people, messages, client, who):
    client.force_login(getattr(people, who))
    assert client.get(reverse("inbox")).status_code == 403
    assert client.get(reverse("message", args=[messages["anna"].pk])).status_code == 403


def test_an_advisor_who_also_invests_does_not_open_a_clients_message(people, messages, client):
    from identity.roles import Role
    from identity.services import give_role

    give_role(user=people.ada, role=Role.INVESTOR)
    client.force_login(people.ada)
    assert client.get(reverse("message", args=[messages["anna"].pk])).status_code == 404
    messages["anna"].refresh_from_db()
    assert messages["anna"].read_at is None


def test_a_stranger_is_sent_to_sign_in(client, messages):
    assert reverse("account_login") in client.get(reverse("inbox"))["Location"]


def test_opening_a_message_marks_it_read_once(people, client):
    from marketing.models import Delivery

    crowd(3)
    campaign = draft(channels=["inbox"])
    launch_campaign(campaign_id=campaign.pk, actor=None)
    execute_launch(campaign.pk)
    send_batch(campaign_id=campaign.pk)
    reader = InboxMessage.objects.first()
    from identity.roles import Role
    from identity.services import give_role

    give_role(user=reader.investor.user, role=Role.INVESTOR)
    client.force_login(reader.investor.user)
    client.get(reverse("message", args=[reader.pk]))
    reader.refresh_from_db()
    first = reader.read_at
    client.get(reverse("message", args=[reader.pk]))
    reader.refresh_from_db()
    assert reader.read_at == first is not None
    assert list(Delivery.objects.filter(opened_at__isnull=False)) == [reader.delivery]


def test_the_list_is_paged_and_asks_few_questions(people, client, django_assert_max_num_queries):
    InboxMessage.objects.bulk_create([InboxMessage(investor=people.anna_investor, subject=f"m{i}", body="x") for i in range(45)])
    client.force_login(people.anna)
    with django_assert_max_num_queries(12):
        assert client.get(reverse("inbox")).context["page_obj"].paginator.num_pages == 3


# ── unsubscribe ──────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def link():
    person = crowd(1, prefix="reader")[0]
    campaign = draft()
    launch_campaign(campaign_id=campaign.pk, actor=None)
    execute_launch(campaign.pk)
    while send_batch(campaign_id=campaign.pk):
        pass
    url = mail.outbox[0].extra_headers["List-Unsubscribe"].strip("<>")
    return person, "/" + url.split("/", 3)[3]


def agrees(person) -> bool:
    return has_consent(person, Consent.Purpose.MARKETING)


def test_one_click_works_without_a_cookie_and_get_does_not(link):
    person, url = link
    stranger = Client(enforce_csrf_checks=True)
    assert stranger.get(url).status_code == 200
    assert agrees(person)
    assert stranger.post(url, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded").status_code == 200
    assert not agrees(person)
    assert Consent.objects.filter(investor=person).latest("at").source == "unsubscribe"


def test_doing_it_twice_is_harmless_and_it_does_not_undo_a_later_yes_by_itself(link):
    person, url = link
    for _ in range(2):
        assert Client().post(url).status_code == 200
    assert Consent.objects.filter(investor=person).count() == 2
    give_consent(investor=person, purpose=Consent.Purpose.MARKETING, is_given=True, source="preferences")
    Client().get(url)
    assert agrees(person)


@pytest.mark.parametrize("forge", [lambda url: "nonsense", lambda url: url.split("/")[-2][:-2] + "xx", lambda url: dumps({"i": 1, "d": 1})])
def test_a_forged_link_changes_nothing(link, forge):
    person, url = link
    forged = reverse("unsubscribe", args=[forge(url)])
    assert Client().get(forged).status_code == Client().post(forged).status_code == 404
    assert agrees(person)


def test_the_page_names_nobody(link):
    _, url = link
    page = Client().get(url).content.decode()
    assert "Reader" not in page and "reader0" not in page
