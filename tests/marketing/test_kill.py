"""kill -9 of a real worker, again and again in one campaign: nobody twice, nobody skipped. N_KILLS of two hundred people each."""

import os
import re
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings
from django.db.models import Count

from config.jobs import ring
from marketing.models import Campaign, Delivery, InboxMessage
from marketing.services import launch_campaign
from marketing.tasks import launch_campaign_task, send_batch_task, sweep_task
from tests.marketing.crowd import crowd, draft
from tests.marketing.kill_settings import HELD, HOLD_AFTER
from tests.workers import empty_queues, kill, start_worker, wait_until

N_KILLS = int(os.environ.get("N_KILLS", "4"))
PEOPLE = 200 * N_KILLS
# While the launch writes its rows; while inboxes are filled; then while a letter is at the provider: parts of all rows.
POINTS = [("written", 0.12), ("ended", 0.04), ("ended", 0.22), ("ended", 0.42)]
POINTS += [("in a call", part) for part in (0.51, 0.55, 0.61, 0.70, 0.80, 0.92)]
KILL_AT = [POINTS[round(at * (len(POINTS) - 1) / (N_KILLS - 1))] for at in range(N_KILLS)]


def hold_mail(what: str, part: float) -> None:
    """Let the next worker send as many letters as it may before the kill, and no more: the campaign cannot end before it."""
    HELD.unlink(missing_ok=True)
    ended = Delivery.objects.filter(channel="email").exclude(status__in=Delivery.OPEN).count()
    letters = round((part - 0.5) * 2 * PEOPLE) - ended if what == "in a call" else 0
    HOLD_AFTER.write_text(str(letters))


def reached(what: str, part: float) -> bool:
    """Whether the campaign is where the kill shall fall."""
    if what == "in a call":
        return HELD.exists()
    rows = Delivery.objects.all() if what == "written" else Delivery.objects.exclude(status__in=Delivery.OPEN)
    return rows.count() >= part * 2 * PEOPLE


def play_beat(last: list[float]) -> None:
    """What beat does every fifteen seconds, a little oftener."""
    if time.monotonic() - last[0] > 1:
        last[0] = time.monotonic()
        sweep_task()


def mailed() -> Counter:
    """How often each idempotency key was handed to the mail provider."""
    found: Counter = Counter()
    for path in (Path(settings.VAR_DIR) / "mail").glob("*.log"):
        found.update(re.findall(r"^Idempotency-Key: ([0-9a-f-]{36})", path.read_text(encoding="utf-8"), re.MULTILINE))
    return found


@pytest.mark.worker
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_again_and_again_sends_nothing_twice_and_skips_nobody():
    empty_queues()
    shutil.rmtree(Path(settings.VAR_DIR) / "mail", ignore_errors=True)
    crowd(PEOPLE)
    campaign = draft()
    assert launch_campaign(campaign_id=campaign.pk, actor=None)
    ring(launch_campaign_task, campaign.pk)
    in_a_call: set[int] = set()
    last = [time.monotonic()]
    for what, part in KILL_AT:
        hold_mail(what, part)
        with start_worker(settings_module="tests.marketing.kill_settings") as worker:
            wait_until(lambda what=what, part=part: play_beat(last) or reached(what, part), seconds=180, every=0.002)
            assert Campaign.objects.get().state == "running", "the kill came too late to show anything"
            kill(worker)
        in_a_call |= set(Delivery.objects.filter(status="sending").values_list("pk", flat=True))
    HOLD_AFTER.unlink()
    with start_worker(settings_module="tests.marketing.kill_settings"):
        wait_until(lambda: play_beat(last) or Campaign.objects.get().state == "finished", seconds=180, every=0.1)

    statuses = Counter(Delivery.objects.values_list("status", flat=True))
    assert sum(statuses.values()) == 2 * PEOPLE
    assert set(statuses) <= {"sent", "unknown"}, statuses
    assert set(Delivery.objects.filter(status="unknown").values_list("pk", flat=True)) == in_a_call
    held = sum(what == "in a call" for what, _ in KILL_AT)
    assert held <= len(in_a_call) <= len(KILL_AT), "no kill fell into a provider call: the test has shown nothing"
    assert not Delivery.objects.values("step", "channel", "investor").annotate(n=Count("pk")).filter(n__gt=1).exists()
    assert InboxMessage.objects.count() == InboxMessage.objects.values("investor").distinct().count() == PEOPLE

    letters = mailed()
    assert set(letters.values()) == {1}, "somebody was written to twice"
    sent = {str(key) for key in Delivery.objects.filter(channel="email", status="sent").values_list("idempotency_key", flat=True)}
    unknown = {str(key) for key in Delivery.objects.filter(channel="email", status="unknown").values_list("idempotency_key", flat=True)}
    assert sent <= set(letters) <= sent | unknown


@pytest.mark.worker
@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_write_to_everybody_once():
    HOLD_AFTER.unlink(missing_ok=True)
    empty_queues()
    shutil.rmtree(Path(settings.VAR_DIR) / "mail", ignore_errors=True)
    crowd(400)
    campaign = draft()
    assert launch_campaign(campaign_id=campaign.pk, actor=None)
    quick = "tests.marketing.kill_settings"
    with start_worker(settings_module=quick), start_worker(settings_module=quick):
        ring(launch_campaign_task, campaign.pk)
        wait_until(lambda: Campaign.objects.get().status == "done")
        for _ in range(4):
            ring(send_batch_task, campaign.pk)
        wait_until(lambda: Campaign.objects.get().state == "finished")
    assert Counter(Delivery.objects.values_list("channel", "status")) == {("inbox", "sent"): 400, ("email", "sent"): 400}
    assert InboxMessage.objects.values("investor").distinct().count() == InboxMessage.objects.count() == 400
    assert set(mailed().values()) == {1} and len(mailed()) == 400
