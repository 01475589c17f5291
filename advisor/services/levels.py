"""Lowering a client's level on an advisor's own judgement. Nothing here raises one: only an assessment does."""

from contextlib import suppress
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction

from advisor import rules
from advisor.errors import Refused
from advisor.models import Goal, Investor, LevelChange, Proposal, ProposalEvent
from advisor.services.overrides import check_reason, withdraw_overrides_above
from advisor.services.proposals import request_proposal
from config.jobs import Job


@transaction.atomic
def lower_level(*, investor: Investor, advisor: Any, to_level: int, reason: str) -> LevelChange:
    """Write a lower level with its reason, and take back what it no longer allows. A repeat finds it lowered and is refused."""
    if not rules.may_lower_level(advisor, investor):
        raise PermissionDenied
    reason = reason.strip()
    check_reason(reason, most=300)
    locked = Investor.objects.select_for_update().get(pk=investor.pk)
    if locked.level is None:
        raise Refused("no_level_to_lower")
    if not 0 <= to_level < locked.level:
        raise Refused("not_lower", now=locked.get_level_display())
    if not Investor.objects.filter(pk=locked.pk, level__gt=to_level).update(level=to_level):
        raise Refused("not_lower", now=locked.get_level_display())
    change = LevelChange.objects.create(investor=locked, from_level=locked.level, to_level=to_level, actor=advisor, why=reason)
    locked.level = to_level
    goals = _supersede_above(locked, advisor, reason)
    withdraw_overrides_above(investor=locked, actor=advisor, why=reason)
    for goal in goals:
        # A level that has run out asks for no proposal; the next questionnaire does.
        with suppress(Refused):
            request_proposal(goal=goal, actor=advisor)
    return change


def _supersede_above(investor: Investor, actor: Any, why: str) -> list[Goal]:
    """Take back proposals above the level that are ready, or still worked out: their worker loses its claim and discards."""
    above = Proposal.objects.filter(goal__account__investor=investor, level__gt=investor.level)
    open_ones = above.filter(state__in=(Proposal.State.READY, Proposal.State.WORKING))
    goals = set()
    for pk, goal_id in list(open_ones.order_by("pk").values_list("pk", "goal_id")):
        unfinished = Proposal.objects.filter(pk=pk, status__in=(Job.Status.QUEUED, Job.Status.RUNNING))
        unfinished.update(status=Job.Status.FAILED, claim=None, lease_until=None, error={"code": "level_lowered"})
        if Proposal.objects.filter(pk=pk, state__in=(Proposal.State.READY, Proposal.State.WORKING)).update(state=Proposal.State.SUPERSEDED):
            ProposalEvent.objects.create(proposal_id=pk, to_state=Proposal.State.SUPERSEDED, actor=actor, why=why[:300])
            goals.add(goal_id)
    return list(Goal.objects.filter(pk__in=goals).select_related("account__investor").order_by("pk"))
