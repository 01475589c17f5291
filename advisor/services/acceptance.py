"""Accepting a proposal: one guarded step from READY, and with it the portfolio, the money, the decisions and the orders."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from advisor.errors import Refused
from advisor.kernels.suitability import Verdict
from advisor.models import Assessment, Goal, GoalEvent, Investor, Proposal, ProposalEvent, ProposalWarning, RecordKind
from advisor.selectors.purchases import proposal_decision
from advisor.selectors.suitability import level_for_goal, recommendable_funds
from advisor.services.capacity import capacity_holder, capacity_reference
from advisor.services.proposal_warnings import is_explained
from advisor.services.record import append_record
from advisor.services.record_payloads import accepted_told
from advisor.services.suitability import clear
from config.jobs import ring_by_name
from portfolios.models import Fund, Order, Portfolio
from portfolios.services import CapacityRefused, LedgerRefusal, OrderRequest, deposit, open_portfolio, place_order

CONFIRM_TASK = "portfolios.confirm_orders"


def accept_proposal(*, proposal: Proposal, actor: Any, seen_sha256: str | None = None) -> Proposal:
    """Write the acceptance, the goal's portfolio with its paper deposit, and one cleared order a fund, or nothing at all.

    Raises Refused: whoever comes second, or with a page that was replaced, changes nothing. Orders carry the key
    "proposal:<pk>:<fund>", so that they cannot be placed twice.
    """
    try:
        with transaction.atomic():
            return _accept(proposal.pk, actor, seen_sha256)
    except CapacityRefused as error:
        raise Refused(error.code, **error.params) from error
    except LedgerRefusal as error:
        raise Refused("order_refused", reason=error.code) from error


def check_acceptable(proposal: Proposal, actor: Any, seen_sha256: str | None = None) -> dict[str, Fund]:
    """Raise Refused with the first reason why this person may not accept this proposal now; return its funds by code."""
    investor = proposal.goal.account.investor
    if actor.pk != investor.user_id:
        raise Refused("not_yours")
    if seen_sha256 is not None and seen_sha256 != proposal.inputs_sha256:
        raise Refused("stale_page")
    if proposal.state != Proposal.State.READY:
        raise Refused(_refusal_of(proposal.state))
    level = level_for_goal(investor, proposal.goal)
    if level is None:
        raise Refused("level_expired")
    if level < proposal.level:
        raise Refused("level_fell", level=level)
    completed = Assessment.objects.filter(investor=investor, state=Assessment.State.COMPLETED)
    if completed.order_by("-completed_at", "-pk").values_list("pk", flat=True).first() != proposal.assessment_id:
        raise Refused("assessed_again")
    _check_money(proposal)
    # Against the goal's own level: near its date it may hold less than the person's level allows.
    amounts = (proposal.result or {})["amounts"]
    funds = recommendable_funds(proposal.level).in_bulk(sorted(amounts), field_name="code")
    for code in amounts:
        if code not in funds:
            raise Refused("fund_not_suitable", fund=code)
    _check_gate(proposal, funds)
    return funds


def _check_gate(proposal: Proposal, funds: dict[str, Fund]) -> None:
    """Ask the gate about all of it together; what holds the highest grade was explained, acknowledged and thought over before."""
    decision = proposal_decision(proposal, funds)
    if decision.verdict != Verdict.RECOMMEND:
        raise Refused("above_budget")
    if decision.wants_warning:
        row = ProposalWarning.objects.filter(proposal=proposal).first()
        if row is None or row.may_order_at is None or not is_explained(row, proposal, funds):
            raise Refused("not_acknowledged")
        if timezone.now() < row.may_order_at:
            raise Refused("must_wait", at=timezone.localtime(row.may_order_at).strftime("%Y-%m-%d %H:%M"))


def _refusal_of(state: str) -> str:
    known = {Proposal.State.ACCEPTED: "already_accepted", Proposal.State.SUPERSEDED: "superseded"}
    return known.get(Proposal.State(state), "not_ready")


def _check_money(proposal: Proposal) -> None:
    """A goal's first payment is made once; later proposals invest only the cash that lies in its portfolio."""
    funding, portfolio_id = proposal.inputs["funding"], proposal.goal.portfolio_id
    if funding == "deposit" and portfolio_id is not None:
        raise Refused("goal_funded")
    if funding == "none":
        raise Refused("nothing_to_invest")
    if funding == "cash" and portfolio_id is not None:
        cash_minor = Portfolio.objects.values_list("cash_minor", flat=True).get(pk=portfolio_id)
        if cash_minor < proposal.inputs["amount_minor"]:
            raise Refused("cash_changed")


def _accept(pk: int, actor: Any, seen_sha256: str | None) -> Proposal:
    investor = Investor.objects.select_for_update(of=("self",)).get(accounts__goals__proposals=pk)  # one acceptance a person at a time
    proposal = Proposal.objects.select_related("goal__account").get(pk=pk)
    proposal.goal.account.investor = investor
    funds = check_acceptable(proposal, actor, seen_sha256)
    ready = Proposal.objects.filter(pk=pk, state=Proposal.State.READY)
    if not ready.update(state=Proposal.State.ACCEPTED, accepted_at=timezone.now()):
        raise Refused(_refusal_of(Proposal.objects.values_list("state", flat=True).get(pk=pk)))
    ProposalEvent.objects.create(proposal=proposal, to_state=Proposal.State.ACCEPTED, actor=actor, why="accepted by the investor")
    portfolio_id = _fund(proposal, actor)
    amounts = (proposal.result or {})["amounts"]
    for code, amount_minor in sorted(amounts.items(), key=lambda one: funds[one[0]].pk):  # the order in which funds are locked
        _order(proposal, portfolio_id, funds[code], amount_minor, actor)
    told = accepted_told(pk, proposal.inputs_sha256, amounts)
    append_record(investor_id=investor.pk, kind=RecordKind.ACCEPTANCE, payload=told)
    ring_by_name(CONFIRM_TASK, queue="now")
    proposal.refresh_from_db()
    return proposal


def _fund(proposal: Proposal, actor: Any) -> int:
    """Open the goal's portfolio and pay in on paper, or return the one it has."""
    goal = proposal.goal
    if goal.portfolio_id is not None:
        return goal.portfolio_id
    portfolio = open_portfolio()
    if not Goal.objects.filter(pk=goal.pk, portfolio=None).update(portfolio=portfolio):
        raise Refused("goal_funded")
    deposit(portfolio_id=portfolio.pk, amount_minor=proposal.inputs["amount_minor"], key=f"proposal:{proposal.pk}")
    GoalEvent.objects.create(goal=goal, kind="funded", actor=actor, why=f"paper deposit for proposal {proposal.pk}")
    return portfolio.pk


def _order(proposal: Proposal, portfolio_id: int, fund: Fund, amount_minor: int, actor: Any) -> Order:
    investor = proposal.goal.account.investor
    clearance = clear(investor=investor, portfolio_id=portfolio_id, fund=fund, side=Order.Side.BUY, amount_minor=amount_minor)
    if clearance.verdict != Verdict.RECOMMEND:
        raise Refused("fund_not_suitable", fund=fund.code)
    return place_order(
        OrderRequest(
            portfolio_id=portfolio_id,
            fund_id=fund.pk,
            side=Order.Side.BUY,
            origin=Order.Origin.PROPOSAL,
            clearance_id=clearance.pk,
            idempotency_key=f"proposal:{proposal.pk}:{fund.code}",
            amount_minor=amount_minor,
            actor=actor,
            holder=capacity_holder(proposal),
            reservation=capacity_reference(proposal.pk),
        )
    )
