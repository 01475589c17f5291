"""What follows for people when a fund's risk grade rises: nothing above a level stays recommended, and nobody is made to sell.

The gate follows the fund's grade at once. Here open proposals and overrides are taken back, and each client who holds the
fund above the goal's level gets a task for their advisor and a new proposal, which says its costs. Plans into the fund are to
be paused in `_take_back` too, once there are plans.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from advisor.errors import Refused
from advisor.kernels.goals import goal_level, years_to_go
from advisor.models import Goal, Investor, Override, Proposal, ProposalDue, ProposalEvent, RecordKind
from advisor.selectors.holders import Holder, holders_of
from advisor.selectors.suitability import fund_suits, level_for_goal
from advisor.services.capacity import give_back_capacity
from advisor.services.following import mark_read, read_unread
from advisor.services.overrides import withdraw_overrides_above
from advisor.services.proposals import OPEN, request_proposal
from advisor.services.queue import open_tasks
from advisor.services.record import NewRecord, append_records, lock_chain
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund, GradeChange

CURSOR = "grade_changes"
TASK_KIND = "fund_above_level"
PROPOSALS_A_WRITE = 100  # each with its event and the reservations of its funds
FUNDS_A_READ = 500
LOOK_AGAIN = timedelta(hours=1)  # a proposal worked out while the grade changed is ready only after it
NOT_YET = ("no_models", "no_pool")  # refusals that say nothing against the goal
MOST_WAITING = 20  # proposals in the queue, before those that nobody asked for have to wait


@dataclass(frozen=True, slots=True)
class GradeChangesFollowed:
    """How many changes upwards were followed, proposals and overrides taken back, and tasks opened."""

    n_changes: int
    n_proposals: int
    n_overrides: int
    n_tasks: int


def follow_grade_changes() -> GradeChangesFollowed:
    """Follow the changes upwards that are new since the last time. Safe to repeat; writes in blocks."""
    upwards = GradeChange.objects.filter(to_grade__gt=F("from_grade"))
    unread = read_unread(name=CURSOR, rows=upwards)
    lately = upwards.filter(made_at__gte=timezone.now() - LOOK_AGAIN).values_list("fund_id", flat=True)
    again = set(lately) | _funds_of(unread.keys)
    if not again:
        mark_read(unread)
        return GradeChangesFollowed(0, 0, 0, 0)
    n_proposals, n_overrides = _take_back(Fund.objects.in_bulk(sorted(again)))
    n_tasks = _tell_holders(Fund.objects.in_bulk(sorted(_funds_of(unread.keys))))
    mark_read(unread)
    return GradeChangesFollowed(len(unread.keys), n_proposals, n_overrides, n_tasks)


def _funds_of(changes: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for start in range(0, len(changes), FUNDS_A_READ):
        keys = changes[start : start + FUNDS_A_READ]
        found |= set(GradeChange.objects.filter(pk__in=keys).values_list("fund_id", flat=True))
    return found


def _take_back(funds: Mapping[int, Fund]) -> tuple[int, int]:
    """Take back ready proposals and overrides in force that hold one of these funds above their level."""
    n_proposals = n_overrides = 0
    for level in jurisdiction().levels:
        codes = sorted(fund.code for fund in funds.values() if not fund_suits(level, fund))
        for start in range(0, len(codes), FUNDS_A_READ):
            n_proposals += _supersede(level, codes[start : start + FUNDS_A_READ])
    codes = sorted(fund.code for fund in funds.values())
    for start in range(0, len(codes), FUNDS_A_READ):
        n_overrides += _withdraw(codes[start : start + FUNDS_A_READ])
    return n_proposals, n_overrides


def _supersede(level: int, codes: list[str]) -> int:
    """Supersede the ready proposals of a level that hold one of these funds, give back their capacity, and note their goals."""
    holding = Proposal.objects.filter(state=Proposal.State.READY, level=level, result__weights__has_any_keys=codes).order_by("pk")
    n_done = 0
    while keys := list(holding.values_list("pk", flat=True)[:PROPOSALS_A_WRITE]):
        with transaction.atomic():
            owners = dict(Proposal.objects.filter(pk__in=keys).values_list("pk", "goal__account__investor_id"))
            lock_chain(*owners.values())  # before the proposals, as whoever accepts one locks them
            ready = Proposal.objects.select_for_update(of=("self",)).filter(pk__in=keys, state=Proposal.State.READY)
            found = list(ready.order_by("pk").values_list("pk", "goal_id"))
            Proposal.objects.filter(pk__in=[pk for pk, _ in found]).update(state=Proposal.State.SUPERSEDED)
            why = "a fund's risk grade rose above the level"
            ProposalEvent.objects.bulk_create(ProposalEvent(proposal_id=pk, to_state=Proposal.State.SUPERSEDED, why=why) for pk, _ in found)
            told = [NewRecord(owners[pk], RecordKind.PROPOSAL_TAKEN_BACK, {"proposal": pk, "why": why}, timezone.now()) for pk, _ in found]
            append_records(records=told)
            give_back_capacity([pk for pk, _ in found])
            _note_due(goal_id for _, goal_id in found)
        n_done += len(found)
    return n_done


def _withdraw(codes: list[str]) -> int:
    """Withdraw the overrides in force that hold one of these funds above the goal's level."""
    in_force = Override.objects.filter(state=Override.State.ACTIVE, weights__has_any_keys=codes)
    by_code = Fund.objects.in_bulk(codes, field_name="code")
    investors: dict[int, Investor] = {}
    goals = []
    for override in in_force.select_related("goal__account__investor").order_by("pk"):
        investor = override.goal.account.investor
        level = level_for_goal(investor, override.goal)
        if level is not None and any(not fund_suits(level, fund) for code, fund in by_code.items() if code in override.weights):
            investors[investor.pk] = investor
            goals.append(override.goal_id)
    n_ended = 0
    for investor in investors.values():
        n_ended += withdraw_overrides_above(investor=investor, actor=None, why="a fund's risk grade rose above the level")
    _note_due(goals)
    return n_ended


