"""The nightly review as a run of blocks: nothing is done twice or lost, whoever dies in between."""

import uuid
from collections import Counter
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from advisor import services
from advisor.models import Readvice, ReadviceBlock, ReadviceRun
from advisor.selectors.review_inputs import fund_table, load_goals
from advisor.services import readvice as service
from advisor.services import reviewing
from advisor.services.readvice import readvise_next_block
from advisor.tasks import sweep_task
from config import jobs
from portfolios.kernels.errors import SolverError
from portfolios.models import Fund, Holding, ModelPortfolio, ModelSet
from tests.advisor.review_world import client_with, many_clients, review_everyone, review_of
from tests.advisor.site_world import make_market
from tests.portfolios.models_world import approve_current_models
from tests.workers import empty_queues, kill, start_worker, wait_until


@pytest.fixture
def market(people):
    make_market()


def test_two_runs_give_one_result_and_the_pointer_moves(people, market):
    many_clients(people.anna_investor.household, 25)
    first, second = review_everyone(block=10), review_everyone(block=7)
    named = ("goal", "action", "turnover", "gain", "cvar_now", "weights")
    rows = [list(Readvice.objects.filter(run=run).order_by("goal").values_list(*named)) for run in (first, second)]
    assert len(rows[0]) == 25
    for one, other in zip(*rows, strict=True):
        assert one[:2] == other[:2]
        assert one[2:5] == pytest.approx(other[2:5], abs=1e-9)
        assert one[5] == other[5]
    assert ReadviceRun.objects.get(is_current=True) == second


def test_only_the_last_two_runs_keep_their_rows(people, market):
    client_with(people.anna_investor, 3, MM1=1_000_000)
    runs = [review_everyone() for _ in range(4)]
    assert set(Readvice.objects.values_list("run", flat=True)) == {runs[-1].pk, runs[-2].pk}
    assert ReadviceBlock.objects.filter(run=runs[0]).get().counts["nothing_held"] == 0


def test_a_day_has_one_run_unless_it_is_forced(people, market):
    client_with(people.anna_investor, 3, MM1=1_000_000)
    run = services.request_readvice()
    assert services.request_readvice() == run
    assert services.request_readvice(force=True) != run


def test_a_goal_that_holds_nothing_has_no_row_and_is_counted(people, market):
    client_with(people.anna_investor, 3)
    run = review_everyone()
    assert not Readvice.objects.exists()
    assert run.blocks.get().counts == {"breach": 0, "nothing_held": 1}
    assert run.is_current


def test_without_goals_a_run_ends_at_once(people, market):
    assert review_everyone().is_current


def test_a_lost_lease_discards_what_was_worked_out(people, market, monkeypatch):
    client_with(people.anna_investor, 3, MM1=1_000_000)
    run = services.request_readvice(ring=False)

    def steal(*asked):
        ReadviceBlock.objects.update(claim=uuid.uuid4())
        return real(*asked)

    real = service.review_block
    monkeypatch.setattr(service, "review_block", steal)
    assert readvise_next_block(run.pk)
    assert not Readvice.objects.exists()
    assert run.blocks.get().status == "running"


def test_a_claim_lost_at_the_very_end_leaves_no_row(people, market, monkeypatch):
    client_with(people.anna_investor, 3, MM1=1_000_000)
    run = services.request_readvice(ring=False)
    real = service.write_if_claimed

    def steal_after(*asked, **fields):
        told = real(*asked, **fields)
        ReadviceBlock.objects.update(claim=uuid.uuid4())
        return told

    monkeypatch.setattr(service, "write_if_claimed", steal_after)
    assert readvise_next_block(run.pk)
    assert not Readvice.objects.exists()


def test_a_block_that_kills_its_worker_fails_in_the_end_and_the_review_of_before_stays(people, market):
    client_with(people.anna_investor, 3, MM1=1_000_000)
    before = review_everyone()
    run = services.request_readvice(force=True, ring=False)
    past = timezone.now() - timedelta(seconds=1)
    run.blocks.update(status="running", claim=uuid.uuid4(), lease_until=past, attempts=jobs.MAX_ATTEMPTS)
    sweep_task()
    run.refresh_from_db()
    assert run.finished_at is not None and not run.is_current
    assert run.blocks.get().status == "failed"
    assert ReadviceRun.objects.get(is_current=True) == before
    assert Readvice.objects.filter(run=before).exists()


def test_a_book_that_cannot_be_solved_is_not_the_night_of_the_others(people, market, monkeypatch):
    spoilt = client_with(people.anna_investor, 3, cash_minor=5_000_000)
    well = client_with(people.ben_investor, 2, cash_minor=5_000_000)
    review_book = reviewing.review_book

    def failing(*, book, **rest):
        if "IX1" in book.mandate.funds:
            raise SolverError("solver_failed", solver="daqp")
        return review_book(book=book, **rest)

    monkeypatch.setattr(reviewing, "review_book", failing)
    assert review_of(well).action == "adjust"
    row = Readvice.objects.get(goal=spoilt, run__is_current=True)
    assert (row.action, row.error["code"], row.weights) == ("unknown", "solver_failed", {})


def test_a_row_that_is_not_proven_is_not_advised(people, market, monkeypatch):
    goal = client_with(people.anna_investor, 3, cash_minor=5_000_000)
    review_book = reviewing.review_book

    def unproven(**asked):
        review = review_book(**asked)
        review.weights[:] = float("nan")
        return review

    monkeypatch.setattr(reviewing, "review_book", unproven)
    row = review_of(goal)
    assert (row.action, row.error["code"], row.weights) == ("unknown", "not_proven_optimal", {})


