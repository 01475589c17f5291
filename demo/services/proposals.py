"""Proposals of simulated people: those accepted long ago, and those that wait for a decision."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from advisor.models import Assessment, Goal, Proposal, ProposalEvent
from advisor.services.proposals import result_of
from config.jobs import Job
from demo.cast import Member, Pot
from demo.services.bulk import write
from demo.services.stage import Scenery, at
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.types import AdviceSolution


@dataclass(frozen=True)
class _Case:
    """A goal on the day its proposal was made."""

    member: Member
    pot: Pot
    goal: Goal
    assessment: Assessment
    years: float
    level: int
    when: datetime


def load_proposals(goals: Sequence[tuple[Member, Pot, Goal]], assessments: Mapping[int, Assessment], scenery: Scenery) -> int:
    """Write one proposal for each goal that has a portfolio level: accepted where it was bought, else ready. Returns how many."""
    funds = {fund.code: fund for fund in scenery.funds}
    growth: dict[int, Any] = {}  # the chart of the past is the same for everybody with the same solution
    rows = []
    for member, pot, goal in goals:
        if pot.level is None:
            continue  # nothing is proposed
        day = scenery.tape.date(pot.accepted if pot.accepted is not None else scenery.tape.last_day)
        years = (pot.target_date - day).days / 365.25
        solution = scenery.solution(pot.level, years)
        if solution is None:
            continue
        result = result_of(solution, goal.amount_minor, funds, growth.get(id(solution)))
        growth[id(solution)] = result["growth"]
        case = _Case(member, pot, goal, assessments[goal.account.investor_id], years, pot.level, at(day, 0))
        rows.append(_proposal(case, solution, result))
    written = write(rows)
    write(event for row in written for event in _events(row))
    return len(written)


def _proposal(case: _Case, solution: AdviceSolution, result: dict[str, Any]) -> Proposal:
    """The row as the worker would have left it."""
    standing, accepted = case.member.standing, case.pot.accepted
    inputs = {
        "goal": case.goal.pk,
        "assessment": case.assessment.pk,
        "person_level": standing.on(accepted if accepted is not None else standing.valid_until) if standing else None,
        "level": case.level,
        "stated_loss": case.assessment.stated_loss,
        "horizon_years": round(case.years, 2),
        "amount_minor": case.goal.amount_minor,
        "funding": "deposit",
        "pool": solution.pool_id,
        "data_date": solution.data_date,
        "rules": jurisdiction().version,
    }
    return Proposal(
        goal=case.goal,
        assessment=case.assessment,
        level=case.level,
        state=Proposal.State.READY if accepted is None else Proposal.State.ACCEPTED,
        status=Job.Status.DONE,
        inputs=inputs,
        inputs_sha256=hashlib.sha256(json.dumps(inputs, sort_keys=True, separators=(",", ":")).encode()).hexdigest(),
        result=result,
        accepted_at=None if accepted is None else case.when,
        finished_at=case.when,
    )


def _events(row: Proposal) -> list[ProposalEvent]:
    when = row.finished_at or row.queued_at
    events = [ProposalEvent(proposal=row, to_state=state, at=when) for state in (Proposal.State.WORKING, Proposal.State.READY)]
    if row.accepted_at:
        events.append(ProposalEvent(proposal=row, to_state=Proposal.State.ACCEPTED, actor_id=row.goal.account.investor.user_id, at=when))
    return events
