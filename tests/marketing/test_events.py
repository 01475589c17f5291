"""Page views are recorded for investors who agreed, and never break a page."""

from datetime import date, timedelta

import pytest
from django.core.signing import dumps
from django.db import DatabaseError, connection
from django.urls import reverse
from django.utils import timezone

from advisor.models import Consent
from marketing.channels.tokens import SALT
from marketing.models import Event
from marketing.partitions import add_months, make_partitions


def agree(investor, given=True):
    Consent.objects.create(investor=investor, purpose=Consent.Purpose.PROFILING, is_given=given, source="test")


def test_a_page_view_of_an_investor_who_agreed_is_an_event(people, client):
    agree(people.anna_investor)
    client.force_login(people.anna)
    client.get("/preferences/")
    event = Event.objects.get()
    assert (event.investor, event.type, event.name) == (people.anna_investor, "page", "preferences")


def test_without_consent_only_the_last_visit_is_kept(people, client):
    client.force_login(people.anna)
    client.get("/preferences/")
    people.anna_investor.refresh_from_db()
    assert Event.objects.count() == 0
    assert people.anna_investor.last_seen_at is not None


def test_a_withdrawn_consent_ends_the_recording(people, client):
    agree(people.anna_investor)
    agree(people.anna_investor, given=False)
    client.force_login(people.anna)
    client.get("/preferences/")
    assert Event.objects.count() == 0


@pytest.mark.parametrize("who", ["ada", "mark", "sue", "adam"])
def test_staff_are_not_recorded(people, client, who):
    client.force_login(getattr(people, who))
    client.get("/preferences/")
    assert Event.objects.count() == 0


def test_a_fragment_and_a_missing_page_are_no_page_views(people, client):
    agree(people.anna_investor)
    client.force_login(people.anna)
    client.get("/preferences/", headers={"HX-Request": "true"})
    client.get("/no-such-page/")
    assert Event.objects.count() == 0


def test_what_entitles_its_holder_is_not_written_down(people, client):
    agree(people.anna_investor)
    client.force_login(people.anna)
    token = dumps({"i": people.anna_investor.pk, "d": 1}, salt=SALT)
    assert client.get(reverse("unsubscribe", args=[token])).status_code == 200
    assert Event.objects.get(name="unsubscribe").properties == {}


def test_a_database_that_cannot_write_does_not_break_the_page(people, client, monkeypatch):
    def refuse(**kwargs):
        raise DatabaseError("database is locked")

    monkeypatch.setattr("marketing.middleware.record_page_view", refuse)
    client.force_login(people.anna)
    assert client.get("/preferences/").status_code == 200


def test_the_last_visit_is_written_at_most_twice_an_hour(people, client):
    client.force_login(people.anna)
    recent = timezone.now() - timedelta(minutes=5)
    type(people.anna_investor).objects.update(last_seen_at=recent)
    client.get("/preferences/")
    people.anna_investor.refresh_from_db()
    assert people.anna_investor.last_seen_at == recent


def test_months_follow_each_other_over_the_year_end():
    assert [add_months(date(2026, 11, 22), n) for n in range(3)] == [date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)]


def test_partitions_are_made_ahead_once(db):
    if connection.vendor != "postgresql":
        assert make_partitions(date(2031, 5, 3)) == 0
        return
    assert make_partitions(date(2031, 5, 3)) == 4
    assert make_partitions(date(2031, 5, 20)) == 0
    Event.objects.create(
        message_id="7b0e3c1e-0000-4000-8000-000000000001",
        type="page",
        name="x",
        occurred_at=timezone.now(),
        received_at="2031-06-02T00:00Z",
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM marketing_event_2031_06")
        assert cursor.fetchone() == (1,)
