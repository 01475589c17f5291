"""The nightly review: what it says of each goal, what it never advises, and that nothing is done twice or lost."""

import uuid
from collections import Counter
from datetime import datetime, time, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from advisor import services
from advisor.models import Goal, Readvice, ReadviceBlock, ReadviceRun
from advisor.selectors.readvice import reviews_of
from advisor.selectors.review_inputs import fund_table, load_goals
from advisor.services import readvice as service
from advisor.services import reviewing
from advisor.services.readvice import readvise_next_block
from advisor.tasks import sweep_task
from config import jobs
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import SolverError
from portfolios.models import Fund, Holding, ModelPortfolio, ModelSet, Order, Portfolio
from portfolios.services import solve_advice
from tests.advisor.review_world import client_with, hold, many_clients, review_everyone
from tests.advisor.site_world import give_level, make_goal, make_market, make_proposal
from tests.portfolios.models_world import approve_current_models
from tests.workers import empty_queues, kill, start_worker, wait_until

MODEL = {"BO1": 1_800_000, "BO2": 1_800_000, "BO3": 1_800_000, "BO4": 1_800_000, "MM1": 2_800_000}


@pytest.fixture
def market(people):
    make_market()


def review_of(goal: Goal) -> Readvice:
    review_everyone()
    return Readvice.objects.get(goal=goal, run__is_current=True)


def test_who_holds_what_is_advised_may_keep_it(people, market):
    advised = solve_advice(level=3, horizon_years=5).weights
    goal = client_with(people.anna_investor, 3, **{code: round(weight * 10_000_000) for code, weight in advised.items()})
    row = review_of(goal)
    assert row.action == "keep"
    assert row.turnover < 0.02 and row.gain < 0.0005
    assert row.cvar_limit == pytest.approx(0.12)


def test_cash_that_lies_idle_is_worth_an_adjustment(people, market):
    row = review_of(client_with(people.anna_investor, 2, cash_minor=10_000_000))
    assert row.action == "adjust"
    assert row.turnover == pytest.approx(1.0)
    assert row.gain > 0.01
    assert row.cost == pytest.approx(0.0015, abs=1e-6)  # 15 basis points for each purchase
    assert sum(row.weights.values()) == pytest.approx(1.0, abs=1e-3)
    assert row.cvar_now == 0.0 < row.cvar_limit


def test_a_bad_year_above_the_stated_loss_is_said_before_all_else(people, market):
    row = review_of(client_with(people.anna_investor, 3, stated_loss=0.05, IX1=5_000_000, IX2=5_000_000))
    assert row.action == "too_risky"
    assert row.cvar_limit == 0.05 < row.cvar_now
    assert row.cvar_then <= 0.05 + 1e-6


def test_a_fee_of_redeeming_weighs_on_a_young_portfolio(people, market):
    goal = client_with(people.anna_investor, 2, **MODEL)
    old = review_of(goal)
    goal.portfolio.opened_at = timezone.now() - timedelta(days=3)
    goal.portfolio.save()
    young = review_of(goal)
    assert young.turnover <= old.turnover
    assert young.gain <= old.gain + 1e-9


@pytest.mark.parametrize("level", [0, 1, 2, 3, 4, 5])
def test_nothing_above_the_level_is_ever_advised(people, market, level):
    goal = client_with(people.anna_investor, level, cash_minor=1_000_000, EQ1=5_000_000, IX1=3_000_000, BO1=1_000_000, MM1=2_000_000)
    row = review_of(goal)
    funds = Fund.objects.in_bulk(list(row.weights), field_name="code")
    rule = jurisdiction().levels[level]
    assert row.weights or row.action == "impossible"
    for code, fund in funds.items():
        assert fund.risk_grade <= rule.max_grade and fund.is_open, code
        assert rule.only_classes is None or fund.asset_class in rule.only_classes, code
        assert row.weights[code] <= (0.5 if fund.asset_class == "money_market" else 0.18) + 1e-5
    assert row.is_breach is (level < 4)


def test_the_lowest_class_is_advised_money_market_funds_only(people, market):
    row = review_of(client_with(people.anna_investor, 0, stated_loss=0.0, cash_minor=5_000_000, MM1=5_000_000))
    assert set(Fund.objects.filter(code__in=row.weights).values_list("asset_class", flat=True)) <= {"money_market"}


def test_a_held_fund_that_is_closed_or_above_the_level_stays_and_the_rest_is_advised(people, market):
    closed = review_of(client_with(people.anna_investor, 3, BO5=5_000_000, MM1=5_000_000))  # the fifth is closed
    assert not closed.is_breach
    assert closed.outside == pytest.approx(0.5, abs=1e-3)
    assert "BO5" not in closed.weights and closed.weights
    above = review_of(client_with(people.ben_investor, 2, EQ1=9_000_000, MM1=1_000_000))
    assert above.is_breach
    assert above.outside == pytest.approx(0.9, abs=1e-3)
    assert above.action == "too_risky" and above.cvar_then > above.cvar_limit  # it stays: no sale is forced
    assert above.turnover <= 0.1 + 1e-6


