"""Lowering a client's level on an advisor's own judgement. Nothing here raises one: only an assessment does."""

from contextlib import suppress
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction

from advisor import rules
from advisor.errors import Refused
from advisor.models import Investor, LevelChange
from advisor.services.overrides import check_reason, withdraw_overrides_above
from advisor.services.proposals import request_proposal, supersede_proposals_above


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
    goals = supersede_proposals_above(investor=locked, actor=advisor, why=reason)
    withdraw_overrides_above(investor=locked, actor=advisor, why=reason)
    for goal in goals:
        # A level that has run out asks for no proposal; the next questionnaire does.
        with suppress(Refused):
            request_proposal(goal=goal, actor=advisor)
    return change
