"""A night of behaviour killed with -9 in the middle, in a real worker, and near its end: the next ring finishes it, once each."""

import os
import signal
from collections import Counter
from datetime import timedelta
from importlib import import_module

import pytest
from django.core.cache import cache
from django.db import connections, transaction
from django.utils import timezone

from advisor.instruments import current_instrument
from advisor.models import AdvicePayload, BehaviourNight, BehaviourReading, Consent, Investor, LevelChange, Notice
from advisor.services.assessments import BulkAssessment, assess_in_bulk
from advisor.services.behaviour import read_behaviour
from advisor.tasks import read_behaviour_task, sweep_task
from config.celery import app
from config.jobs import ring
from identity.models import User
from tests.advisor.behaviour_db import make_prices, pot_of, trade
from tests.advisor.level_world import MONEY, answers_for
from tests.advisor.test_behaviour import weekday
from tests.workers import empty_queues, kill, start_worker, wait_until

N = 16  # three to a block
SETTINGS = "tests.advisor.behaviour_settings"


def make_people(household) -> list[Investor]:
    """Every second one sold most of their shares ten days after these had fallen. All had answered at level 4 before."""
    users = User.objects.bulk_create(User(email=f"k{k}@example.com", name=f"K{k}") for k in range(N))
    people = Investor.objects.bulk_create(Investor(user=user, household=household, pseudonym=f"K-{user.pk}") for user in users)
    Consent.objects.bulk_create(Consent(investor=one, purpose="profiling", is_given=True, source="test") for one in people)
    days, answers = make_prices(), answers_for(4, current_instrument().key)
    for place, investor in enumerate(people):
        goal = pot_of(investor)
        trade(goal, "EQ", "buy", 60_000, days[5], "proposal")
        if place % 2:
            trade(goal, "EQ", "sell", 40_000, weekday(10))
    assess_in_bulk(sheets=[BulkAssessment(one.pk, answers, MONEY, timezone.now()) for one in people])
    return people


def readings() -> dict[int, tuple]:
    columns = ("as_of", "measures", "risk_assets_minor", "damage", "panic_on", "begins_on", "problem", "due_on")
    return {pk: tuple(cells) for pk, *cells in BehaviourReading.objects.values_list("investor", *columns)}


def levels() -> dict[int, int]:
    return dict(Investor.objects.filter(pseudonym__startswith="K-").values_list("pk", "level"))


def n_left() -> int:
    return BehaviourReading.objects.filter(due_on__lte=timezone.localdate()).count()


def n_waiting() -> int:
    with app.connection_for_write() as connection:
        return connection.default_channel.queue_declare("bulk", passive=True).message_count


def is_so_far(n_due: int) -> bool:
    return BehaviourNight.objects.filter(marked_at__isnull=False).exists() and n_left() <= n_due


def leave_behind() -> None:
    """What a kill leaves, made to lapse: the lock after fifteen minutes, and then the sweep rings again."""
    assert BehaviourNight.objects.get().finished_at is None and n_left() > 0, "the kill came too late to show anything"
    empty_queues()  # a killed worker takes its message with it
    cache.clear()
    BehaviourNight.objects.update(started_at=timezone.now() - timedelta(minutes=16))


def kill_worker_when(n_due: int) -> None:
    """Let a worker go on until so few are due, and kill -9 it."""
    with start_worker("bulk", settings_module=SETTINGS) as worker:
        ring(read_behaviour_task)
        wait_until(lambda: is_so_far(n_due), every=0.01)
        kill(worker)
    leave_behind()


def kill_process_when(n_due: int) -> None:
    """The same of a process that is spared the start of a worker."""
    connections.close_all()
    process = os.fork()
    if not process:
        try:
            import_module("tests.advisor.small_blocks")
            read_behaviour_task()
        finally:
            os._exit(1)
    try:
        wait_until(lambda: is_so_far(n_due), every=0.01)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    leave_behind()


@pytest.mark.worker
@pytest.mark.django_db(transaction=True)
def test_a_night_killed_in_the_middle_and_near_its_end_reads_what_an_undisturbed_one_reads(people):
    empty_queues()
    make_people(people.anna_investor.household)
    with transaction.atomic():
        undisturbed = read_behaviour()
        expected, fallen_to = readings(), levels()
        transaction.set_rollback(True)
    assert undisturbed.n_read == N and Counter(fallen_to.values()) == {4: N // 2, 3: N // 2}
    assert set(levels().values()) == {4} and not BehaviourReading.objects.exists()

    kill_worker_when(N - 3)
    assert 0 < Counter(levels().values())[3] < N // 2, "some had fallen, not all"
    kill_process_when(4)
    sweep_task()
    assert n_waiting() == 1, "the sweep has rung"
    read_behaviour_task()
    assert BehaviourNight.objects.get().finished_at is not None

    assert readings() == expected and levels() == fallen_to
    falls = LevelChange.objects.filter(why__startswith="behaviour").values_list("investor", flat=True)
    assert Counter(falls) == Counter(pk for pk, level in fallen_to.items() if level == 3), "nobody fell twice"
    assert Counter(Notice.objects.filter(kind="lowered").values_list("investor", flat=True)) == Counter(falls)
    told = AdvicePayload.objects.filter(text__contains='"why":"behaviour').values_list("investor", flat=True)
    assert Counter(told) == Counter(falls)
