"""The nightly work runs in a worker while people post pages: nobody, on either side, meets a locked database."""

import threading
import uuid
from datetime import timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from advisor.models import Consent, Investor
from benchmarks.recommender_world import approve_plans
from config.jobs import Job, ring
from marketing.models import Campaign, Event, Profile, ProfileBuild, RecommenderRun, Segment, Suggestion
from marketing.services import request_training
from marketing.tasks import make_event_partitions_task, refresh_dormancy_task, request_profile_build_task
from portfolios.models import Fund, Pool, PoolFund
from tests.marketing.crowd import WORDS, crowd, everybody
from tests.workers import empty_queues, start_worker, wait_until

pytestmark = [pytest.mark.worker, pytest.mark.django_db(transaction=True)]

N_PEOPLE, N_FUNDS, LOOKS_EACH = 1_000, 40, 6


def town() -> None:
    """People with a level who agreed to profiling and looked at funds, and have no profile of today yet."""
    funds = Fund.objects.bulk_create(
        Fund(code=f"N{n:03d}", name_en=f"Fund {n}", category="mixed", asset_class="mixed", risk_grade=1 + n % 5, source="test")
        for n in range(N_FUNDS)
    )
    pool = Pool.objects.create(name="night", is_current=True)
    PoolFund.objects.bulk_create(PoolFund(pool=pool, fund=fund) for fund in funds)
    people = crowd(N_PEOPLE, prefix="night", level=4, level_valid_until=timezone.localdate() + timedelta(days=90))
    Consent.objects.bulk_create(Consent(investor=one, purpose=Consent.Purpose.PROFILING, is_given=True, source="test") for one in people)
    approve_plans(N_FUNDS)
    random, now = np.random.default_rng(1), timezone.now()
    half = np.arange(N_FUNDS // 2)  # of the funds, which every second person looks at
    Event.objects.bulk_create(
        Event(
            message_id=uuid.uuid4(),
            investor=one,
            type="page",
            name="fund",
            properties={"code": f"N{fund + N_FUNDS // 2 * (n % 2):03d}"},
            occurred_at=at,
            received_at=at,
        )
        for n, one in enumerate(people)
        for fund in random.choice(half, LOOKS_EACH, replace=False)
        for at in [now - timedelta(days=float(random.uniform(0.1, 60)))]
    )


class Visitor(threading.Thread):
    """Somebody who posts and looks without a pause until told to stop."""

    def __init__(self, user, visit, done: threading.Event) -> None:
        super().__init__()
        self.client, self.visit, self.done = Client(), visit, done
        self.client.force_login(user)
        self.statuses: list[int] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for n in count():
                if self.done.is_set():
                    return
                self.statuses += self.visit(self.client, n)
        except BaseException as error:
            self.error = error
        finally:
            connection.close()


def investor_visit(client: Client, n: int) -> list[int]:
    switch = {"switch": "marketing", "is_on": str(n % 2)}
    assert client.post(reverse("preferences"), switch).status_code == 302
    return [client.get(reverse("home")).status_code]


def marketer_visit(client: Client, n: int) -> list[int]:
    words = {"name": f"Draft {n}", "segment": everybody().pk, "channels": ["inbox"], "form_key": str(uuid.uuid4())} | WORDS
    segment = {"name": f"Segment {n}", "rule": '{"version": 1, "rule": {"field": "dormancy", "is": ["dormant"]}}'}
    posted = [client.post(reverse("campaign_new"), words), client.post(reverse("segment_new"), segment)]
    return [one.status_code for one in [*posted, client.get(reverse("marketing_home"))]]


def test_nobody_meets_a_locked_database_while_the_nightly_work_runs(people, caplog):
    empty_queues()
    town()
    everybody()
    log, done = Path(settings.VAR_DIR) / "worker.log", threading.Event()
    said_before = log.stat().st_size if log.exists() else 0
    visitors = [Visitor(people.anna, investor_visit, done), Visitor(people.mark, marketer_visit, done)]
    with start_worker("now,bulk"):
        began = timezone.now()
        for task in (request_profile_build_task, refresh_dormancy_task, make_event_partitions_task):
            ring(task)
        run = request_training()
        for visitor in visitors:
            visitor.start()
        try:
            wait_until(lambda: RecommenderRun.objects.get(pk=run.pk).status in {Job.Status.DONE, Job.Status.FAILED}, seconds=120)
            wait_until(lambda: ProfileBuild.objects.filter(status=Job.Status.DONE).exists())
        finally:
            done.set()
            for visitor in visitors:
                visitor.join()
    for visitor in visitors:
        assert visitor.error is None
        assert len(visitor.statuses) > 5 and set(visitor.statuses) <= {200, 302}
    assert "locked" not in caplog.text
    assert b"locked" not in log.read_bytes()[said_before:]
    run.refresh_from_db()
    assert run.is_serving and Suggestion.objects.filter(run=run).values("investor").distinct().count() > N_PEOPLE * 0.5
    assert Profile.objects.filter(refreshed_at__gte=began).count() >= Investor.objects.count() - 1
    assert Campaign.objects.count() > 1 and Segment.objects.count() > 1
