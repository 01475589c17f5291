"""Lists that leave the house: who may, asked twice; why, kept; and nobody in the clear."""

import csv
import hashlib
import io
from datetime import timedelta

import pytest
from django.utils import timezone

from advisor.models import Investor
from identity.models import User
from marketing.models import SegmentExport
from marketing.services import write_segment
from marketing.services.segment_exports import safe_cell
from tests.marketing.crowd import agreed, crowd

pytestmark = pytest.mark.django_db
RULE = {"version": 1, "rule": {"field": "dormancy", "is": ["dormant"]}}
ASKED = {"reason": "audit", "why": "the regulator asked for it"}


@pytest.fixture
def segment(people, client):
    crowd(14, prefix="secret")
    client.force_login(people.mark)
    return write_segment(name="Sleepers", rule=RULE, author=people.mark)


def ask(client, segment, **asked) -> SegmentExport:
    response = client.post(f"/marketing/segments/{segment.pk}/export/", ASKED | asked)
    assert response.status_code == 200, response.context["export_form"].errors
    return SegmentExport.objects.latest("pk")


def take(client, export):
    return client.post(f"/marketing/segments/exports/{export.pk}/take/")


def lines_of(response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode("utf-8-sig"))))


def test_a_list_holds_pseudonyms_and_who_asked_when_and_why_is_kept(people, client, segment):
    export = ask(client, segment)
    assert (export.actor, export.why, export.rule, export.version, export.n_rows) == (people.mark, ASKED["why"], RULE, 1, None)
    got = lines_of(take(client, export))
    assert got[0] == ["pseudonym"] and sorted(got[1:]) == sorted([f"secre-{i}"] for i in range(14))
    export.refresh_from_db()
    assert export.n_rows == 14 and export.taken_at is not None
    again = take(client, export)
    assert again.status_code == 302, "once only"
    assert ASKED["why"] in client.get(f"/marketing/segments/{segment.pk}/").content.decode()


def test_an_audience_for_a_partner_is_hashed_and_only_of_who_agreed(client, segment):
    people = list(Investor.objects.filter(pseudonym__startswith="secre").order_by("pk"))
    agreed(people[:2], is_given=False, days_ago=1)
    Investor.objects.filter(pk=people[2].pk).update(recommendations_off_at=timezone.now())
    User.objects.filter(pk=people[3].user_id).update(email="mixed@example.com", phone="+8613800138000")
    got = lines_of(take(client, ask(client, segment, reason="acquisition")))
    assert got[0] == ["email_sha256", "phone_sha256"] and len(got) == 12
    assert [hashlib.sha256(b"mixed@example.com").hexdigest(), hashlib.sha256(b"+8613800138000").hexdigest()] in got
    assert "example" not in str(got)


def test_a_right_that_ended_a_minute_ago_takes_nothing_away(people, client, segment):
    export = ask(client, segment)
    people.mark.groups.clear()
    assert take(client, export).status_code == 403
    assert client.post(f"/marketing/segments/{segment.pk}/export/", ASKED).status_code == 403
    export.refresh_from_db()
    assert export.taken_at is None and export.n_rows is None


def test_the_permission_itself_is_asked_at_both_doors(people, client, segment):
    export = ask(client, segment)
    for group in people.mark.groups.all():
        group.permissions.remove(*group.permissions.filter(codename="export_segment"))
    assert take(client, export).status_code == 403
    assert client.post(f"/marketing/segments/{segment.pk}/export/", ASKED).status_code == 403
    assert SegmentExport.objects.count() == 1


def test_a_list_is_for_who_asked_and_for_a_quarter_of_an_hour(people, client, segment):
    export = ask(client, segment)
    SegmentExport.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert take(client, export).status_code == 302
    SegmentExport.objects.update(expires_at=timezone.now() + timedelta(minutes=1), actor=people.adam)
    assert take(client, export).status_code == 404
    export.refresh_from_db()
    assert export.taken_at is None


@pytest.mark.parametrize("asked", [{"why": ""}, {"why": "short"}, {"reason": "fun"}, {"why": "x" * 301}])
def test_a_list_without_a_reason_is_refused(client, segment, asked):
    assert client.post(f"/marketing/segments/{segment.pk}/export/", ASKED | asked).status_code == 422
    assert not SegmentExport.objects.exists()


def test_few_people_and_people_of_a_service_segment_are_not_handed_out(people, client, segment):
    few = write_segment(
        name="few", rule={"version": 1, "rule": {"all": [RULE["rule"], {"field": "n_goals", "at_least": 1}]}}, author=people.mark
    )
    service = write_segment(name="service", rule=RULE, author=people.mark, purpose="service")
    for one, asked in ((few, ASKED), (service, ASKED | {"reason": "acquisition"})):
        assert client.post(f"/marketing/segments/{one.pk}/export/", asked).status_code == 422
    assert not SegmentExport.objects.exists()
    export = ask(client, segment)
    User.objects.filter(email__startswith="secret1").update(is_active=False)
    assert take(client, export).status_code == 302, "by now they are fewer than ten"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text):
    assert safe_cell(text) == f"'{text}" and safe_cell("P-1") == "P-1"
