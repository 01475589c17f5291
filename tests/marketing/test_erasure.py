"""Erasure on request: what goes, what stays, what it is refused for, and that nobody meets the person again."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.core import mail
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from advisor.errors import Refused
from advisor.models import Account, AdvicePayload, AdviceRecord, Assessment, Consent, DataAccess, Goal, Investor
from advisor.selectors.record import verify_chain
from advisor.services import give_consent
from config.jobs import MAX_ATTEMPTS
from marketing.catalogue.personal_data import personal_data
from marketing.kernels.segments import parse_rule
from marketing.models import (
    Acquisition,
    AnonymousIdentity,
    Delivery,
    DormancyChange,
    ErasureRequest,
    Event,
    FollowedFund,
    InboxMessage,
    InvestorFactors,
    LookAlike,
    LookAlikeSet,
    NextAction,
    NotInterested,
    Profile,
    Reactivation,
    RecommenderRun,
    SegmentMember,
    SegmentSnapshot,
    Suggestion,
    SuggestionImpression,
    Tag,
    TagChange,
    TagWords,
)
from marketing.selectors.interactions import load_interactions, suggestible
from marketing.selectors.personal_data import rows_about
from marketing.selectors.segments import people_in
from marketing.selectors.sending import Way, refusals
from marketing.services import erasure, execute_erasure, look_again, request_erasure, start_due_erasures, withdraw_erasure
from marketing.services.profiles import build_profiles
from marketing.services.retention import forget_old_snapshots
from marketing.services.segments import take_snapshot
from marketing.services.visitors import join_visitor
from portfolios.models import Fund
from portfolios.services import deposit, open_portfolio
from tests.marketing.crowd import crowd, draft, everybody

NOW = timezone.now()


@pytest.fixture(autouse=True)
def _wait_a_week(settings):
    settings.ERASURE_WAIT_DAYS = 7


@pytest.fixture
def anna(people) -> Investor:
    """Something in every table of marketing, of Anna."""
    one, today = people.anna_investor, timezone.localdate()
    one.level, one.level_valid_until = 3, today + timedelta(days=90)
    one.save()
    for purpose in ("profiling", "marketing"):
        give_consent(investor=one, purpose=purpose, is_given=True, source="test")
    Assessment.objects.create(investor=one, state="completed", instrument="standard-1", amount_minor=1, completed_at=NOW, level=3)
    fund = Fund.objects.create(code="A", category="mixed", asset_class="mixed", risk_grade=3, source="test")
    tag = Tag.objects.create(code="saver", name_zh="储蓄者", name_en="Saver", group="assets", rule={}, word=0, bit=2)
    Profile.objects.create(investor=one, dormancy="active")
    TagWords.objects.create(investor=one, w0=4)
    TagChange.objects.create(investor=one, tag=tag, is_gained=True, date=today)
    DormancyChange.objects.create(investor=one, to_state="active", date=today)
    Reactivation.objects.create(investor=one, kind="plan_restored", date=today)
    run = RecommenderRun.objects.create(is_serving=True)
    Suggestion.objects.create(run=run, investor=one, fund=fund, rank=1, score=1)
    InvestorFactors.objects.create(run=run, investor=one, vector=b"")
    NotInterested.objects.create(investor=one, fund=fund)
    FollowedFund.objects.create(investor=one, fund=fund)
    SuggestionImpression.objects.create(investor=one, fund=fund, run=run, model="als", surface="home", position=1, on_date=today)
    NextAction.objects.create(investor=one, kind="place", reason="idle_cash", fund=fund, score=1, day=today)
    Acquisition.objects.create(investor=one, source="zhihu", medium="social", first_visit_at=NOW)
    AnonymousIdentity.objects.create(investor=one, anonymous_id="visitor-1")
    seen = {"type": "page", "name": "fund", "properties": {"code": "A"}, "occurred_at": NOW}
    Event.objects.bulk_create(Event(message_id=uuid4(), investor=one, **seen) for _ in range(7))
    Event.objects.create(message_id=uuid4(), anonymous_id="visitor-1", **seen)  # of her browser, never joined
    campaign = draft()
    for channel, status in (("inbox", "sent"), ("email", "queued")):
        row = Delivery.objects.create(campaign=campaign, step=campaign.steps.get(), channel=channel, investor=one, status=status)
    InboxMessage.objects.create(investor=one, delivery=row, subject="Dear Anna", body="x")
    snapshot = SegmentSnapshot.objects.create(segment=campaign.segment, version=1, rule=campaign.segment.rule, as_of=NOW, n=1)
    SegmentMember.objects.create(snapshot=snapshot, investor=one)
    LookAlike.objects.create(of=LookAlikeSet.objects.create(segment=campaign.segment, is_current=True), investor=one, rank=1)
    return one


def erased(investor) -> ErasureRequest:
    request = request_erasure(investor=investor)
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        assert start_due_erasures() == 1
        assert execute_erasure(request.pk)
    request.refresh_from_db()
    return request


def left_about(investor) -> dict[str, int]:
    """Rows of every table that should be gone or detached."""
    tables = [table for table in personal_data().tables if table.fate in {"erase", "detach"}]
    counts = {table.model: rows_about(table, investor).count() for table in tables}
    return {model: n for model, n in counts.items() if n}


def test_the_fixture_fills_every_table_that_is_to_be_emptied(anna):
    tables = {table.model for table in personal_data().tables if table.fate in {"erase", "detach"} and table.model.startswith("marketing.")}
    assert set(left_about(anna)) == tables


def test_all_that_is_not_the_record_goes_and_the_record_stays_whole(anna, people):
    kept = AdviceRecord.objects.count()
    request = erased(anna)
    assert left_about(anna) == {}
    assert not Event.objects.filter(Q(investor=anna) | Q(anonymous_id="visitor-1")).exists()
    anna.refresh_from_db()
    assert anna.erased_at is not None
    assert Assessment.objects.filter(investor=anna, state="completed").count() == 1
    assert Consent.objects.filter(investor=anna).count() == 4  # two given, two withdrawn: the proof
    kinds = list(AdviceRecord.objects.filter(investor=anna).order_by("seq").values_list("kind", flat=True))
    assert len(kinds) > kept
    assert kinds[-2:] == ["account_closed", "data_erased"]
    assert not verify_chain(anna.pk).findings
    assert request.status == "done"
    assert request.erased["marketing.Event"] == 8
    assert request.erased["marketing.Delivery"] == 2
    told = AdvicePayload.objects.filter(investor=anna).order_by("-seq").first().text
    assert '"marketing.Event":8' in told


def test_what_a_campaign_did_is_still_counted_and_names_nobody(anna):
    erased(anna)
    assert sorted(Delivery.objects.values_list("status", "investor")) == [("cancelled", None), ("sent", None)]


def test_what_somebody_else_did_stays_whatever_visitor_s_id_stands_beside_it(anna, people):
    theirs = Event.objects.create(
        message_id=uuid4(), investor=people.ben_investor, anonymous_id="visitor-1", type="track", name="search", occurred_at=NOW
    )
    erased(anna)
    assert list(Event.objects.all()) == [theirs]


def test_no_name_number_or_address_is_left_in_any_table(anna):
    erased(anna)
    user = Investor.objects.get(pk=anna.pk).user
    assert (user.name, user.email) == (anna.pseudonym, f"erased-{user.pk}@erased.invalid")
    for table in personal_data().tables:
        for row in rows_about(table, anna).values():
            assert "anna@" not in str(row).lower(), table.model
            assert "Dear Anna" not in str(row), table.model


def test_the_person_is_told_by_the_address_that_is_then_gone(anna):
    request = erased(anna)
    (letter,) = mail.outbox
    assert letter.to == ["anna@example.com"]
    assert str(request.number) in letter.body
    assert anna.pseudonym in letter.body


# ── Every door ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_meets_an_erased_person_again(anna, people):
    erased(anna)
    with pytest.raises(Refused, match="erased"):
        give_consent(investor=anna, purpose="profiling", is_given=True, source="test")
    assert join_visitor(investor_id=anna.pk, anonymous_id="visitor-2") is None
    assert not suggestible(timezone.now()).exists()
    assert len(load_interactions(timezone.now()).user) == 0
    build_profiles()
    assert not Profile.objects.filter(pk=anna.pk).exists()
    assert Profile.objects.filter(pk=people.ben_investor.pk).exists()  # between the keys of others nobody is lost
    Profile.objects.create(investor=anna, dormancy="active")  # as a build would that had read her before
    rule = parse_rule(everybody().rule)
    assert list(people_in(rule)) == [people.ben_investor]
    campaign = draft(channels=["inbox"])
    way = Way(campaign, campaign.steps.get(), "inbox", timezone.now())
    anna.user.is_active = True  # an administrator who does not know better
    anna.user.save()
    assert refusals(Investor.objects.filter(pk=anna.pk), way) == {anna.pk: "inactive"}
    assert take_snapshot(segment=everybody(), actor=None).n == 1


def test_her_advisors_keep_the_record_and_no_longer_have_her_in_the_book(anna, people, client):
    erased(anna)
    client.force_login(people.ada)
    assert anna.pseudonym not in client.get(reverse("advisors:index")).content.decode()
    page = client.get(reverse("advisors:client", args=[anna.pk])).content.decode()
    assert "data erased" in page
    assert "anna@" not in page


def test_what_a_job_writes_late_goes_the_next_night(anna):
    request = erased(anna)
    Profile.objects.create(investor=anna)
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert look_again() == 1
        assert look_again() == 0
    assert left_about(anna) == {}
    request.refresh_from_db()
    assert request.erased["marketing.Profile"] == 2
    assert not verify_chain(anna.pk).findings


# ── Interrupted, doubled, refused ────────────────────────────────────────────────────────────────────────────────


def test_an_interrupted_erasure_goes_on_and_counts_everything_once(anna, monkeypatch):
    monkeypatch.setattr(erasure, "ROWS_AT_ONCE", 3)
    request = request_erasure(investor=anna)
    forget, calls = erasure._forget, []

    def killed(table, investor):
        calls.append(table.model)
        if len(calls) == 3:
            raise SystemExit
        return forget(table, investor)

    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)) as clock:
        start_due_erasures()
        monkeypatch.setattr(erasure, "_forget", killed)
        with pytest.raises(SystemExit):
            execute_erasure(request.pk)
        monkeypatch.setattr(erasure, "_forget", forget)
        assert left_about(anna)
        assert not execute_erasure(request.pk)  # the lease of the dead one still holds
        clock.shift(timedelta(seconds=erasure.LEASE_SECONDS + 1))
        assert execute_erasure(request.pk)
        assert not execute_erasure(request.pk)  # once is enough
    request.refresh_from_db()
    assert left_about(anna) == {}
    assert request.erased["marketing.Event"] == 8
    assert AdviceRecord.objects.filter(kind="data_erased").count() == 1
    assert len(mail.outbox) == 1


def test_a_worker_that_lost_its_claim_stops(anna, monkeypatch):
    request = request_erasure(investor=anna)
    forget = erasure._forget

    def overtaken(table, investor):
        ErasureRequest.objects.filter(pk=request.pk).update(claim=uuid4())
        return forget(table, investor)

    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        start_due_erasures()
        monkeypatch.setattr(erasure, "_forget", overtaken)
        assert not execute_erasure(request.pk)
    assert Event.objects.filter(investor=anna).count() == 7  # the block was taken back


def test_one_that_failed_is_tried_again_at_night(anna):
    request = request_erasure(investor=anna)
    ErasureRequest.objects.filter(pk=request.pk).update(status="failed", attempts=MAX_ATTEMPTS)
    look_again()
    assert execute_erasure(request.pk)


def test_asking_twice_is_one_request_and_it_can_be_taken_back_until_it_begins(anna):
    first, second = request_erasure(investor=anna), request_erasure(investor=anna)
    assert first.pk == second.pk
    assert start_due_erasures() == 0
    assert withdraw_erasure(investor=anna)
    assert not withdraw_erasure(investor=anna)
    with time_machine.travel(timezone.now() + timedelta(days=30)):
        assert start_due_erasures() == 0
    third = request_erasure(investor=anna)  # a new one may be made
    ErasureRequest.objects.filter(pk=third.pk).update(status="queued")
    assert not withdraw_erasure(investor=anna)


def test_nobody_with_money_is_erased_neither_when_asking_nor_when_it_comes_to_it(anna):
    day = timezone.localdate()
    goal = Goal.objects.create(
        account=Account.objects.create(investor=anna), name="pot", kind="home", amount_minor=1, target_date=day, portfolio=open_portfolio()
    )  # fmt: skip
    request = request_erasure(investor=anna)
    deposit(portfolio_id=goal.portfolio_id, amount_minor=88_00, key="x")
    with pytest.raises(Refused, match="in_the_way"):
        request_erasure(investor=anna)
    ErasureRequest.objects.filter(pk=request.pk).update(status="queued")
    assert not execute_erasure(request.pk)
    request.refresh_from_db()
    anna.refresh_from_db()
    assert (request.status, anna.erased_at) == ("refused", None)
    assert Event.objects.filter(investor=anna).count() == 7
    assert "88" in InboxMessage.objects.filter(investor=anna).latest("pk").body
    assert not mail.outbox


# ── Pages ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_tells_what_is_known_from_where_and_who_looked(anna, people, client, django_assert_max_num_queries):
    Profile.objects.filter(pk=anna.pk).update(income="pension", assets_minor=1_234_56, n_visits_30d=4)
    client.force_login(people.ada)
    client.get(reverse("advisors:client", args=[anna.pk]))
    client.force_login(people.anna)
    with django_assert_max_num_queries(20):
        page = client.get(reverse("my_data")).content.decode()
    for said in ("Main income", "a pension", "¥1,234.56", "Saver", "an advisor", "Your visits", "profiling of behaviour"):
        assert said in page, said
    assert "Ada" not in page  # the role, not the name


def test_a_consent_is_withdrawn_where_its_history_stands_as_easily_as_it_is_given(anna, people, client):
    client.force_login(people.anna)
    for is_on in ("0", "1", "0"):
        client.post(reverse("my_data"), {"switch": "profiling", "is_on": is_on})
    assert list(Consent.objects.filter(purpose="profiling").order_by("pk").values_list("is_given", flat=True)) == [True, False, True, False]
    assert client.post(reverse("my_data"), {"switch": "terms", "is_on": "0"}).status_code == 422


def confirm_who_it_is(client):
    assert client.post(reverse("account_reauthenticate"), {"password": "correct horse"}).status_code == 302


def test_a_session_left_open_neither_takes_a_copy_nor_ends_the_account_without_the_password(anna, people, client):
    client.force_login(people.anna)
    for name, fields in (("my_data_export", {}), ("my_data_erase", {"understood": "1"})):
        asked = client.post(reverse(name), fields)
        assert asked.status_code == 302 and asked["Location"].startswith(reverse("account_reauthenticate"))
    assert not ErasureRequest.objects.exists()
    asked = client.post(asked["Location"], {"password": "correct horse"})  # what was asked for goes on by itself
    assert asked["Location"] == reverse("my_data") and ErasureRequest.objects.get().status == "waiting"


def test_the_copy_is_a_zip_for_oneself_alone(anna, people, client):
    client.force_login(people.anna)
    confirm_who_it_is(client)
    response = client.post(reverse("my_data_export"))
    assert response["Content-Type"] == "application/zip"
    assert b"".join(response.streaming_content)[:2] == b"PK"
    assert anna.pseudonym in response["Content-Disposition"]
    assert not DataAccess.objects.exists()


def test_the_way_to_erasure_shows_what_stays_and_asks_to_be_read(anna, people, client):
    client.force_login(people.anna)
    page = client.get(reverse("my_data_erase")).content.decode()
    assert "Record of advice: entries" in page
    assert "Suitability Management" in page
    assert client.post(reverse("my_data_erase")).status_code == 422
    assert not ErasureRequest.objects.exists()
    confirm_who_it_is(client)
    assert client.post(reverse("my_data_erase"), {"understood": "1"}).status_code == 302
    assert "you can take it back" in client.get(reverse("my_data")).content.decode()
    client.post(reverse("my_data_erase_withdraw"))
    assert ErasureRequest.objects.get().status == "withdrawn"


def test_nobody_takes_a_copy_while_being_erased_for_nobody_is_signed_in_then(anna, people, client):
    client.force_login(people.anna)
    confirm_who_it_is(client)
    request = request_erasure(investor=anna)
    ErasureRequest.objects.filter(pk=request.pk).update(status="queued")
    assert client.post(reverse("my_data_export")).status_code == 200  # not begun yet
    assert execute_erasure(request.pk)
    assert re.search("login", client.post(reverse("my_data_export"))["Location"])


def test_old_lists_of_people_are_forgotten_and_their_size_is_not(people, settings):
    crowd(12)
    new, old = take_snapshot(segment=everybody(), actor=None), take_snapshot(segment=everybody(), actor=None)
    SegmentSnapshot.objects.filter(pk=old.pk).update(made_at=timezone.now() - timedelta(days=settings.SNAPSHOT_RETENTION_DAYS + 1))
    assert forget_old_snapshots() == 12
    assert forget_old_snapshots() == 0
    assert (new.members.count(), old.members.count(), SegmentSnapshot.objects.get(pk=old.pk).n) == (12, 0, 12)
