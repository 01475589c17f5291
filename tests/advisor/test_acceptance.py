import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.urls import reverse
from django.utils import timezone

from advisor import services
from advisor.errors import Refused
from advisor.models import Clearance, Goal, GoalEvent, Investor, Proposal, ProposalEvent
from portfolios.models import Fund, LedgerEntry, Order, PoolFund, Portfolio
from portfolios.selectors import portfolio_totals, positions
from portfolios.services import confirm_orders
from tests.advisor.advice_world import WEIGHTS, answer_with, ready_proposal, ready_to_ask, solution
from tests.advisor.site_world import give_level, make_assessment


@pytest.fixture
def goal(people):
    return ready_to_ask(people.anna_investor)


@pytest.fixture
def proposal(goal, monkeypatch):
    return ready_proposal(monkeypatch, goal)


def nothing_was_written(proposal) -> bool:
    rows = (Order, Clearance, Portfolio, LedgerEntry, GoalEvent)
    is_ready = Proposal.objects.get(pk=proposal.pk).accepted_at is None
    return is_ready and not any(model.objects.exists() for model in rows)


def test_accepting_opens_the_portfolio_pays_in_and_places_one_cleared_order_a_fund(people, proposal):
    services.accept_proposal(proposal=proposal, actor=people.anna, seen_sha256=proposal.inputs_sha256)
    goal = Goal.objects.get(pk=proposal.goal_id)
    orders = list(Order.objects.filter(portfolio=goal.portfolio))
    assert {order.fund.code: order.amount_minor for order in orders} == proposal.result["amounts"]
    assert portfolio_totals([goal.portfolio_id])[goal.portfolio_id].paid_in_minor == 10_000_000
    assert goal.portfolio.cash_minor == 0
    for order in orders:
        cleared = Clearance.objects.get(pk=order.clearance_id)
        assert (cleared.verdict, cleared.fund_id, cleared.amount_minor, cleared.portfolio_id, cleared.investor_id) == (
            "recommend", order.fund_id, order.amount_minor, goal.portfolio_id, people.anna_investor.pk,
        )  # fmt: skip
        assert order.idempotency_key == f"proposal:{proposal.pk}:{order.fund.code}"
        assert order.origin == "proposal"
    last = ProposalEvent.objects.filter(proposal=proposal).latest("pk")
    assert (last.to_state, last.actor) == ("accepted", people.anna)


def test_the_orders_become_holdings_worth_what_was_paid_less_fees(people, proposal):
    services.accept_proposal(proposal=proposal, actor=people.anna)
    assert confirm_orders() == len(WEIGHTS)
    goal = Goal.objects.get(pk=proposal.goal_id)
    held = positions([goal.portfolio_id])
    assert {position.fund.code for position in held} == set(WEIGHTS)
    value, fees = sum(position.value_minor for position in held), proposal.result["purchase_cost_minor"]
    assert value == pytest.approx(10_000_000 - fees, abs=600), "two decimals of a unit a fund"


def test_confirming_is_rung_after_the_commit(people, proposal, django_capture_on_commit_callbacks, monkeypatch):
    rung = []
    monkeypatch.setattr("celery.canvas.Signature.apply_async", lambda self, args, **_: rung.append((self.task, self.options["queue"])))
    with django_capture_on_commit_callbacks(execute=True):
        services.accept_proposal(proposal=proposal, actor=people.anna)
    assert rung == [("portfolios.confirm_orders", "now")]


@pytest.mark.parametrize("who", ["ada", "sue", "ben", "mark", "adam"])
def test_nobody_accepts_for_the_investor(people, proposal, who):
    with pytest.raises(Refused, match="not_yours"):
        services.accept_proposal(proposal=proposal, actor=getattr(people, who))
    assert nothing_was_written(proposal)


def expire(investor):
    investor.level_valid_until = timezone.localdate() - timedelta(days=1)
    investor.save()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (expire, "level_expired"),
        (lambda investor: Investor.objects.filter(pk=investor.pk).update(level=2), "level_fell"),
        (lambda investor: Goal.objects.update(target_date=timezone.localdate() + timedelta(days=200)), "level_fell"),
        (lambda investor: make_assessment(investor), "assessed_again"),
        (lambda investor: Fund.objects.filter(code="IX1").update(risk_grade=4), "fund_not_suitable"),
        (lambda investor: Fund.objects.filter(code="BO2").update(is_open=False), "fund_not_suitable"),
        (lambda investor: PoolFund.objects.filter(fund__code="BO2").delete(), "fund_not_suitable"),
        (lambda investor: Fund.objects.filter(code="BO2").update(last_nav_micro=None), "order_refused"),
    ],
    ids=["expired", "fell", "horizon", "assessed again", "fund upgraded", "fund closed", "fund left the pool", "fund without NAV"],
)
def test_what_changed_since_refuses_it_whole_and_leaves_everything_as_it_was(people, proposal, change, code):
    change(people.anna_investor)
    with pytest.raises(Refused, match=code):
        services.accept_proposal(proposal=proposal, actor=people.anna)
    assert nothing_was_written(proposal)
    assert Proposal.objects.get(pk=proposal.pk).state == "ready"


