"""Batches of events over HTTP: each event its verdict, and whole batches that cannot be read."""

import json
import threading
import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from advisor.models import Consent
from marketing.kernels.events import MOST_BYTES
from marketing.models import AnonymousIdentity, ApiKey, Event, EventKey, Profile
from marketing.selectors.interactions import load_interactions
from marketing.services.api_keys import UnknownScope, api_key_of, make_api_key, revoke_api_key
from marketing.services.event_intake import MOST_EVENTS, take_in_events
from marketing.services.event_words import REASONS
from marketing.services.profiles import build_profiles

URL = "/marketing/api/v1/events"


@pytest.fixture
def agreed(people):
    Consent.objects.create(investor=people.anna_investor, purpose=Consent.Purpose.PROFILING, is_given=True, source="test")
    return people


@pytest.fixture
def key(db):
    return make_api_key(name="app", scopes=["events:write"])[1]


@pytest.fixture
def send(client, key, agreed):
    def post(body, content_type="application/json", **headers):
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        return client.post(
            URL, text, content_type=content_type, headers={"Authorization": f"Bearer {key}", "Accept-Language": "en"} | headers
        )

    return post


def event(**said):
    usual = {
        "message_id": str(uuid.uuid4()),
        "type": "track",
        "name": "search",
        "investor": "P-anna",
        "occurred_at": timezone.now().isoformat(),
        "properties": {"theme": "health"},
    }
    return {name: value for name, value in (usual | said).items() if value is not ...}


def codes(response):
    return [one["code"] or one["verdict"] for one in response.json()["events"]]


def in_days(days):
    return (timezone.now() + timedelta(days=days)).isoformat()


def test_an_event_is_stored_with_its_person(send, agreed):
    sent = event(channel="app", context={"version": "7"})
    response = send([sent])
    assert (response.status_code, codes(response)) == (200, ["accepted"])
    stored = Event.objects.get()
    assert (stored.investor, stored.name, stored.channel) == (agreed.anna_investor, "search", "app")
    assert (stored.properties, stored.context, str(stored.message_id)) == ({"theme": "health"}, {"version": "7"}, sent["message_id"])
    assert stored.occurred_at.isoformat()[:19] == timezone.datetime.fromisoformat(sent["occurred_at"]).isoformat()[:19]


