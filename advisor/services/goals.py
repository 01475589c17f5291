"""Goals: a pot with a name, an amount and a date."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction
from django.utils import timezone

from advisor.instruments import load_instrument
from advisor.jurisdictions import advice_rules
from advisor.models import Account, Assessment, Goal, GoalEvent, Investor


class GoalError(ValueError):
    """A goal that cannot be. `code` is amount_too_small, amount_too_large, date_not_in_future or date_too_far."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code, self.params = code, params


@dataclass(frozen=True)
class GoalRequest:
    name: str
    kind: str
    amount_minor: int
    target_date: date


def check_goal(request: GoalRequest) -> None:
    """Raise GoalError when the amount or the date is outside what advice_rules() allows."""
    limits = advice_rules().goal
    today = timezone.localdate()
    if request.amount_minor < limits.min_amount_minor:
        raise GoalError("amount_too_small", limit_minor=limits.min_amount_minor)
    if request.amount_minor > limits.max_amount_minor:
        raise GoalError("amount_too_large", limit_minor=limits.max_amount_minor)
    if request.target_date <= today:
        raise GoalError("date_not_in_future")
    if request.target_date > today + timedelta(days=round(365.25 * limits.max_years)):
        raise GoalError("date_too_far", years=limits.max_years)


@transaction.atomic
def add_goal(*, investor: Investor, request: GoalRequest, key: UUID | None = None, actor: Any = None) -> Goal:
    """Write a goal, with an account if there is none yet; the same key returns the goal it made. Raises GoalError."""
    check_goal(request)
    Investor.objects.select_for_update().get(pk=investor.pk)
    # One's own keys only: another person's, sent with one's own form, is just another key.
    own_key = uuid5(key, str(investor.pk)) if key else None
    if own_key and (made := Goal.objects.filter(request_key=own_key).first()):
        return made
    account = Account.objects.filter(investor=investor).order_by("pk").first() or Account.objects.create(investor=investor)
    goal = Goal.objects.create(
        account=account,
        name=request.name,
        kind=request.kind,
        amount_minor=request.amount_minor,
        target_date=request.target_date,
        request_key=own_key,
    )
    GoalEvent.objects.create(goal=goal, kind="made", actor=actor)
    return goal


@transaction.atomic
def change_goal(*, goal: Goal, request: GoalRequest, actor: Any = None) -> Goal:
    """Write other particulars into a goal that has no portfolio yet, and have the loss questions of an open
    questionnaire asked again if the amount differs. Safe to repeat. Raises GoalError."""
    check_goal(request)
    investor_id = goal.account.investor_id
    Investor.objects.select_for_update().get(pk=investor_id)
    wanted = {"name": request.name, "kind": request.kind, "amount_minor": request.amount_minor, "target_date": request.target_date}
    unlike = {field: value for field, value in wanted.items() if getattr(goal, field) != value}
    if unlike and Goal.objects.filter(pk=goal.pk, portfolio__isnull=True).update(**unlike):
        GoalEvent.objects.create(goal=goal, kind="changed", actor=actor, why=", ".join(unlike))
        if "amount_minor" in unlike:
            _ask_about_the_new_amount(investor_id, request.amount_minor)
    goal.refresh_from_db()
    return goal


def _ask_about_the_new_amount(investor_id: int, amount_minor: int) -> None:
    # The row's lock keeps an answer saved at the same moment from being lost.
    drafts = Assessment.objects.select_for_update().filter(investor_id=investor_id, state=Assessment.State.DRAFT)
    draft = drafts.exclude(amount_minor=amount_minor).first()
    if draft:
        about_amounts = {item.code for item in load_instrument(draft.instrument).items if item.names_amounts}
        draft.answers = {code: option for code, option in draft.answers.items() if code not in about_amounts}
        draft.amount_minor = amount_minor
        draft.save(update_fields=["answers", "amount_minor"])