def test_a_broker_that_is_down_leaves_a_run_that_the_sweep_rings_for(people, market, monkeypatch, django_capture_on_commit_callbacks):
    client_with(people.anna_investor, 3, MM1=1_000_000)
    monkeypatch.setattr(jobs, "publish", lambda *asked: False)
    with django_capture_on_commit_callbacks(execute=True):
        run = services.request_readvice()
    assert run.blocks.get().status == "queued"
    assert services.runs_to_ring() == []  # too young: its message may be on its way
    ReadviceRun.objects.update(started_at=timezone.now() - timedelta(minutes=1))
    assert services.runs_to_ring() == [run.pk]
    assert services.runs_to_ring() == []  # rung for already


def test_reading_a_block_takes_four_queries_however_many_goals_it_has(people, market):
    counts = []
    for household, n in ((people.anna_investor.household, 3), (people.ben_investor.household, 40)):
        goals = many_clients(household, n)
        with CaptureQueriesContext(connection) as seen:
            block = load_goals(goals[0].pk, goals[-1].pk, fund_table(), timezone.localdate())
        assert len(block.goal) == n
        counts.append(len(seen) - 1)  # the table of funds is read once a run
    assert counts == [4, 4]


def test_a_run_whose_last_worker_died_before_its_end_is_ended_by_the_sweep_or_the_next_ring(people, market):
    client_with(people.anna_investor, 3, MM1=1_000_000)
    for end in (sweep_task, None):
        run = review_everyone()
        ReadviceRun.objects.filter(pk=run.pk).update(finished_at=None, is_current=False)  # all blocks are done, and nobody said so
        if end is None:
            assert not readvise_next_block(run.pk)
        else:
            end()
        run.refresh_from_db()
        assert run.finished_at is not None and run.is_current


def test_a_new_set_of_models_is_reason_for_another_run_and_its_risk_aversion_is_taken(people, market):
    goal = client_with(people.anna_investor, 3, cash_minor=5_000_000)
    before = review_of(goal)
    assert services.request_readvice(ring=False) == before.run
    newer = approve_current_models(n_draws=1)  # another number of draws makes another set of the same prices
    ModelPortfolio.objects.filter(model_set=newer).update(gamma=150.0)
    run = services.request_readvice(ring=False)
    assert run != before.run
    while readvise_next_block(run.pk):
        pass
    assert Readvice.objects.get(goal=goal, run=run).risk_aversion == 150.0 > before.risk_aversion


def test_a_run_of_the_morning_does_not_stand_in_the_way_of_new_prices(people, market):
    client_with(people.anna_investor, 3, MM1=1_000_000)
    morning = review_everyone()
    assert services.request_readvice(ring=False) == morning
    Fund.objects.filter(code="MM1").update(last_nav_date=morning.data_date + timedelta(days=1))
    assert services.request_readvice(ring=False) != morning


def test_a_run_that_failed_is_no_reason_not_to_begin_another(people, market):
    client_with(people.anna_investor, 3, MM1=1_000_000)
    failed = services.request_readvice(ring=False)
    failed.blocks.update(status="failed")
    ReadviceRun.objects.filter(pk=failed.pk).update(finished_at=timezone.now())
    assert services.request_readvice(ring=False) != failed


def test_a_fund_made_after_the_review_began_is_not_taken_for_another(people, market):
    goal = client_with(people.anna_investor, 3, MM1=1_000_000)
    run = services.request_readvice(ring=False)
    old = service.reviewer_of(run).funds
    new = Fund.objects.create(code="AAA", category="equity", asset_class="equity", risk_grade=3, source="test", last_nav_micro=1_000_000)
    Holding.objects.create(portfolio=goal.portfolio, fund=new, units_centi=9_000_000, cost_minor=1)
    with pytest.raises(LookupError):
        load_goals(goal.pk, goal.pk, old, timezone.localdate())
    assert readvise_next_block(run.pk)
    assert Readvice.objects.get(goal=goal).outside == pytest.approx(0.9)


def test_the_command_works_it_off_here_and_prints_the_times(people, market, capsys):
    many_clients(people.anna_investor.household, 5)
    call_command("readvise", "--here", "--block", "2")
    said = capsys.readouterr().out
    assert "5 of 5" in said and "share of kernel" in said and "peak memory" in said
    call_command("readvise")
    assert "finished" in capsys.readouterr().out


def test_without_approved_models_the_command_says_so(people):
    from django.core.management.base import CommandError

    assert not ModelSet.objects.exists()
    with pytest.raises(CommandError):
        call_command("readvise", "--here")


# A real worker


@pytest.mark.worker
@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_it_goes_on_and_each_goal_has_one_row(people, market):
    empty_queues()
    goals = many_clients(people.anna_investor.household, 900)
    run = services.request_readvice(block=30)
    with start_worker("now,bulk", settings_module="tests.advisor.review_settings") as worker:
        wait_until(lambda: run.blocks.filter(status="done").count() >= 3, every=0.005)
        kill(worker)
    done = run.blocks.filter(status="done").count()
    assert done < run.blocks.count(), "the kill came too late to show anything"
    empty_queues()  # a killed worker takes its message with it
    held = run.blocks.filter(status="running")
    with start_worker("now,bulk", settings_module="tests.advisor.review_settings"):
        wait_until(lambda: not held.filter(lease_until__gt=timezone.now()).exists())
        ReadviceRun.objects.update(started_at=timezone.now() - timedelta(minutes=1))
        sweep_task()
        wait_until(lambda: ReadviceRun.objects.get(pk=run.pk).finished_at is not None, seconds=60)
    run.refresh_from_db()
    assert run.is_current
    assert Counter(Readvice.objects.filter(run=run).values_list("goal", flat=True)) == Counter(goal.pk for goal in goals)
    assert sum(run.blocks.values_list("n_done", flat=True)) == 900
