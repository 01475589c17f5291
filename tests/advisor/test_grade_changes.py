"""A fund's grade rises: at every door it is no longer recommended above a level, and those who hold it are told, once."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from advisor import services
from advisor.errors import Refused
from advisor.models import FollowCursor, Investor, Override, Proposal, ProposalDue, ProposalEvent, Readvice, Task
from advisor.selectors.clients import client_page
from advisor.services.following import mark_read, read_unread
from portfolios.models import CapacityReservation, Fund, GradeChange, Holding, ModelSet, Order
from tests.advisor.advice_world import ready_proposal, ready_to_ask
from tests.advisor.review_world import client_with, hold, many_clients, review_everyone
from tests.advisor.site_world import CHOSEN, REASON, give_level, make_goal, make_market, make_proposal, shown_sha, tomorrow

KIND = "fund_above_level"


def raise_grade(code: str, to_grade: int = 5) -> GradeChange:
    """What the nightly grading writes of a fund that moved up."""
    fund = Fund.objects.get(code=code)
    change = GradeChange.objects.create(
        fund=fund, from_grade=fund.risk_grade, to_grade=to_grade, own_grade=to_grade, data_date=timezone.localdate()
    )
    Fund.objects.filter(pk=fund.pk).update(risk_grade=to_grade, own_grade=to_grade)
    return change


@pytest.fixture
def goal(people):
    return ready_to_ask(people.anna_investor)


# Doors


def test_the_fund_list_no_longer_recommends_it_at_once(goal, client):
    client.force_login(goal.account.investor.user)
    shown = client.get(reverse("fund_list")).content.decode()
    assert "Fund IX1" in shown
    raise_grade("IX1")
    assert "Fund IX1" not in client.get(reverse("fund_list")).content.decode()


def test_a_proposal_worked_out_after_it_does_not_hold_it(goal):
    before = services.request_proposal(goal=goal)
    services.execute_proposal(before.pk)
    before.refresh_from_db()
    held = max((code for code in before.result["weights"] if code.startswith("BO")), key=before.result["weights"].get)
    raise_grade(held)
    after = services.request_proposal(goal=goal)
    assert after.pk != before.pk
    services.execute_proposal(after.pk)
    after.refresh_from_db()
    assert after.state == Proposal.State.READY
    assert held not in after.result["weights"]


def test_a_ready_proposal_with_it_is_not_accepted_even_before_it_is_taken_back(goal, monkeypatch):
    proposal = ready_proposal(monkeypatch, goal)
    raise_grade("IX1")
    with pytest.raises(Refused, match="fund_not_suitable"):
        services.accept_proposal(proposal=proposal, actor=goal.account.investor.user)
    assert not Order.objects.exists()


def test_the_nightly_review_advises_none_of_it_and_calls_what_is_held_a_breach(people):
    make_market()
    ours = client_with(people.anna_investor, 3, cash_minor=1_000_000, BO1=1_000_000, MM1=3_000_000)
    raise_grade("BO1")
    run = review_everyone()
    row = Readvice.objects.get(run=run, goal=ours)
    assert "BO1" not in row.weights
    assert row.is_breach
    assert row.outside == pytest.approx(0.2, abs=0.001)


def test_an_override_may_not_hold_it_and_its_page_does_not_offer_it(goal, people, client):
    make_proposal(goal)
    client.force_login(people.ada)
    page = reverse("advisors:override", args=[goal.pk])
    assert "IX3" in client.get(page).content.decode()
    raise_grade("IX3")
    raise_grade("IX1")
    assert "IX3" not in client.get(page).content.decode()
    with pytest.raises(Refused, match="above_level"):
        services.check_override(goal=goal, weights=CHOSEN)


# Consequences


def test_ready_proposals_above_their_level_are_taken_back_with_their_capacity_and_asked_for_anew(goal, monkeypatch):
    proposal = ready_proposal(monkeypatch, goal)
    raise_grade("IX1")
    assert services.follow_grade_changes().n_proposals == 1
    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.SUPERSEDED
    assert "risk grade" in ProposalEvent.objects.filter(proposal=proposal).latest("pk").why
    promised = CapacityReservation.objects.filter(reference=f"proposal:{proposal.pk}")
    assert set(promised.values_list("state", flat=True)) == {CapacityReservation.State.RELEASED}
    assert services.request_due_proposals() == 1
    newer = Proposal.objects.get(goal=goal, status="queued")
    assert newer.inputs["funds_sha256"] != proposal.inputs["funds_sha256"]
    assert not ProposalDue.objects.exists()


def test_proposals_without_the_fund_or_of_a_level_that_may_hold_it_stay(goal, people):
    without = make_proposal(goal, weights={"MM1": 1.0})
    ben = people.ben_investor
    give_level(ben, 5)
    higher = make_proposal(make_goal(ben), level=5)
    raise_grade("IX1", 4)
    assert services.follow_grade_changes().n_proposals == 0
    states = Proposal.objects.filter(pk__in=[without.pk, higher.pk]).values_list("state", flat=True)
    assert set(states) == {Proposal.State.READY}


def test_a_proposal_that_becomes_ready_while_the_change_is_followed_is_taken_back_the_next_time(goal):
    raise_grade("IX1")
    services.follow_grade_changes()
    late = make_proposal(goal)
    assert services.follow_grade_changes().n_proposals == 1
    late.refresh_from_db()
    assert late.state == Proposal.State.SUPERSEDED


def test_who_holds_it_above_the_level_gets_one_task_and_a_proposal_and_nothing_is_sold(people):
    make_market()
    ours = client_with(people.anna_investor, 2, BO1=1_000_000, MM1=1_000_000)
    hold(make_goal(people.anna_investor), BO1=500_000)
    client_with(people.ben_investor, 5, BO1=1_000_000)
    raise_grade("BO1", 3)
    raise_grade("MM1", 3)
    assert services.follow_grade_changes().n_tasks == 1
    task = Task.objects.get()
    assert (task.investor, task.kind, sorted(task.params["items"])) == (people.anna_investor, KIND, ["BO1", "MM1"])
    assert services.request_due_proposals() == 2
    assert Proposal.objects.filter(goal=ours, status="queued").exists()
    assert not Order.objects.exists()
    assert Holding.objects.count() == 4


def test_a_short_horizon_lowers_the_level_that_counts(people):
    make_market()
    soon = timezone.localdate() + timedelta(days=300)  # below a year: C2
    client_with(people.anna_investor, 5)
    hold(make_goal(people.anna_investor, target_date=soon), BO1=1_000_000)
    raise_grade("BO1", 3)
    assert services.follow_grade_changes().n_tasks == 1


def test_a_purchase_on_its_way_counts_as_held(goal, monkeypatch):
    proposal = ready_proposal(monkeypatch, goal)
    services.accept_proposal(proposal=proposal, actor=goal.account.investor.user)
    raise_grade("IX1")
    assert services.follow_grade_changes().n_tasks == 1


def test_following_again_writes_nothing_not_even_once_the_task_is_done(people):
    make_market()
    client_with(people.anna_investor, 2, BO1=1_000_000)
    raise_grade("BO1", 3)
    services.follow_grade_changes()
    services.request_due_proposals()
    services.close_task(task_id=Task.objects.get().pk, actor=people.ada)
    again = services.follow_grade_changes()
    assert (again.n_changes, again.n_tasks, Task.objects.count(), ProposalDue.objects.count()) == (0, 0, 1, 0)
    raise_grade("BO1", 4)
    assert services.follow_grade_changes().n_tasks == 1


def test_an_interrupted_reading_is_done_again_and_tells_nobody_twice(people):
    make_market()
    client_with(people.anna_investor, 2, BO1=1_000_000)
    raise_grade("BO1", 3)
    services.follow_grade_changes()
    FollowCursor.objects.all().delete()
    assert services.follow_grade_changes().n_tasks == 0
    assert Task.objects.count() == 1


def test_a_change_committed_after_a_later_one_is_not_missed(people):
    make_market()
    client_with(people.anna_investor, 2, BO1=1_000_000)
    late = raise_grade("BO1", 3)
    pk = late.pk
    late.delete()
    GradeChange.objects.create(pk=pk + 5, fund=Fund.objects.get(code="EQ1"), from_grade=4, to_grade=5, own_grade=5, data_date="2026-01-01")
    services.follow_grade_changes()
    late.pk = pk
    late.save(force_insert=True)
    assert services.follow_grade_changes().n_tasks == 1


def test_a_slower_reader_neither_moves_the_cursor_back_nor_forgets_what_another_followed(people):
    make_market()
    raise_grade("BO1", 3)
    slow = read_unread(name="test", rows=GradeChange.objects.all())
    raise_grade("BO2", 3)
    quick = read_unread(name="test", rows=GradeChange.objects.all())
    assert (len(slow.keys), len(quick.keys)) == (1, 2)
    mark_read(quick)
    mark_read(slow)
    assert read_unread(name="test", rows=GradeChange.objects.all()).keys == []
    assert FollowCursor.objects.get(name="test").followed == quick.keys


def test_first_gradings_and_falls_have_no_consequences(people):
    make_market()
    client_with(people.anna_investor, 2, BO1=1_000_000)
    fund = Fund.objects.get(code="BO1")
    Fund.objects.filter(pk=fund.pk).update(risk_grade=3)
    for before, after in [(None, 3), (4, 3)]:
        GradeChange.objects.create(fund=fund, from_grade=before, to_grade=after, own_grade=after, data_date=timezone.localdate())
    assert services.follow_grade_changes().n_changes == 0
    assert not Task.objects.exists()


def test_an_override_that_holds_it_above_the_level_is_withdrawn(goal, people):
    proposal = make_proposal(goal)
    sha = shown_sha(goal, proposal, CHOSEN)
    asked = {"goal": goal, "advisor": people.ada, "weights": CHOSEN, "reason": REASON, "expires_on": tomorrow(30)}
    override = services.make_override(**asked, expected_price_sha=sha)
    raise_grade("IX1")
    assert services.follow_grade_changes().n_overrides == 1
    override.refresh_from_db()
    assert override.state == Override.State.WITHDRAWN


def test_a_client_whose_level_has_run_out_gets_the_task_and_no_proposal(people):
    make_market()
    client_with(people.anna_investor, 2, BO1=1_000_000)
    Investor.objects.update(level_valid_until=timezone.localdate() - timedelta(days=1))
    raise_grade("BO1", 3)
    assert services.follow_grade_changes().n_tasks == 1
    assert services.request_due_proposals() == 0
    assert not Proposal.objects.exists()


def test_without_approved_models_what_is_due_waits_for_them(people):
    make_market()
    client_with(people.anna_investor, 2, BO1=1_000_000)
    raise_grade("BO1", 3)
    services.follow_grade_changes()
    current = ModelSet.objects.filter(is_current=True)
    pk = current.get().pk
    current.update(is_current=False)
    assert (services.request_due_proposals(), ProposalDue.objects.count()) == (0, 1)
    ModelSet.objects.filter(pk=pk).update(is_current=True)
    assert (services.request_due_proposals(), ProposalDue.objects.count()) == (1, 0)


def test_proposals_nobody_asked_for_wait_while_the_queue_is_full(people, monkeypatch):
    make_market()
    client_with(people.anna_investor, 2, BO1=1_000_000)
    for _ in range(3):
        hold(make_goal(people.anna_investor), BO1=500_000)
    raise_grade("BO1", 3)
    services.follow_grade_changes()
    monkeypatch.setattr("advisor.services.grade_changes.MOST_WAITING", 3)
    assert [services.request_due_proposals() for _ in range(2)] == [3, 0]
    Proposal.objects.update(status="done", state=Proposal.State.READY)
    assert (services.request_due_proposals(), ProposalDue.objects.count()) == (1, 0)


def test_the_number_of_queries_grows_with_the_blocks_not_with_the_holders(people, django_assert_max_num_queries):
    make_market()
    many_clients(people.anna_investor.household, 300, level=1)
    raise_grade("BO1", 3)
    with django_assert_max_num_queries(60):
        report = services.follow_grade_changes()
    assert report.n_tasks == 300
    assert ProposalDue.objects.count() == 300


def test_the_clients_page_says_which_fund_and_that_nothing_is_sold(people):
    make_market()
    client_with(people.anna_investor, 2, BO1=1_000_000)
    raise_grade("BO1", 3)
    services.follow_grade_changes()
    (task,) = client_page(people.ada, people.anna_investor).tasks
    assert str(task.label) == "Holds what is graded above the goal's level by now: BO1. Talk it over; nothing is sold unasked."
