"""How long events are kept: months, strangers, the keys of repeats, and the partitions that hold them."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from advisor.models import Consent
from marketing.models import Event, EventKey
from marketing.partitions import drop_partitions, make_partitions
from marketing.selectors.events import KEYS_KEPT, STRANGERS_KEPT, oldest_kept
from marketing.services.event_intake import take_in_events
from marketing.services.event_keeping import purge_events

NOW = datetime(2031, 5, 20, 3, 0, tzinfo=UTC)
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL has partitions")


def event(received_at, **said):
    usual = {"message_id": uuid4(), "type": "page", "name": "x", "occurred_at": received_at, "received_at": received_at}
    return Event.objects.create(**usual | said)


def partitions():
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text, count(*) FROM marketing_event GROUP BY 1")
        return dict(cursor.fetchall())


def test_whole_months_are_kept_besides_the_running_one(settings):
    settings.EVENT_RETENTION_MONTHS = 3
    assert oldest_kept(NOW) == datetime(2031, 2, 1, tzinfo=UTC)
    assert oldest_kept(datetime(2031, 1, 31, 23, tzinfo=UTC)) == datetime(2030, 10, 1, tzinfo=UTC)


def test_what_is_older_than_the_retention_goes_and_nothing_else(people, settings):
    settings.EVENT_RETENTION_MONTHS = 3
    kept = [event(at, investor=people.anna_investor).pk for at in (NOW, datetime(2031, 2, 1, tzinfo=UTC))]
    event(datetime(2031, 1, 31, 23, 59, tzinfo=UTC), investor=people.anna_investor)
    event(datetime(2029, 1, 1, tzinfo=UTC), investor=people.anna_investor)
    assert purge_events(now=NOW).n_events == 2
    assert list(Event.objects.order_by("-received_at").values_list("pk", flat=True)) == kept
    assert purge_events(now=NOW).n_events == 0


def test_strangers_are_forgotten_earlier_than_those_who_said_who_they_are(people):
    old = NOW - STRANGERS_KEPT - timedelta(hours=1)
    event(old, anonymous_id="stranger")
    event(NOW, anonymous_id="stranger")
    event(old, anonymous_id="anna-s", investor=people.anna_investor)
    assert purge_events(now=NOW).n_strangers == 1
    assert Event.objects.filter(received_at=old).get().investor == people.anna_investor


def test_keys_of_repeats_are_kept_for_thirty_days(db):
    for age in (KEYS_KEPT - timedelta(hours=1), KEYS_KEPT + timedelta(hours=1)):
        EventKey.objects.create(message_id=uuid4(), body_hash="x", received_at=NOW - age)
    assert purge_events(now=NOW).n_keys == 1
    assert EventKey.objects.count() == 1


def test_a_purge_goes_on_in_blocks(people, monkeypatch):
    monkeypatch.setattr("marketing.services.event_keeping.ROWS_AT_ONCE", 2)
    for hours in range(5):
        event(datetime(2020, 1, 1, hours, tzinfo=UTC))
    assert purge_events(now=NOW).n_events == 5


@on_postgresql
def test_a_month_that_is_over_is_dropped_whole_and_the_present_is_not(people, settings):
    settings.EVENT_RETENTION_MONTHS = 3
    make_partitions(date(2031, 5, 20), since=date(2031, 1, 1))
    for month in (1, 2, 5):
        event(datetime(2031, month, 3, tzinfo=UTC), investor=people.anna_investor)
    done = purge_events(now=NOW)
    assert "marketing_event_2031_01" in done.partitions and "marketing_event_2031_02" not in done.partitions
    assert sorted(partitions()) == ["marketing_event_2031_02", "marketing_event_2031_05"]
    assert drop_partitions(date(2031, 2, 1)) == []


@on_postgresql
def test_an_event_of_a_month_without_a_partition_is_kept_in_the_default_one_and_purged_from_there(people, settings):
    settings.EVENT_RETENTION_MONTHS = 3
    event(datetime(2040, 7, 1, tzinfo=UTC))
    assert partitions() == {"marketing_event_default": 1}
    assert make_partitions(date(2040, 7, 15)) == 3  # July is there already, in the default one: the months after it are made
    event(datetime(2040, 8, 1, tzinfo=UTC))
    assert partitions() == {"marketing_event_default": 1, "marketing_event_2040_08": 1}
    assert purge_events(now=datetime(2040, 12, 1, tzinfo=UTC)).n_events >= 1
    assert "marketing_event_default" not in partitions()


def test_a_late_event_is_kept_as_long_as_others_from_when_it_came(people):
    """Its own time is old, the month that holds it is this one."""
    Consent.objects.create(investor=people.anna_investor, purpose="profiling", is_given=True, source="test")
    at = timezone.now() - timedelta(days=300)
    said = {"message_id": str(uuid4()), "type": "track", "name": "x", "investor": "P-anna", "occurred_at": at.isoformat()}
    assert take_in_events(raw=[said]).count("accepted") == 1
    purge_events()
    assert Event.objects.get().occurred_at == at
