"""Real workers killed in the middle of a backtest and of a set of models: the next one goes on, and nothing stands twice."""

from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.utils import timezone

from portfolios.models import Backtest, ModelPortfolio, ModelSet
from portfolios.services import execute_backtest, request_backtest, request_models
from portfolios.tasks import JOBS
from tests.portfolios.advice_pool import make_pool
from tests.portfolios.backtest_world import asked, paths, store_market
from tests.workers import empty_queues, kill, start_worker, wait_until

pytestmark = [pytest.mark.worker, pytest.mark.django_db(transaction=True)]


def kill_in_the_middle(job) -> None:
    """Let a worker begin a job, kill -9 it as soon as a part is written, and let its lease run out."""
    with start_worker("bulk") as worker:
        wait_until(lambda: type(job).objects.filter(pk=job.pk, n_done__gte=1).exists(), every=0.005)
        kill(worker)
    job.refresh_from_db()
    assert job.status == "running", "killed too late for this test to say anything"
    type(job).objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    empty_queues()


def finish_with(job, n_workers: int) -> None:
    with ExitStack() as workers:
        for _ in range(n_workers):
            workers.enter_context(start_worker("bulk"))
            execute = dict(JOBS)[type(job)]
            execute.delay(job.pk)
        wait_until(lambda: type(job).objects.filter(pk=job.pk, status="done").exists())
    job.refresh_from_db()
    assert job.attempts == 2


def test_a_backtest_whose_worker_was_killed_ends_as_if_nothing_had_happened():
    empty_queues()
    store_market(paths())
    whole = request_backtest(name="walk", inputs=asked(every_months=3))
    assert execute_backtest(whole.pk)
    whole.refresh_from_db()
    Backtest.objects.all().delete()
    empty_queues()
    backtest = request_backtest(name="walk", inputs=asked(every_months=3))
    kill_in_the_middle(backtest)
    finish_with(backtest, 1)
    assert backtest.result == whole.result
    assert backtest.steps.count() == whole.result["n_decisions"]


def test_models_whose_worker_was_killed_are_finished_level_by_level():
    empty_queues()
    make_pool()
    made = request_models(n_draws=0)
    kill_in_the_middle(made)
    levels = set(ModelPortfolio.objects.values_list("level", "pk"))
    finish_with(made, 2)
    assert made.state == ModelSet.State.WAITING
    assert levels <= set(ModelPortfolio.objects.values_list("level", "pk")), "what was written stays as it is"
    assert ModelPortfolio.objects.count() == made.n_total * 4
