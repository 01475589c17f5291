"""The row is the truth: claims, leases, attempts, and a doorbell that may be lost or doubled."""

import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from config.jobs import MAX_ATTEMPTS, Job, claim_job, claim_kept, fail_job, finish_job, only_one, ring, sweep, write_if_claimed
from marketing.models import RecommenderRun


class Bell:
    name = "bell"

    def __init__(self, *, broken: bool = False) -> None:
        self.rung, self.broken = [], broken

    def apply_async(self, args, **kwargs):
        if self.broken:
            raise ConnectionError("no broker")
        self.rung.append(args)


@pytest.fixture
def run(db):
    return RecommenderRun.objects.create()


def age(run, **columns):
    RecommenderRun.objects.filter(pk=run.pk).update(**columns)


def test_a_row_is_claimed_once(run):
    assert claim_job(RecommenderRun, run.pk) is not None
    assert claim_job(RecommenderRun, run.pk) is None


def test_a_lost_lease_is_claimed_again_and_the_first_worker_writes_nothing(run):
    first = claim_job(RecommenderRun, run.pk)
    age(run, lease_until=timezone.now() - timedelta(seconds=1))
    second = claim_job(RecommenderRun, run.pk)
    assert not write_if_claimed(RecommenderRun, run.pk, first, n_done=7)
    assert not finish_job(RecommenderRun, run.pk, first, n_done=7)
    assert finish_job(RecommenderRun, run.pk, second, n_done=9)
    run.refresh_from_db()
    assert (run.status, run.n_done, run.attempts, run.claim) == (Job.Status.DONE, 9, 2, None)


def test_a_finished_row_is_never_claimed(run):
    finish_job(RecommenderRun, run.pk, claim_job(RecommenderRun, run.pk))
    assert claim_job(RecommenderRun, run.pk) is None


def test_a_failure_keeps_its_reason(run):
    fail_job(RecommenderRun, run.pk, claim_job(RecommenderRun, run.pk), {"code": "too_little_history", "users": 3})
    run.refresh_from_db()
    assert (run.status, run.error["users"]) == (Job.Status.FAILED, 3)


def test_renewing_keeps_others_away(run):
    token = claim_job(RecommenderRun, run.pk, lease_seconds=1)
    write_if_claimed(RecommenderRun, run.pk, token, lease_seconds=60)
    run.refresh_from_db()
    assert run.lease_until > timezone.now() + timedelta(seconds=50)


def test_a_poisonous_row_fails_after_so_many_attempts(run):
    bell = Bell()
    age(run, status=Job.Status.RUNNING, attempts=MAX_ATTEMPTS, lease_until=timezone.now() - timedelta(seconds=1))
    assert sweep(RecommenderRun, bell) == 0
    run.refresh_from_db()
    assert (run.status, run.error["code"]) == (Job.Status.FAILED, "too_many_attempts")


def test_the_sweeper_rings_for_what_waits_and_for_what_was_dropped(run, django_capture_on_commit_callbacks):
    bell = Bell()
    dropped = RecommenderRun.objects.create(status=Job.Status.RUNNING, lease_until=timezone.now() - timedelta(seconds=1))
    busy = RecommenderRun.objects.create(status=Job.Status.RUNNING, lease_until=timezone.now() + timedelta(minutes=1))
    age(run, queued_at=timezone.now() - timedelta(minutes=1))
    with django_capture_on_commit_callbacks(execute=True):
        sweep(RecommenderRun, bell)
    assert bell.rung == [(run.pk,), (dropped.pk,)]
    assert busy.pk not in {args[0] for args in bell.rung}


def test_a_row_just_queued_is_left_to_its_own_message(run, django_capture_on_commit_callbacks):
    bell = Bell()
    with django_capture_on_commit_callbacks(execute=True):
        sweep(RecommenderRun, bell)
    assert bell.rung == []


@pytest.mark.django_db(transaction=True)
def test_a_broken_broker_does_not_break_the_commit(caplog):
    with transaction.atomic():
        run = RecommenderRun.objects.create()
        ring(Bell(broken=True), run.pk)
    assert RecommenderRun.objects.filter(pk=run.pk).exists()
    assert "could not ring" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_nothing_is_rung_when_the_transaction_rolls_back():
    bell = Bell()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ring(bell, 1)
        raise ZeroDivisionError
    assert bell.rung == []


def test_a_periodic_task_runs_once_at_a_time():
    cache.clear()
    with only_one("nightly", seconds=60) as first, only_one("nightly", seconds=60) as second:
        assert (first, second) == (True, False)
    with only_one("nightly", seconds=60) as third:
        assert third


def test_a_lock_that_lapsed_is_not_taken_away_from_its_new_holder():
    with only_one("slow", seconds=60) as first:
        cache.delete("only-one:slow")  # it lapsed while the work went on
        with only_one("slow", seconds=60) as second:
            assert first and second
            cache.set("only-one:slow", "another's", timeout=60)
        with only_one("slow", seconds=60) as third:
            assert not third


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_does_not_answer_is_asked_once(monkeypatch, caplog):
    monkeypatch.setattr("config.jobs.PUBLISH_PATIENCE_SECONDS", -1.0)
    ring(Bell(broken=True), 1)
    assert caplog.text.count("could not ring") == 1


@pytest.mark.django_db(transaction=True)
def test_a_step_that_takes_longer_than_a_lease_keeps_its_claim_but_not_for_ever():
    run = RecommenderRun.objects.create()
    token = claim_job(RecommenderRun, run.pk, lease_seconds=3)
    with claim_kept(RecommenderRun, run.pk, token, lease_seconds=3, most_seconds=4.5):
        time.sleep(4.8)
        assert claim_job(RecommenderRun, run.pk) is None
        time.sleep(4.7)
        assert claim_job(RecommenderRun, run.pk) is not None
