"""The delivery ledger: who is written to, who is not and why, and what a sender leaves behind when it stops."""

import smtplib
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone

from advisor.models import Consent
from advisor.services import give_consent
from marketing.models import Campaign, CampaignEvent, Delivery, Dormancy, InboxMessage
from marketing.selectors.campaigns import dry_run, progress
from marketing.services import (
    cancel_campaign,
    execute_launch,
    launch_campaign,
    pause_campaign,
    resume_campaign,
    send_batch,
    tidy_campaigns,
)
from tests.marketing.crowd import agreed, crowd, draft

pytestmark = pytest.mark.django_db


def launched(**fields) -> Campaign:
    campaign = draft(**fields)
    assert launch_campaign(campaign_id=campaign.pk, actor=None)
    assert execute_launch(campaign.pk)
    return Campaign.objects.get(pk=campaign.pk)


def run(campaign, limit: int = 200) -> Campaign:
    while send_batch(campaign_id=campaign.pk):
        limit -= 1
        assert limit, "the sender never comes to an end"
    campaign.refresh_from_db()
    return campaign


def ledger(**filters) -> dict:
    rows = Delivery.objects.filter(**filters).values_list("channel", "status", "reason")
    return {row: list(rows).count(row) for row in set(rows)}


def test_everybody_in_the_segment_gets_one_message_a_channel():
    crowd(250)
    campaign = run(launched())
    assert ledger() == {("inbox", "sent", ""): 250, ("email", "sent", ""): 250}
    assert campaign.state == "finished"
    assert InboxMessage.objects.count() == 250
    assert len({message.extra_headers["Message-ID"] for message in mail.outbox}) == len(mail.outbox) == 250


def test_a_finished_campaign_sends_nothing_more():
    crowd(12)
    campaign = run(launched())
    assert send_batch(campaign_id=campaign.pk) is False
    assert not execute_launch(campaign.pk)
    assert len(mail.outbox) == InboxMessage.objects.count() == 12


def test_each_refusal_has_its_reason_and_the_dry_run_foresees_it():
    crowd(20, prefix="fine")
    crowd(11, prefix="silent", consent=False)
    agreed(crowd(12, prefix="taken"), is_given=False, days_ago=1)
    crowd(13, prefix="calm", dormancy=Dormancy.CALM)
    crowd(14, prefix="off", recommendations_off_at=timezone.now())
    for one in crowd(15, prefix="closed"):
        one.user.is_active = False
        one.user.save()
    for i, one in enumerate(crowd(16, prefix="mobile")):
        one.user.email, one.user.phone = None, f"+8613800138{i:03}"
        one.user.save()
    campaign = launched()
    by_inbox, by_email = dry_run(campaign, campaign.steps.get())
    run(campaign)
    assert ledger() == {
        ("inbox", "sent", ""): 36, ("inbox", "suppressed", "no_consent"): 23, ("inbox", "suppressed", "calm_holder"): 13,
        ("inbox", "suppressed", "off"): 14, ("inbox", "suppressed", "inactive"): 15,
        ("email", "sent", ""): 20, ("email", "suppressed", "no_consent"): 23, ("email", "suppressed", "calm_holder"): 13,
        ("email", "suppressed", "off"): 14, ("email", "suppressed", "inactive"): 15, ("email", "suppressed", "no_email"): 16,
    }  # fmt: skip
    assert (by_inbox.n_people, by_inbox.n_written_to, by_email.n_written_to) == (100, 40, 20)  # 101, 36
    assert sorted(count for _, count in by_email.held_back) == [10, 10, 20, 20, 20]  # 13, 14, 15, 16, 23


def test_a_service_letter_reaches_those_who_want_no_marketing():
    crowd(10, consent=False, dormancy=Dormancy.CALM, recommendations_off_at=timezone.now())
    run(launched(is_service_letter=True))
    assert ledger() == {("inbox", "sent", ""): 10, ("email", "sent", ""): 10}
    assert "List-Unsubscribe" not in mail.outbox[0].extra_headers


def test_consent_withdrawn_after_launch_is_obeyed():
    people = crowd(10)
    campaign = launched()
    give_consent(investor=people[3], purpose=Consent.Purpose.MARKETING, is_given=False, source="preferences")
    run(campaign)
    assert ledger(investor=people[3]) == {("inbox", "suppressed", "no_consent"): 1, ("email", "suppressed", "no_consent"): 1}
    assert len(mail.outbox) == 9


