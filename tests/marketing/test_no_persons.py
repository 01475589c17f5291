"""Marketers and administrators see numbers, breakdowns of ten or more and pseudonyms, and never who somebody is."""

import json
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from advisor.models import Account, Goal, Household, Investor
from identity.roles import Role
from marketing.models import Delivery, Event, InboxMessage, Profile, TagWords
from tests.conftest import make_user
from tests.marketing.crowd import crowd, everybody
from tests.test_access import address, addresses, annas  # noqa: F401  the fixture of one of everything

PK = 987_654_321  # no other number on a page is this one
SECRETS = ("Zoe", "Zhao Qianqian", "zoe.private", "13911112222", str(PK), "Pot of gold", "Dear Zoe")


@pytest.fixture
def zoe(people, annas):  # noqa: F811
    """Somebody in every audience: with name, number and address, a key that is seen, a goal, visits and messages."""
    user = make_user("zoe.private", Role.INVESTOR)
    user.name, user.phone = "Zoe Zhao Qianqian", "+8613911112222"
    user.save()
    household = Household.objects.get(primary_advisor=people.ada)
    one = Investor.objects.create(pk=PK, user=user, household=household, pseudonym="P-7KQ")
    Goal.objects.create(
        account=Account.objects.create(investor=one), name="Pot of gold", kind="home", amount_minor=1, target_date=timezone.localdate()
    )
    Profile.objects.create(investor=one, dormancy="dormant", assets_minor=1_000_000, idle_cash_minor=900_000)
    TagWords.objects.create(investor=one, w0=(1 << 60) - 1)
    Event.objects.create(message_id=uuid4(), investor=one, type="page", name="fund", occurred_at=timezone.now())
    step = Delivery.objects.get().step
    row = Delivery.objects.create(campaign=step.campaign, step=step, channel="inbox", investor=one, status="sent", ended_at=timezone.now())
    InboxMessage.objects.create(investor=one, delivery=row, subject="Dear Zoe", body="x")
    crowd(30)
    everybody()
    return one


def leaks(response) -> list[str]:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    text = content.decode(errors="replace") + response.headers.get("Location", "")
    return [secret for secret in SECRETS if secret in text]


def test_no_page_of_a_marketer_says_who_somebody_is(zoe, people, annas, client):  # noqa: F811
    client.force_login(people.mark)
    n_seen, told = 0, []
    for name, parameters in addresses():
        where = address(name, parameters, annas)
        if not where.startswith("/marketing/") or name == "unsubscribe":
            continue
        for response in (client.get(where), client.post(where)):
            n_seen += response.status_code == 200
            told += [(name, leak) for leak in leaks(response)]
    assert told == []
    assert n_seen >= 20  # pages were read, not only refusals


def test_a_marketer_s_sample_is_of_pseudonyms_and_a_list_that_leaves_is_too(zoe, people, client):
    client.force_login(people.mark)
    rule = {"version": 1, "rule": {"all": [{"field": "dormancy", "is": ["dormant"]}]}}
    page = client.get(reverse("segment", args=[everybody().pk]))
    assert "crowd-" in page.content.decode()  # pseudonyms are there to be seen
    assert leaks(page) == []
    for where in (reverse("segment_new"), reverse("segment_preview")):
        assert leaks(client.get(where, {"rule": json.dumps(rule)})) == []


def test_no_page_of_an_administrator_says_who_an_investor_is(zoe, people, annas, client):  # noqa: F811
    client.force_login(people.adam)
    told, n_seen = [], 0
    for name, parameters in addresses():
        if name.startswith("admin:") and "logout" not in name:
            response = client.get(address(name, parameters, annas))
            n_seen += response.status_code == 200
            told += [(name, leak) for leak in leaks(response)]
    assert told == []
    assert n_seen >= 10
    # Nor by the key of the row.
    assert client.get(reverse("admin:identity_user_change", args=[zoe.user_id])).status_code in {302, 404}
