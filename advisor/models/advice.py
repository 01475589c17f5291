"""Proposals, suitability decisions, overrides, and the advisors' queue."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models.assessment import Assessment
from advisor.models.people import Goal, Investor, Level, PersonQuerySet
from config.jobs import Job
from portfolios.models import Fund


class Proposal(Job):
    """A portfolio worked out for one goal. `inputs` are frozen when it is asked for; `result` when it is worked out."""

    class State(models.TextChoices):
        WORKING = "working", _("being worked out")
        READY = "ready", _("ready")
        INFEASIBLE = "infeasible", _("not possible")
        ACCEPTED = "accepted", _("accepted")
        SUPERSEDED = "superseded", _("replaced by a newer one")

    goal = models.ForeignKey(Goal, on_delete=models.PROTECT, related_name="proposals")
    assessment = models.ForeignKey(Assessment, on_delete=models.PROTECT, related_name="proposals")
    level = models.SmallIntegerField(choices=Level.choices)  # the portfolio's: person's level under the horizon's ceiling
    state = models.CharField(max_length=12, choices=State.choices, default=State.WORKING)
    inputs = models.JSONField()
    inputs_sha256 = models.CharField(max_length=64)
    result = models.JSONField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)

    objects = PersonQuerySet.as_manager()
    investor_path = "goal__account__investor"

    class Meta:
        verbose_name = _("proposal")
        verbose_name_plural = _("proposals")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["goal", "inputs_sha256"], condition=Q(status__in=["queued", "running"]), name="one_open_proposal_an_input"
            )
        ]


class ProposalEvent(models.Model):
    """One transition of a proposal: who, when, why."""

    proposal = models.ForeignKey(Proposal, on_delete=models.CASCADE, related_name="events")
    to_state = models.CharField(max_length=12)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    why = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(default=timezone.now)

    objects = PersonQuerySet.as_manager()
    investor_path = "proposal__goal__account__investor"


class Clearance(models.Model):
    """A suitability decision on one purchase or redemption. An order names the one it rests on, and each is used once."""

    class Verdict(models.TextChoices):
        RECOMMEND = "recommend", _("suitable")
        ALLOW_AFTER_WARNING = "warn", _("above the level: only on the investor's own wish, after a warning")
        FORBID = "forbid", _("not allowed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="clearances")
    portfolio_id = models.BigIntegerField()
    fund = models.ForeignKey(Fund, on_delete=models.PROTECT, related_name="+")
    side = models.CharField(max_length=4)
    amount_minor = models.BigIntegerField(null=True, blank=True)  # a buy's
    units_centi = models.BigIntegerField(null=True, blank=True)  # a sell's
    level = models.SmallIntegerField(choices=Level.choices, null=True, blank=True)
    risk_grade = models.PositiveSmallIntegerField()
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    reasons = models.JSONField(default=list)  # codes of advisor.kernels.suitability
    at = models.DateTimeField(default=timezone.now)

    objects = PersonQuerySet.as_manager()
    investor_path = "investor"


class Override(models.Model):
    """An advisor's allocation in place of the proposed one: with a reason, its price before saving, and an expiry."""

    class State(models.TextChoices):
        ACTIVE = "active", _("in force")
        WITHDRAWN = "withdrawn", _("withdrawn")
        EXPIRED = "expired", _("expired")

    goal = models.ForeignKey(Goal, on_delete=models.PROTECT, related_name="overrides")
    advisor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    weights = models.JSONField()  # fund code -> weight, fractions of 1
    price = models.JSONField()  # risk, bad year and cost beside those of the proposal, as shown before saving
    reason = models.CharField(_("reason"), max_length=500)
    expires_on = models.DateField(_("expires"))
    made_at = models.DateTimeField(default=timezone.now)

    objects = PersonQuerySet.as_manager()
    investor_path = "goal__account__investor"

    class Meta:
        verbose_name = _("override")
        verbose_name_plural = _("overrides")
        constraints = [models.UniqueConstraint(fields=["goal"], condition=Q(state="active"), name="one_active_override_a_goal")]


class OverrideEvent(models.Model):
    """One transition of an override: who, when, why."""

    override = models.ForeignKey(Override, on_delete=models.CASCADE, related_name="events")
    to_state = models.CharField(max_length=10)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    why = models.CharField(max_length=500)
    at = models.DateTimeField(default=timezone.now)

    objects = PersonQuerySet.as_manager()
    investor_path = "override__goal__account__investor"


class GoalEvent(models.Model):
    """What happened to a goal: made, funded, changed."""

    goal = models.ForeignKey(Goal, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=20)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    why = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(default=timezone.now)

    objects = PersonQuerySet.as_manager()
    investor_path = "goal__account__investor"


class Task(models.Model):
    """Something an advisor should do for a client. Opened by advisor.services.open_task."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        DONE = "done", _("done")

    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="tasks")
    kind = models.CharField(max_length=40)
    params = models.JSONField(default=dict)
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    due_date = models.DateField(null=True, blank=True)
    opened_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects = PersonQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["investor", "kind"], condition=Q(state="open"), name="one_open_task_a_kind")]