def test_a_third_sales_message_within_the_cap_is_held_back_and_a_later_one_is_not():
    crowd(3)
    with time_machine.travel(datetime(2026, 3, 2, 4, tzinfo=UTC), tick=False) as clock:
        for _ in range(2):
            run(launched())
        third = run(launched())
        assert ledger(campaign=third) == {("inbox", "suppressed", "capped"): 3, ("email", "suppressed", "capped"): 3}
        clock.shift(timedelta(days=8))
        assert ledger(campaign=run(launched())) == {("inbox", "sent", ""): 3, ("email", "sent", ""): 3}


def test_the_two_channels_of_one_message_count_once_against_the_cap():
    crowd(3)
    run(launched())
    assert ledger(campaign=run(launched())) == {("inbox", "sent", ""): 3, ("email", "sent", ""): 3}


def test_at_night_email_waits_and_leaves_in_the_morning(settings):
    settings.QUIET_HOURS_APPLY = True
    crowd(4)
    with time_machine.travel(datetime(2026, 3, 2, 15, tzinfo=UTC), tick=False) as clock:  # 23:00 in Shanghai
        campaign = run(launched())
        assert ledger() == {("inbox", "sent", ""): 4, ("email", "queued", ""): 4}
        assert campaign.state == "running"
        assert progress(campaign).waits_until.astimezone(UTC) == datetime(2026, 3, 3, 0, tzinfo=UTC)
        clock.shift(timedelta(hours=9, seconds=1))
        assert tidy_campaigns() == [campaign.pk]
        assert run(campaign).state == "finished"
    assert len(mail.outbox) == 4


def test_a_paused_campaign_stands_still_and_goes_on_where_it_was(monkeypatch):
    crowd(8)
    campaign = launched(channels=["email"])
    send = EmailBackend.send_messages

    def pause_after_three(self, messages):
        sent = send(self, messages)
        if len(mail.outbox) == 3:
            pause_campaign(campaign_id=campaign.pk, actor=None, why="a typo")
        return sent

    monkeypatch.setattr(EmailBackend, "send_messages", pause_after_three)
    assert run(campaign).state == "paused"
    assert ledger() == {("email", "sent", ""): 3, ("email", "queued", ""): 5}
    assert not Delivery.objects.filter(claim__isnull=False).exists()
    assert tidy_campaigns() == []
    assert resume_campaign(campaign_id=campaign.pk, actor=None)
    assert run(campaign).state == "finished"
    assert len({one.to[0] for one in mail.outbox}) == len(mail.outbox) == 8


def test_a_cancelled_campaign_cancels_what_waits():
    crowd(30)
    campaign = launched()
    send_batch(campaign_id=campaign.pk)
    assert cancel_campaign(campaign_id=campaign.pk, actor=None, why="wrong list")
    assert not cancel_campaign(campaign_id=campaign.pk, actor=None)
    assert not send_batch(campaign_id=campaign.pk)
    assert ledger() == {("inbox", "sent", ""): 30, ("email", "cancelled", ""): 30}
    assert list(CampaignEvent.objects.filter(to_state="cancelled").values_list("why", flat=True)) == ["wrong list"]


def test_a_row_lost_in_the_middle_of_a_provider_call_becomes_unknown_and_is_never_sent_again():
    crowd(5)
    campaign = launched(channels=["email"])
    lost = Delivery.objects.order_by("pk").first()
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.filter(pk=lost.pk).update(status="sending", claim=uuid.uuid4(), lease_until=past)
    assert tidy_campaigns() == [campaign.pk]
    assert run(campaign).state == "finished"
    assert ledger() == {("email", "sent", ""): 4, ("email", "unknown", "interrupted"): 1}


def test_leased_rows_of_a_vanished_sender_are_sent_after_the_lease_and_not_before():
    crowd(5)
    campaign = launched(channels=["email"])
    until = timezone.now() + timedelta(seconds=60)
    Delivery.objects.update(claim=uuid.uuid4(), lease_until=until)
    assert not send_batch(campaign_id=campaign.pk) and not mail.outbox
    assert tidy_campaigns() == []
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert tidy_campaigns() == [campaign.pk]
    assert run(campaign).state == "finished" and len(mail.outbox) == 5