def _tell_holders(funds: Mapping[int, Fund]) -> int:
    """Open a task for each client who holds one of these funds above a goal's level, and note that the goal needs a proposal."""
    n_tasks = 0
    for block in holders_of(funds) if funds else ():
        above = [row for row in block if (level := _level_of(row)) is not None and not fund_suits(level, funds[row.fund_id])]
        items: dict[int, list[str]] = {}
        for row in above:
            named = items.setdefault(row.investor_id, [])
            if funds[row.fund_id].code not in named:
                named.append(funds[row.fund_id].code)
        n_tasks += open_tasks(kind=TASK_KIND, items=items)
        _note_due(row.goal_id for row in above)
    return n_tasks


def _level_of(row: Holder) -> int | None:
    """The goal's level, also one that has run out: it says what the client may hold, until the next questionnaire."""
    if row.level is None:
        return None
    return goal_level(row.level, years_to_go(row.target_date, timezone.localdate()), jurisdiction().horizon_ceilings)


def _note_due(goal_ids: Iterable[int]) -> None:
    due = [ProposalDue(goal_id=goal_id, why=CURSOR) for goal_id in sorted(set(goal_ids))]
    ProposalDue.objects.bulk_create(due, ignore_conflicts=True)


def request_due_proposals() -> int:
    """Request the proposals that are due, as many as the queue takes without keeping people waiting; returns how many.

    A goal whose level has run out gets none: its next questionnaire asks for one. While there are no models in use, or their
    funds have no prices, all wait. Safe to repeat.
    """
    room = max(0, MOST_WAITING - Proposal.objects.filter(status__in=OPEN).count())
    n_asked = 0
    for pk, goal_id in list(ProposalDue.objects.order_by("pk").values_list("pk", "goal_id")[:room]):
        goal = Goal.objects.select_related("account__investor").get(pk=goal_id)
        try:
            request_proposal(goal=goal)
            n_asked += 1
        except Refused as refused:
            if refused.code in NOT_YET:
                break
        ProposalDue.objects.filter(pk=pk).delete()
    return n_asked
