"""A night killed with -9 in the middle of each of its stages: it goes on where it stood, and what is served changes once, whole."""

import os
import signal
import time
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from benchmarks.recommender_world import write_night
from config.jobs import Job
from marketing.kernels.recommenders.registry import candidates
from marketing.models import InvestorFactors, RecommenderRun, Suggestion
from marketing.services import execute_training, recommender, recommender_night, recommender_serving, recommender_training, request_training
from tests.workers import wait_until

# In each stage the function whose so-many-th call the process does not come back from.
STUCK_IN = {
    "matrix": (recommender_night, "load_interactions", 1),
    "candidates": (recommender_training, "evaluate", 2),
    "guard": (recommender_training, "evaluations_of", 1),
    "fit": (recommender_serving, "investor_factor_rows", 2),
    "write": (recommender_serving, "suit_block", 2),
    "swap": (recommender_serving, "_unsuitable", 1),
}
PEOPLE = 200


def few(seed, **extra):
    every = candidates(seed, **extra)
    return {name: every[name] for name in ("popularity", "item_cosine", "als")}


@pytest.fixture(autouse=True)
def _short_night(monkeypatch):
    for module in (recommender_training, recommender_serving):
        monkeypatch.setattr(module, "candidates", few)
    monkeypatch.setattr(recommender_serving, "BLOCK", 50)
    monkeypatch.setattr(recommender_serving, "PEOPLE_A_WRITE", 50)
    monkeypatch.setattr("marketing.services.recommender_parts.PEOPLE_A_WRITE", 50)


def kill_in(stage: str, pk: int, tmp_path) -> None:
    """Let a process work on the run until it is in the middle of a stage, and kill -9 it; then its lease runs out."""
    module, name, n_call = STUCK_IN[stage]
    stuck = tmp_path / stage
    connections.close_all()
    process = os.fork()
    if not process:
        try:
            called, plain = [], getattr(module, name)

            def sticky(*args, **kwargs):
                called.append(1)
                if len(called) == n_call:
                    stuck.touch()
                    time.sleep(300)
                return plain(*args, **kwargs)

            setattr(module, name, sticky)
            execute_training(pk)
        finally:
            os._exit(1)
    try:
        wait_until(stuck.exists, seconds=120)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    run = RecommenderRun.objects.get(pk=pk)
    assert (run.status, run.stage) == (Job.Status.RUNNING, stage), "the kill fell somewhere else"
    RecommenderRun.objects.filter(pk=pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def served() -> list[tuple]:
    return sorted(Suggestion.objects.filter(run__is_serving=True).values_list("run", "investor", "fund", "rank"))


@pytest.mark.django_db(transaction=True)
def test_a_night_killed_in_each_stage_ends_right_and_serves_yesterdays_set_until_then(tmp_path):
    write_night(PEOPLE, 100, 3_000, seed=3, kinds=10, days=100)
    yesterday = request_training()
    assert execute_training(yesterday.pk)
    before = served()
    assert len({investor for _, investor, _, _ in before}) > PEOPLE / 2
    run = request_training()
    for stage in STUCK_IN:
        kill_in(stage, run.pk, tmp_path)
        assert served() == before, f"killed in {stage}"
    assert execute_training(run.pk)
    run.refresh_from_db()
    assert run.is_serving and run.status == Job.Status.DONE
    after = served()
    assert {row[0] for row in after} == {run.pk} and len({row[1:3] for row in after}) == len(after) == run.report["served"]["rows"]
    assert len({row[1] for row in after}) > PEOPLE / 2
    assert InvestorFactors.objects.filter(run=run).count() == run.report["interactions"]["users"]
    assert [one["name"] for one in run.report["candidates"]] == list(few(42)), "no candidate twice, none forgotten"


@pytest.mark.django_db(transaction=True)
def test_a_fit_that_takes_longer_than_a_lease_is_nobody_elses_meanwhile(monkeypatch):
    write_night(PEOPLE, 100, 3_000, seed=3, kinds=10, days=100)
    monkeypatch.setattr(recommender, "LEASE_SECONDS", 3)
    run, evaluate, taken = request_training(), recommender_training.evaluate, []

    def slow(*args, **kwargs):
        if not taken:
            time.sleep(4)
            taken.append(execute_training(run.pk))
        return evaluate(*args, **kwargs)

    monkeypatch.setattr(recommender_training, "evaluate", slow)
    assert execute_training(run.pk)
    run.refresh_from_db()
    assert run.is_serving and taken == [False]