def test_a_sender_whose_lease_went_to_another_sends_nothing_of_it(monkeypatch):
    crowd(3)
    campaign = launched(channels=["email"])
    send = EmailBackend.send_messages

    def stolen_after_one(self, messages):
        sent = send(self, messages)
        Delivery.objects.filter(status="queued").update(claim=uuid.uuid4(), lease_until=timezone.now() + timedelta(seconds=60))
        return sent

    monkeypatch.setattr(EmailBackend, "send_messages", stolen_after_one)
    send_batch(campaign_id=campaign.pk)
    assert len(mail.outbox) == 1
    assert ledger() == {("email", "sent", ""): 1, ("email", "queued", ""): 2}


def test_an_address_that_the_provider_refuses_fails_alone(monkeypatch):
    crowd(4)
    campaign = launched(channels=["email"])
    send = EmailBackend.send_messages

    def refuse_one(self, messages):
        if messages[0].to == ["crowd2@example.com"]:
            raise smtplib.SMTPRecipientsRefused({"crowd2@example.com": (550, b"no such user")})
        return send(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", refuse_one)
    assert run(campaign).state == "finished"
    assert ledger() == {("email", "sent", ""): 3, ("email", "failed", "refused"): 1}


def test_a_provider_that_stops_answering_pauses_the_campaign(monkeypatch):
    crowd(10)
    campaign = launched(channels=["email"])
    calls = []
    monkeypatch.setattr(EmailBackend, "send_messages", lambda self, messages: calls.append(1) or (_ for _ in ()).throw(TimeoutError()))
    assert run(campaign).state == "paused"
    assert ledger() == {("email", "unknown", "unclear"): 3, ("email", "queued", ""): 7}
    assert campaign.events.latest("pk").why == "provider_unclear"


def test_a_provider_that_cannot_be_reached_costs_nothing_and_holds_up_no_inbox(monkeypatch):
    crowd(130)
    campaign = launched()

    def refuse(self):
        raise ConnectionRefusedError

    monkeypatch.setattr(EmailBackend, "open", refuse)
    run(campaign)
    assert ledger() == {("inbox", "sent", ""): 130, ("email", "queued", ""): 130}
    monkeypatch.undo()
    assert run(campaign).state == "finished"


def test_a_launch_that_was_interrupted_goes_on_where_it_stopped(monkeypatch):
    import marketing.services.campaigns as campaigns

    monkeypatch.setattr(campaigns, "LAUNCH_BLOCK", 10)
    crowd(35)
    campaign = draft()
    launch_campaign(campaign_id=campaign.pk, actor=None)
    write, calls = Delivery.objects.bulk_create, []

    def die_in_the_third_block(rows, **options):
        calls.append(len(rows))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return write(rows, **options)

    monkeypatch.setattr(type(Delivery.objects), "bulk_create", lambda self, rows, **options: die_in_the_third_block(rows, **options))
    with pytest.raises(KeyboardInterrupt):
        execute_launch(campaign.pk)
    assert Delivery.objects.count() == 40
    assert not execute_launch(campaign.pk), "the lease of the first attempt still runs"
    Campaign.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert execute_launch(campaign.pk)
    assert Delivery.objects.count() == 70
    assert Campaign.objects.get().n_done == Campaign.objects.get().n_total == 35


def test_enough_senders_at_one_campaign_are_enough():
    crowd(6)
    campaign = launched(channels=["inbox"])
    until = timezone.now() + timedelta(seconds=60)
    for pk in Delivery.objects.values_list("pk", flat=True)[:4]:
        Delivery.objects.filter(pk=pk).update(claim=uuid.uuid4(), lease_until=until)
    assert not send_batch(campaign_id=campaign.pk)
    assert InboxMessage.objects.count() == 0


def test_each_reads_their_own_language_with_their_own_name():
    crowd(2)
    run(launched())
    chinese, english = sorted(mail.outbox, key=lambda one: one.to[0])
    assert "Crowd 0，您的闲置资金" in chinese.subject and "Crowd 0，您好" in chinese.body
    assert english.subject == "[simulated] Your idle cash, Crowd 1" and "Dear Crowd 1," in english.body
    assert InboxMessage.objects.get(investor__user__email="crowd1@example.com").body.startswith("Dear Crowd 1,")


def test_an_email_carries_its_notice_and_the_one_click_way_out():
    crowd(1)
    run(launched())
    message = mail.outbox[0]
    row = Delivery.objects.get(channel="email")
    assert message.extra_headers["Message-ID"].startswith(f"<{row.idempotency_key}@")
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = message.extra_headers["List-Unsubscribe"].strip("<>")
    html = message.alternatives[0].content
    assert link in message.body and link in html


def test_a_name_full_of_markup_stays_text():
    person = crowd(1)[0]
    person.user.name, person.user.language = "<script>x</script>\r\nBcc: all@example.com", "en"
    person.user.save()
    run(launched())
    assert "<script>" not in mail.outbox[0].alternatives[0].content
    assert "\n" not in mail.outbox[0].subject
    assert ledger(channel="email") == {("email", "sent", ""): 1}


def test_a_provider_that_takes_nothing_from_us_burns_no_recipient(monkeypatch):
    crowd(10)
    campaign = launched(channels=["email"])
    send, turned_away = EmailBackend.send_messages, []

    def turn_away(self, messages):
        turned_away.append(messages[0].to[0])
        raise smtplib.SMTPSenderRefused(550, b"who are you", "hello@localhost")

    monkeypatch.setattr(EmailBackend, "send_messages", turn_away)
    assert run(campaign).state == "paused" and len(turned_away) == 3
    assert ledger() == {("email", "queued", ""): 10}
    assert not Delivery.objects.filter(claim__isnull=False).exists()
    monkeypatch.setattr(EmailBackend, "send_messages", send)
    resume_campaign(campaign_id=campaign.pk, actor=None)
    assert run(campaign).state == "finished" and len(mail.outbox) == 10


def test_a_connection_that_breaks_costs_one_message(monkeypatch):
    crowd(10)
    campaign = launched(channels=["email"])
    send, calls = EmailBackend.send_messages, []
    monkeypatch.setattr(EmailBackend, "open", lambda self: setattr(self, "broken", False))

    def break_once(self, messages):
        calls.append(1)
        self.broken = self.broken or len(calls) == 3
        if self.broken:  # as smtplib does until somebody connects again
            raise smtplib.SMTPServerDisconnected("please run connect() first")
        return send(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", break_once)
    assert run(campaign).state == "finished"
    assert ledger() == {("email", "sent", ""): 9, ("email", "unknown", "unclear"): 1}


def test_the_log_of_a_refusal_names_no_address(monkeypatch, caplog):
    crowd(1)
    campaign = launched(channels=["email"])

    def refuse(self, messages):
        raise smtplib.SMTPRecipientsRefused({messages[0].to[0]: (550, b"no such user")})

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    run(campaign)
    assert "SMTPRecipientsRefused" in caplog.text and "@example.com" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_sweeps_while_a_sender_is_at_it_do_not_multiply_the_senders(monkeypatch):
    """Every sender rings for the next: one message too many a sweep would fill the queue that people wait behind."""
    from marketing import tasks
    from marketing.services import sending

    monkeypatch.setattr(sending, "BATCH", 2)
    crowd(20)
    campaign = launched(channels=["inbox"])
    queue: list[int] = []
    monkeypatch.setattr(tasks, "publish", lambda task, pk: queue.append(pk) or True)
    longest = 0
    tasks.ring_sender(campaign.pk)
    while queue:  # one worker, first in, first out; a sweep between any two batches
        longest = max(longest, len(queue))
        tasks.send_batch_task(queue.pop(0))
        tasks.sweep_task()
    assert Campaign.objects.get().state == "finished"
    assert longest == 1


@pytest.mark.django_db(transaction=True)
def test_a_sender_that_could_not_be_rung_for_is_rung_for_again(monkeypatch):
    from marketing import tasks

    taken = [False, True]
    monkeypatch.setattr(tasks, "publish", lambda task, pk: taken.pop(0))
    for _ in range(3):
        tasks.ring_sender(7)
    assert taken == []


@pytest.mark.django_db(transaction=True)
def test_two_campaigns_sending_at_once_keep_to_the_cap(monkeypatch):
    """Two senders ask at the same moment whether a person has had enough: one of them answers after the other's writing."""
    import threading

    from django.db import connection

    from marketing.services import sending

    crowd(1)
    run(launched())
    campaigns = [launched(channels=["email"]), launched(channels=["email"])]
    ask, both_asked = sending.refusals, threading.Barrier(2)

    def ask_together(people, way):
        found = ask(people, way)
        with suppress(threading.BrokenBarrierError):
            both_asked.wait(timeout=1)
        return found

    monkeypatch.setattr(sending, "refusals", ask_together)

    def work(pk):
        try:
            send_batch(campaign_id=pk)
        finally:
            connection.close()

    senders = [threading.Thread(target=work, args=[one.pk]) for one in campaigns]
    for one in senders:
        one.start()
    for one in senders:
        one.join()
    assert sorted(Delivery.objects.filter(campaign__in=campaigns).values_list("status", flat=True)) == ["sent", "suppressed"]