REFUSED = {
    "no object": (5, "not_an_object"),
    "nothing in it": ({}, "missing"),
    "no id": ({"message_id": ...}, "missing"),
    "an id that is none": ({"message_id": "42"}, "bad_value"),
    "an id of a wrong type": ({"message_id": 42}, "bad_value"),
    "an unknown type": ({"type": "screen"}, "unknown_type"),
    "a type of a wrong type": ({"type": 7}, "unknown_type"),
    "a name of two lines": ({"name": "a\nb"}, "bad_value"),
    "a name of a wrong type": ({"name": ["search"]}, "bad_value"),
    "an empty name": ({"name": ""}, "bad_value"),
    "a long name": ({"name": "x" * 81}, "bad_value"),
    "properties of a wrong type": ({"properties": "theme"}, "bad_value"),
    "a field that is none": ({"phone": "13800138000"}, "unknown_field"),
    "a time without a zone": ({"occurred_at": "2026-11-22T08:00:00"}, "bad_value"),
    "a time as a number": ({"occurred_at": 1_790_000_000}, "bad_value"),
    "a time before the calendar": ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "bad_value"),
    "sent after the calendar": ({"sent_at": "9999-12-31T23:59:59-12:00", "occurred_at": "9999-12-31T23:59:00-12:00"}, "bad_value"),
    "sent after the calendar, of now": ({"sent_at": "9999-12-31T23:59:59-12:00"}, "bad_value"),
    "nobody": ({"investor": ...}, "nobody"),
    "a pseudonym that nobody has": ({"investor": "P-carla"}, "unknown_investor"),
    "a key instead of a pseudonym": ({"investor": "1"}, "unknown_investor"),
    "SQL in a value": ({"investor": "' OR 1=1"}, "unknown_investor"),
    "somebody who did not agree": ({"investor": "P-ben"}, "no_consent"),
    "a NUL": ({"properties": {"a": {"b": ["x\x00"]}}}, "nul_character"),
    "a NUL in a key": ({"properties": {"\x00": 1}}, "nul_character"),
    "a NUL in the name": ({"name": "a\x00b"}, "nul_character"),
    "a NUL in the pseudonym": ({"investor": "P\x00"}, "nul_character"),
    "large properties": ({"properties": {"a": "x" * MOST_BYTES}}, "too_large"),
    "a clock three years ahead": ({"occurred_at": in_days(1096)}, "in_the_future"),
    "long ago": ({"occurred_at": in_days(-1200)}, "too_old"),
    "a wrong channel": ({"channel": "Web!"}, "bad_value"),
    "a visitor's id with a space": ({"anonymous_id": "a b"}, "bad_value"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_event_is_refused_with_a_sentence_and_its_neighbours_are_stored(send, case):
    said, code = REFUSED[case]
    bad = said if not isinstance(said, dict) else event(**said) if said else {}
    response = send([event(), bad, event()])
    assert (response.status_code, codes(response)) == (207, ["accepted", code, "accepted"])
    assert Event.objects.count() == EventKey.objects.count() == 2
    why = response.json()["events"][1]["why"]
    assert why.endswith(".") and "%" not in why
    assert response.json() | {"events": []} == {"accepted": 2, "repeated": 0, "refused": 1, "events": []}


def test_every_code_is_one_that_has_a_sentence():
    assert {code for _, code in REFUSED.values()} | {"invalid_json", "invalid_line", "other_body", "try_again"} == set(REASONS)


@pytest.mark.parametrize(
    "text", ["😀🀄", "𠮷野家 𡃁", "\\u0000", "'; DROP TABLE marketing_event; --", "\u202e\ufeff", "%s %(x)s", "a\tb\nc"]
)
def test_any_other_text_comes_back_as_it_was_sent(send, text):
    said = {text: [text, 1, None, 2.5e10, -0.5, True, {"深": text}]}
    assert codes(send([event(name=text.replace("\n", "") + "!", properties=said)])) == ["accepted"]
    stored = Event.objects.get()
    assert (stored.name, stored.properties) == (text.replace("\n", "") + "!", said)


def test_half_a_character_and_numbers_that_are_none_are_refused(send):
    one = json.dumps(event(properties={"a": 1}))
    for bad in ("NaN", "Infinity", '"\\ud800"'):
        assert send(f"[{one.replace('1}', bad + '}')}]").status_code in {207, 400}
    assert not Event.objects.exists()


def test_a_wrong_clock_is_corrected_by_the_time_of_sending(send):
    """Three years ahead on both: the event was five minutes before it was sent, and so it is stored."""
    late = timezone.now() + timedelta(days=1096)
    body = {"sent_at": late.isoformat(), "events": [event(occurred_at=(late - timedelta(minutes=5)).isoformat())]}
    assert codes(send(body)) == ["accepted"]
    assert abs((timezone.now() - Event.objects.get().occurred_at).total_seconds() - 300) < 30


def test_a_clock_that_is_a_little_off_is_left_alone_and_never_ahead_of_receiving(send):
    soon = timezone.now() + timedelta(seconds=50)
    assert codes(send([event(occurred_at=soon.isoformat(), sent_at=soon.isoformat())])) == ["accepted"]
    stored = Event.objects.get()
    assert stored.occurred_at == stored.received_at


def test_late_events_and_events_out_of_order_keep_their_own_times(send):
    days = [-3, -200, -1, -40]
    assert codes(send([event(occurred_at=in_days(one)) for one in days])) == ["accepted"] * 4
    ages = [round((row.received_at - row.occurred_at).total_seconds() / 86400) for row in Event.objects.order_by("occurred_at")]
    assert ages == [200, 40, 3, 1]


def test_a_repeat_is_dropped_whatever_the_order_of_its_keys_and_the_time_of_sending(send):
    sent = event()
    assert codes(send([sent])) == ["accepted"]
    again = dict(reversed((sent | {"sent_at": timezone.now().isoformat()}).items()))
    assert codes(send([again, again])) == ["repeated", "repeated"]
    assert Event.objects.count() == 1


def test_the_same_id_with_another_body_is_refused(send):
    sent = event()
    other = sent | {"properties": {"theme": "energy"}}
    assert codes(send([sent, other, sent])) == ["accepted", "other_body", "repeated"]
    assert codes(send([other])) == ["other_body"]
    assert codes(send([other, sent])) == ["other_body", "repeated"]  # the second is what is stored
    assert Event.objects.get().properties == {"theme": "health"}


@pytest.mark.parametrize("code", [["000001"], {"a": 1}, 7, 10**4000, 1e308, True, None, "x" * 900])
def test_a_fund_s_code_that_is_none_stops_neither_profiles_nor_the_recommender(send, code):
    assert codes(send([event(type="page", name="fund", properties={"code": code})])) == ["accepted"]
    assert len(load_interactions(timezone.now()).user) == 0
    assert build_profiles().status == "done"
    assert Profile.objects.get(investor__pseudonym="P-anna").n_pages_30d == 1


def test_a_batch_is_at_most_five_hundred(send):
    assert codes(send([event() for _ in range(MOST_EVENTS)])) == ["accepted"] * MOST_EVENTS
    response = send([event() for _ in range(MOST_EVENTS + 1)])
    assert (response.status_code, response.json()["code"]) == (413, "too_many")
    assert "501" in response.json()["why"]
    assert Event.objects.count() == MOST_EVENTS


def test_json_broken_in_the_middle_says_where_and_stores_nothing(send):
    text = json.dumps([event(), event(), event()], indent=1)
    broken = text[: len(text) // 2] + "}" + text[len(text) // 2 :]
    response = send(broken)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_json")
    assert "line" in response.json()["why"] and "column" in response.json()["why"]
    assert not EventKey.objects.exists()


def test_in_a_body_of_lines_a_broken_one_refuses_itself_alone(send):
    lines = [json.dumps(event()), '{"message_id": ', "", "null", json.dumps(event())]
    response = send("\n".join(lines), content_type="application/x-ndjson; charset=utf-8")
    assert codes(response) == ["accepted", "invalid_json", "not_an_object", "accepted"]
    too_many = "\n".join(["{}"] * 501)
    assert send(too_many, content_type="application/x-ndjson").json()["code"] == "too_many"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"\xff\xfe", 400, "invalid_json"),
        (" ", 400, "invalid_json"),
        ("[" * 5000, 400, "invalid_json"),
        ("7", 400, "not_a_batch"),
        ('{"events": {}}', 400, "not_a_batch"),
        ('{"events": [], "sent_at": "yesterday"}', 400, "bad_sent_at"),
    ],
)
def test_a_body_that_is_no_batch_is_refused_whole(send, body, status, code):
    response = send(body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["why"].endswith("Nothing was stored.")


def test_ten_megabytes_are_refused_by_their_length_alone(send):
    response = send([event(properties={"a": "x" * 10_000_000})])
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


def test_another_content_type_is_refused(send):
    assert send("message_id=1", content_type="application/x-www-form-urlencoded").status_code == 415


def test_without_a_key_in_force_nothing_is_read(client, key, agreed):
    row = ApiKey.objects.get()
    for header in ({}, {"Authorization": "Bearer htk_x_y"}, {"Authorization": key}, {"Authorization": f"Bearer {key}x"}):
        response = client.post(URL, "no json", content_type="application/json", headers=header)
        assert (response.status_code, response.json()["code"]) == (401, "no_key")
    assert revoke_api_key(pk=row.pk, actor=None) and not revoke_api_key(pk=row.pk, actor=None)
    assert client.post(URL, "[]", content_type="application/json", headers={"Authorization": f"Bearer {key}"}).status_code == 401


def test_a_signed_in_person_is_no_key(client, people):
    client.force_login(people.adam)
    assert client.post(URL, "[]", content_type="application/json").status_code == 401


def test_a_key_is_kept_as_a_hash_and_has_only_the_rights_it_was_given(key):
    row = ApiKey.objects.get()
    assert key.startswith(f"htk_{row.prefix}_") and key not in str(vars(row)) and len(row.key_hash) == 64
    assert api_key_of(text=key, scope="events:write") == row
    assert api_key_of(text=key, scope="events:read") is None
    with pytest.raises(UnknownScope):
        make_api_key(name="x", scopes=["everything"])


def test_the_last_use_of_a_key_is_noted_once_a_minute(key, django_assert_num_queries):
    with django_assert_num_queries(2):
        api_key_of(text=key, scope="events:write")
    assert ApiKey.objects.get().last_used_at
    with django_assert_num_queries(1):
        api_key_of(text=key, scope="events:write")


def test_the_command_prints_a_key_that_works(db, capsys):
    call_command("make_api_key", "warehouse")
    assert api_key_of(text=capsys.readouterr().out.strip(), scope="events:write").name == "warehouse"


def test_a_batch_costs_the_same_queries_however_many_events_it_has(agreed, django_assert_max_num_queries):
    batch = [event(anonymous_id=f"v{n}") for n in range(200)] + [event(investor=..., anonymous_id=f"v{n}") for n in range(200)]
    with django_assert_max_num_queries(12):  # people, visitors, consents, keys, events (SQLite: 83 a statement), the transaction
        assert take_in_events(raw=batch).count("accepted") == 400


def test_consent_that_was_withdrawn_ends_the_intake(send, agreed):
    assert codes(send([event()])) == ["accepted"]
    Consent.objects.create(investor=agreed.anna_investor, purpose=Consent.Purpose.PROFILING, is_given=False, source="test")
    assert codes(send([event()])) == ["no_consent"]


def test_an_identify_event_joins_what_came_before_it_and_what_comes_late(send, agreed):
    before = [event(investor=..., anonymous_id="v-1", occurred_at=in_days(-2)) for _ in range(3)]
    assert codes(send(before)) == ["accepted"] * 3
    assert codes(send([event(type="identify", name="signed_in", anonymous_id="v-1")])) == ["accepted"]
    assert codes(send([event(investor=..., anonymous_id="v-1", occurred_at=in_days(-1))])) == ["accepted"]
    assert set(Event.objects.values_list("investor", flat=True)) == {agreed.anna_investor.pk}
    identity = AnonymousIdentity.objects.get()
    assert (identity.investor, identity.n_events) == (agreed.anna_investor, 3)


def test_a_visitor_who_was_joined_to_somebody_stays_theirs(send, agreed):
    Consent.objects.create(investor=agreed.ben_investor, purpose=Consent.Purpose.PROFILING, is_given=True, source="test")
    send([event(type="identify", anonymous_id="v-1")])
    send([event(type="identify", anonymous_id="v-1", investor="P-ben")])
    send([event(investor=..., anonymous_id="v-1")])
    assert AnonymousIdentity.objects.get().investor == agreed.anna_investor
    assert Event.objects.filter(investor=agreed.anna_investor).count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_batches_at_once_with_the_same_ids_one_is_stored(people):
    Consent.objects.create(investor=people.anna_investor, purpose=Consent.Purpose.PROFILING, is_given=True, source="test")
    batch = [event() for _ in range(60)]
    taken, start = [], threading.Barrier(3)

    def send_all(order):
        start.wait()
        taken.append(take_in_events(raw=order))
        connection.close()

    threads = [threading.Thread(target=send_all, args=(order,)) for order in (batch, batch[::-1], batch[30:] + batch[:30])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sum(one.count("accepted") for one in taken) == 60 == Event.objects.count()
    assert sum(one.count("repeated") for one in taken) == 120


def test_the_document_describes_the_batch_and_every_answer(client):
    document = client.get(reverse("api:openapi-json")).json()
    said = document["paths"][URL]["post"]
    assert set(said["responses"]) == {"200", "207", "400", "401", "413", "415", "503"}
    assert set(said["requestBody"]["content"]) == {"application/json", "application/x-ndjson"}
    form = document["components"]["schemas"]["EventForm"]
    assert {"message_id", "type", "name", "occurred_at"} == set(form["required"])
    assert said["security"]


def test_the_page_of_the_document_keeps_the_content_policy(client):
    page = client.get(reverse("api:openapi-view"))
    assert page.status_code == 200
    assert "cdn" not in page.content.decode() and "<style" not in page.content.decode()
