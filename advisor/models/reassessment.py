"""What happens to a level between two assessments: holds, reviews, what asks for a new assessment, and reminders."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models.assessment import Assessment
from advisor.models.following import NobodyQuerySet
from advisor.models.people import Goal, Investor, PersonQuerySet


class LevelHold(models.Model):
    """An advisor's word that no assessment raises the level before a date. It ends by itself; the next assessment may then rise."""

    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="level_holds")
    until_date = models.DateField(_("held until"))  # inclusive
    advisor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(_("reason"), max_length=300)
    made_at = models.DateTimeField(default=timezone.now)

    objects = PersonQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        verbose_name = _("hold of a level")
        verbose_name_plural = _("holds of levels")


class LevelReview(models.Model):
    """A review that an advisor asks for and a supervisor signs. It raises nothing.

    `age` lifts the ceiling of age at the next assessment; `restore` puts the old level back in force while no attempt is left.
    """

    class Kind(models.TextChoices):
        AGE = "age", _("lifts the limit of age at the next assessment")
        RESTORE = "restore", _("puts the old level in force again")

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting for a signature")
        SIGNED = "signed", _("signed")
        RETURNED = "returned", _("returned")

    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="level_reviews")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    reason = models.CharField(_("reason"), max_length=300)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    signed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    signed_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=300, blank=True)
    used_by = models.ForeignKey(Assessment, null=True, blank=True, on_delete=models.PROTECT, related_name="reviews")

    objects = PersonQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        verbose_name = _("review of a level")
        verbose_name_plural = _("reviews of levels")
        constraints = [
            models.UniqueConstraint(fields=["investor", "kind"], condition=Q(state="waiting"), name="one_waiting_review_a_kind"),
            models.CheckConstraint(condition=~Q(signed_by=models.F("asked_by")), name="review_four_eyes"),
        ]


class ReviewTrigger(models.Model):
    """Something that makes a new assessment due, from the day it began until the assessment that answers it.

    One without `opened_at` is only watched: it opens once it has lasted long enough.
    """

    class Kind(models.TextChoices):
        LIFE_EVENT = "life_event", _("a change in life")
        ASKED = "reassessment_asked", _("asked for by the advisor")
        PANIC_SALE = "panic_sale", _("sold in a fall")
        REVEALED_RISK = "revealed_risk", _("holds another risk than stated")
        PORTFOLIO_DOWN = "portfolio_down", _("portfolio down by a fifth")
        CORRECTED = "questionnaire_corrected", _("a corrected questionnaire")
        CALM = "calm_in_falls", _("kept calm in two falls")
        LOW_CONFIDENCE = "low_confidence", _("low confidence")

    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="review_triggers")
    kind = models.CharField(max_length=30, choices=Kind.choices)
    about = models.CharField(max_length=80, blank=True)  # what it is about: the same is never opened again
    details = models.JSONField(default=dict)
    since = models.DateField()
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(Assessment, null=True, blank=True, on_delete=models.PROTECT, related_name="answers_triggers")

    objects = PersonQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        verbose_name = _("reason for a new assessment")
        verbose_name_plural = _("reasons for a new assessment")
        constraints = [
            models.UniqueConstraint(fields=["investor", "kind"], condition=Q(closed_at__isnull=True), name="one_open_trigger_a_kind"),
            models.UniqueConstraint(fields=["investor", "kind", "about"], name="trigger_once_for_its_cause"),
        ]
        indexes = [models.Index(fields=["kind", "since"], condition=Q(closed_at__isnull=True), name="open_triggers")]


class Notice(models.Model):
    """A reminder or explanation for an investor's own pages, written once for what it is about."""

    class Kind(models.TextChoices):
        EXPIRES_IN_30 = "expires_in_30", _("level expires in a month")
        EXPIRES_IN_7 = "expires_in_7", _("level expires in a week")
        EXPIRES_TODAY = "expires_today", _("level expires today")
        EXPIRED = "expired", _("level has expired")
        REASSESS = "reassess", _("a new assessment is due")
        FALL = "fall", _("a deep fall explained")
        CALM = "calm", _("a new assessment is offered")
        LOWERED = "lowered", _("level lowered by behaviour")
        RAISED = "raised", _("a rise is in force")

    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    for_date = models.DateField()
    made_at = models.DateTimeField(default=timezone.now)

    objects = PersonQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        constraints = [models.UniqueConstraint(fields=["investor", "kind", "for_date"], name="notice_once")]


class GoalHigh(models.Model):
    """The highest gain in money that a goal's portfolio has reached, seen night by night: what a fall is measured from."""

    goal = models.OneToOneField(Goal, on_delete=models.CASCADE, related_name="high")
    gain_minor = models.BigIntegerField()
    on_date = models.DateField()

    objects = NobodyQuerySet.as_manager()