def test_a_goal_near_its_date_takes_no_fund_regraded_above_its_own_ceiling(people, monkeypatch):
    soon = timezone.localdate() + timedelta(days=200)
    proposal = ready_proposal(monkeypatch, ready_to_ask(people.anna_investor, 5, target_date=soon), {"MM1": 0.5, "BO1": 0.5})
    assert proposal.level == 2, "the person is C5, this goal C2"
    Fund.objects.filter(code="BO1").update(risk_grade=3)
    with pytest.raises(Refused, match="fund_not_suitable"):
        services.accept_proposal(proposal=proposal, actor=people.anna)
    assert nothing_was_written(proposal)


def test_a_fund_that_closed_makes_room_for_a_new_proposal(people, goal, proposal, monkeypatch, client):
    Fund.objects.filter(code="BO2").update(is_open=False)
    client.force_login(people.anna)
    page = client.get(reverse("proposal", args=[proposal.pk]), headers={"accept-language": "en"}).content.decode()
    assert "Ask for a new proposal" in page
    second = ready_proposal(monkeypatch, goal, {"MM1": 0.5, "BO1": 0.5})
    assert second.pk != proposal.pk
    assert services.accept_proposal(proposal=second, actor=people.anna).state == "accepted"


def test_a_higher_level_of_the_same_assessment_still_accepts(people, proposal):
    Investor.objects.update(level=5)
    assert services.accept_proposal(proposal=proposal, actor=people.anna).state == "accepted"


def test_a_second_acceptance_places_no_second_set_of_orders(people, proposal):
    services.accept_proposal(proposal=proposal, actor=people.anna)
    with pytest.raises(Refused, match="already_accepted"):
        services.accept_proposal(proposal=proposal, actor=people.anna)
    assert Order.objects.count() == len(WEIGHTS)
    assert LedgerEntry.objects.filter(kind="deposit").count() == 1


def test_two_browsers_accept_and_the_second_is_told(people, proposal, client):
    first, second = client, type(client)()
    for browser in (first, second):
        browser.force_login(people.anna)
        assert browser.get(reverse("proposal_accept", args=[proposal.pk])).status_code == 200
    data, english = {"inputs_sha256": proposal.inputs_sha256}, {"accept-language": "en"}
    one = first.post(reverse("proposal_accept", args=[proposal.pk]), data, follow=True, headers=english)
    two = second.post(reverse("proposal_accept", args=[proposal.pk]), data, follow=True, headers=english)
    assert one.redirect_chain[-1][0] == reverse("goal", args=[proposal.goal_id])
    assert "has already been accepted" in two.content.decode()
    assert Order.objects.count() == len(WEIGHTS)


@pytest.mark.django_db(transaction=True)
def test_of_two_acceptances_at_the_same_moment_one_wins(people, monkeypatch):
    proposal = ready_proposal(monkeypatch, ready_to_ask(people.anna_investor))
    outcomes, together = [], threading.Barrier(2)

    def accept():
        together.wait()
        try:
            services.accept_proposal(proposal=proposal, actor=people.anna)
            outcomes.append("accepted")
        except Refused as refusal:
            outcomes.append(refusal.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=accept) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.close()
    assert sorted(outcomes) == ["accepted", "already_accepted"]
    assert Order.objects.count() == len(WEIGHTS)
    assert LedgerEntry.objects.filter(kind="deposit").count() == 1


def test_a_stale_page_cannot_accept(people, goal, proposal, monkeypatch, client):
    client.force_login(people.anna)
    accept = reverse("proposal_accept", args=[proposal.pk])
    for data in ({}, {"inputs_sha256": "0" * 64}):
        response = client.post(accept, data, follow=True, headers={"accept-language": "en"})
        assert "out of date" in response.content.decode()
    goal.amount_minor += 100
    ready_proposal(monkeypatch, goal)
    response = client.post(accept, {"inputs_sha256": proposal.inputs_sha256}, follow=True, headers={"accept-language": "en"})
    assert "newer proposal has replaced" in response.content.decode()
    assert nothing_was_written(proposal)