def test_only_funds_from_outside_leave_nothing_to_advise(people, market):
    row = review_of(client_with(people.anna_investor, 4, EQ6=9_000_000))  # the sixth is outside of the pool
    assert row.outside == pytest.approx(1.0)
    assert (row.weights, row.gain) == ({}, None)
    assert row.cvar_now == pytest.approx(row.cvar_then)


def test_a_fund_whose_risk_is_not_known_is_not_taken_for_safe(people, market):
    Fund.objects.create(code="NEW", category="equity", asset_class="equity", risk_grade=3, source="test", last_nav_micro=1_000_000)
    row = review_of(client_with(people.anna_investor, 3, NEW=5_000_000, MM1=5_000_000))
    assert (row.action, row.cvar_now) == ("unknown", None)


def test_a_person_without_a_level_in_force_is_said_so_and_advised_nothing(people, market):
    goal = hold(make_goal(people.anna_investor), MM1=1_000_000)
    assert (review_of(goal).action, review_of(goal).weights) == ("no_level", {})
    give_level(people.anna_investor, 3, days=-1)
    assert review_of(goal).action == "no_level"


def test_the_years_that_are_left_cap_the_level(people, market):
    goal = client_with(people.anna_investor, 4, cash_minor=1_000_000)
    Goal.objects.filter(pk=goal.pk).update(target_date=timezone.localdate() + timedelta(days=200))
    assert review_of(goal).level == 2


def test_a_level_without_funds_is_impossible_and_says_why(people, market):
    Fund.objects.filter(category="money").update(is_open=False)
    row = review_of(client_with(people.anna_investor, 0, MM1=1_000_000))
    assert row.action == "impossible"
    assert row.error["code"] == "no_money_market_fund"


def test_a_loss_limit_that_no_portfolio_keeps_is_impossible_and_names_the_limit(people, market):
    Fund.objects.filter(code__startswith="MM").update(is_open=False)  # four bond funds at their cap leave a part to the index funds
    row = review_of(client_with(people.anna_investor, 3, stated_loss=0.01, IX1=1_000_000))
    assert row.action == "impossible"
    assert row.error["params"]["limit"] == "0.01"


def test_money_on_its_way_counts_once(people, market):
    goal = client_with(people.anna_investor, 2, cash_minor=1_000_000, MM1=1_000_000)
    fund = Fund.objects.get(code="BO1")
    common = {"portfolio": goal.portfolio, "fund": fund, "origin": "investor", "placed_at": timezone.now()}
    for side, state, amount in [("buy", "placed", 2_000_000), ("sell", "confirmed", 1_000_000), ("buy", "confirmed", 9_000_000)]:
        Order.objects.create(
            side=side, state=state, amount_minor=amount, units_centi=1, clearance_id=uuid.uuid4(), idempotency_key=uuid.uuid4(), **common
        )
    row = review_of(goal)
    # A fifth each of cash at hand, cash arriving and MM1, two of BO1: what is sold and bought tells what was read.
    moved = sum(max(0.0, row.weights.get(code, 0.0) - share) for code, share in {"MM1": 0.2, "BO1": 0.4}.items())
    others = sum(weight for code, weight in row.weights.items() if code not in ("MM1", "BO1"))
    sold = sum(max(0.0, share - row.weights.get(code, 0.0)) for code, share in {"MM1": 0.2, "BO1": 0.4}.items())
    assert row.turnover == pytest.approx((moved + others + sold + 0.4) / 2, abs=1e-3)


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


def test_the_age_of_a_portfolio_is_counted_in_shanghai_days(people, market):
    goal = client_with(people.anna_investor, 3, MM1=1_000_000)
    today = timezone.localdate()
    early = timezone.make_aware(datetime.combine(today - timedelta(days=6), time(1, 0)))  # the day before in UTC
    Portfolio.objects.filter(pk=goal.portfolio_id).update(opened_at=early)
    assert load_goals(goal.pk, goal.pk, fund_table(), today).days_open.tolist() == [6]


# The pages


@pytest.fixture
def reviewed(people, market):
    anna = client_with(people.anna_investor, 3, stated_loss=0.05, IX1=5_000_000, IX2=5_000_000)
    ben = client_with(people.ben_investor, 3, cash_minor=5_000_000, MM1=5_000_000)
    run = review_everyone()
    return run, anna, ben


def test_advisors_see_their_own_clients_and_nobody_elses(people, reviewed, client):
    seen = {}
    for who in ("ada", "bob", "cora", "sue"):
        client.force_login(getattr(people, who))
        page = client.get(reverse("advisors:review")).content.decode()
        seen[who] = {name for name in ("Anna", "Ben") if f">{name}</a>" in page}
    assert seen == {"ada": {"Anna"}, "bob": {"Ben"}, "cora": {"Anna"}, "sue": {"Anna"}}
    mine = {who: set(Readvice.objects.visible_to(getattr(people, who)).values_list("goal", flat=True)) for who in ("anna", "mark", "adam")}
    assert mine == {"anna": {reviewed[1].pk}, "mark": set(), "adam": set()}