def test_the_confirm_page_shows_orders_days_and_fees_before_anything_moves(people, proposal, client):
    client.force_login(people.anna)
    page = client.get(reverse("proposal_accept", args=[proposal.pk]), headers={"accept-language": "en"}).content.decode()
    assert "Place these 5 orders?" in page
    assert "¥40,000.00" in page
    assert f'name="inputs_sha256" value="{proposal.inputs_sha256}"' in page
    assert "on paper" in page
    assert "Price day" in page
    assert nothing_was_written(proposal)


def test_a_foreign_proposal_is_not_found(people, proposal, client):
    client.force_login(people.ben)
    assert client.post(reverse("proposal_accept", args=[proposal.pk]), {"inputs_sha256": proposal.inputs_sha256}).status_code == 404
    assert nothing_was_written(proposal)


# A goal that already has its portfolio


@pytest.fixture
def funded(people, proposal):
    services.accept_proposal(proposal=proposal, actor=people.anna)
    confirm_orders()
    return Goal.objects.select_related("account__investor").get(pk=proposal.goal_id)


def test_a_proposal_made_before_the_first_payment_does_not_pay_in_again(people, goal, proposal, monkeypatch):
    answer_with(monkeypatch, lambda: solution())
    goal.amount_minor += 100
    waiting = services.request_proposal(goal=goal)
    services.accept_proposal(proposal=proposal, actor=people.anna)
    services.execute_proposal(waiting.pk)
    with pytest.raises(Refused, match="goal_funded"):
        services.accept_proposal(proposal=waiting, actor=people.anna)
    assert LedgerEntry.objects.filter(kind="deposit").count() == 1
    assert Proposal.objects.get(pk=waiting.pk).state == "ready"


def test_without_cash_a_second_proposal_can_be_read_but_not_accepted(people, funded, monkeypatch, client):
    second = ready_proposal(monkeypatch, funded)
    assert second.inputs["funding"] == "none"
    client.force_login(people.anna)
    page = client.get(reverse("proposal", args=[second.pk]), headers={"accept-language": "en"}).content.decode()
    assert "holds no cash to invest" in page
    assert "Ask for a new proposal" not in page
    assert "nothing to do" in client.get(reverse("home"), headers={"accept-language": "en"}).content.decode()
    with pytest.raises(Refused, match="nothing_to_invest"):
        services.accept_proposal(proposal=second, actor=people.anna)
    assert Order.objects.count() == len(WEIGHTS)


def test_a_second_proposal_invests_only_the_cash_that_lies_there(people, funded, monkeypatch, client):
    from portfolios.services import deposit

    deposit(portfolio_id=funded.portfolio_id, amount_minor=500_000, key="more")
    second = ready_proposal(monkeypatch, funded)
    assert (second.inputs["funding"], second.inputs["amount_minor"]) == ("cash", 500_000)
    client.force_login(people.anna)
    page = client.get(reverse("proposal_accept", args=[second.pk]), headers={"accept-language": "en"}).content.decode()
    assert "What it already holds stays as it is" in page
    services.accept_proposal(proposal=second, actor=people.anna)
    placed = Order.objects.filter(idempotency_key__startswith=f"proposal:{second.pk}:")
    assert sum(order.amount_minor for order in placed) == 500_000
    assert Portfolio.objects.get(pk=funded.portfolio_id).cash_minor == 0
    assert LedgerEntry.objects.filter(kind="deposit").count() == 2, "the payment of this test, and no other"


def test_cash_that_was_spent_meanwhile_refuses_the_proposal(people, funded, monkeypatch):
    from portfolios.services import deposit

    deposit(portfolio_id=funded.portfolio_id, amount_minor=500_000, key="more")
    second = ready_proposal(monkeypatch, funded)
    Portfolio.objects.filter(pk=funded.portfolio_id).update(cash_minor=499_999)
    with pytest.raises(Refused, match="cash_changed"):
        services.accept_proposal(proposal=second, actor=people.anna)
    assert Order.objects.count() == len(WEIGHTS)


def test_an_expired_level_is_renewed_before_buying(people, proposal):
    give_level(people.anna_investor, 3, days=-1)
    with pytest.raises(Refused, match="level_expired"):
        services.accept_proposal(proposal=proposal, actor=people.anna)
    give_level(people.anna_investor, 3)
    assert services.accept_proposal(proposal=proposal, actor=people.anna).state == "accepted"