def test_the_page_filters_by_reason_and_ignores_nonsense(people, reviewed, client):
    client.force_login(people.ada)
    address = reverse("advisors:review")
    assert ">Anna</a>" in client.get(address, {"reason": "too_risky"}).content.decode()
    assert ">Anna</a>" not in client.get(address, {"reason": "adjust"}).content.decode()
    assert client.get(address, {"reason": "'", "page": "-3"}).status_code == 200


def test_the_page_asks_as_many_queries_for_many_clients_as_for_few(people, reviewed, client):
    client.force_login(people.ada)
    counts = []
    for n in (0, 60):
        if n:
            many_clients(people.anna_investor.household, n)
            review_everyone()
        with CaptureQueriesContext(connection) as seen:
            page = client.get(reverse("advisors:review")).content.decode()
        counts.append(len(seen))
    assert page.count('class="row-link"') == 25
    assert counts[0] == counts[1]


def test_progress_polls_until_the_run_is_finished(people, market, client):
    client_with(people.anna_investor, 3, MM1=1_000_000)
    run = services.request_readvice(ring=False)
    client.force_login(people.ada)
    assert "review-progress" in client.get(reverse("advisors:review")).content.decode()
    address = reverse("advisors:review_progress", args=[run.pk])
    assert b"0 of 1 goals" in client.get(address).content
    while readvise_next_block(run.pk):
        pass
    ended = client.get(address)
    assert (ended.status_code, ended.headers["HX-Refresh"]) == (286, "true")
    assert "review-progress" not in client.get(reverse("advisors:review")).content.decode()


def test_the_clients_page_says_what_last_night_found(people, reviewed, client):
    client.force_login(people.ada)
    page = client.get(reverse("advisors:client", args=[people.anna_investor.pk])).content.decode()
    assert "Nightly review of" in page and "bad year above the limit" in page
    assert "asks you to look at:" in page and "Nothing to do for this client" not in page
    Readvice.objects.filter(goal=reviewed[1]).update(action="keep", is_breach=False)
    page = client.get(reverse("advisors:client", args=[people.anna_investor.pk])).content.decode()
    assert "asks you to look at:" not in page and "Nothing to do for this client" in page


def test_the_clients_page_says_when_the_goal_no_longer_stands_at_the_level_of_its_proposal(people, reviewed, client):
    make_proposal(reviewed[1], level=4)
    client.force_login(people.ada)
    page = client.get(reverse("advisors:client", args=[people.anna_investor.pk])).content.decode()
    assert "was made at C4; the goal now stands at C3" in page


def test_filters_survive_turning_the_page(people, reviewed, client):
    many_clients(people.anna_investor.household, 30)
    review_everyone()
    client.force_login(people.ada)
    reason = next(code for code in ("adjust", "no_level", "too_risky", "breach") if reviews_of(people.ada).filter(action=code).count() > 25)
    page = client.get(reverse("advisors:review"), {"reason": reason}).content.decode()
    assert f"reason={reason}&amp;page=2" in page


def test_before_the_first_review_the_page_says_so(people, client):
    client.force_login(people.ada)
    assert "There has been no review yet" in client.get(reverse("advisors:review")).content.decode()


def test_who_has_no_level_in_force_is_not_counted_among_those_who_may_stay(people, reviewed, client):
    Readvice.objects.filter(goal=reviewed[1]).update(action="no_level", is_breach=False)
    client.force_login(people.ada)
    page = client.get(reverse("advisors:review")).content.decode()
    assert "1 goal of your clients was reviewed, and it needs you." in page
    assert "No level in force" in page and ">Anna</a>" in page


def test_runs_that_nobody_works_on_do_not_hide_the_review_that_is_shown(people, reviewed, client):
    for _ in range(4):
        services.request_readvice(force=True, ring=False)
    client.force_login(people.ada)
    assert ">Anna</a>" in client.get(reverse("advisors:review")).content.decode()


def test_the_clients_page_says_why_no_portfolio_suits_and_no_negative_loss(people, reviewed, client):
    client.force_login(people.ada)
    address = reverse("advisors:client", args=[people.anna_investor.pk])
    error = {"code": "cvar_budget", "params": {"limit": "0.01", "reached": "0.034"}}
    Readvice.objects.filter(goal=reviewed[1]).update(action="impossible", error=error, cvar_now=None)
    assert "the calmest portfolio that is allowed loses 3.40%" in client.get(address).content.decode()
    Readvice.objects.filter(goal=reviewed[1]).update(action="keep", error=None, cvar_now=-0.01)
    page = client.get(address).content.decode()
    assert "a bad year would cost nothing" in page and "would cost −" not in page


def test_somebody_who_has_left_sees_no_run(people, reviewed):
    people.sue.is_active = False
    assert not ReadviceRun.objects.visible_to(people.sue).exists()
    assert ReadviceRun.objects.visible_to(people.ada).exists()


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
