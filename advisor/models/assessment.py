"""Assessments with every intermediate number, and the dated history of the level in force."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from advisor.models.people import Investor, Level, PersonQuerySet


class Assessment(models.Model):
    """One attempt at the questionnaire. A draft collects answers; of a completed one only how its rise goes on is written later."""

    class State(models.TextChoices):
        DRAFT = "draft", _("in progress")
        COMPLETED = "completed", _("completed")
        ABANDONED = "abandoned", _("abandoned")

    class Confidence(models.TextChoices):
        HIGH = "high", pgettext_lazy("confidence", "high")
        MEDIUM = "medium", pgettext_lazy("confidence", "medium")
        LOW = "low", pgettext_lazy("confidence", "low")

    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="assessments")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    instrument = models.CharField(max_length=40)  # name@version
    instrument_sha256 = models.CharField(max_length=64)
    answers = models.JSONField(default=dict)  # item code -> option code
    seconds = models.JSONField(default=dict)  # item code -> seconds on its page
    positions = models.JSONField(default=dict)  # item code -> place of the chosen option on the screen, 0 at the top
    soft_confirmed = models.JSONField(default=list)  # codes of the contradictions that the investor confirmed
    amount_minor = models.BigIntegerField(null=True, blank=True)  # the money that losses were asked about
    tolerance = models.FloatField(null=True, blank=True)  # T, 0..100
    capacity = models.FloatField(null=True, blank=True)  # K, 0..100
    score = models.FloatField(null=True, blank=True)  # R, 0..100
    raw_level = models.SmallIntegerField(choices=Level.choices, null=True, blank=True)
    level = models.SmallIntegerField(choices=Level.choices, null=True, blank=True)  # what the answers give, also where a rise waits
    confidence = models.CharField(max_length=6, choices=Confidence.choices, blank=True)
    stated_loss = models.FloatField(null=True, blank=True)  # largest bearable loss in a year, fraction of 1
    working = models.JSONField(default=dict)  # every intermediate number, and the ceilings by name
    started_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True, blank=True)
    # A rise: the rule that kept the old level, or the level that waits, until when, and for whose confirmation.
    kept_by = models.CharField(max_length=30, blank=True)
    pending_level = models.SmallIntegerField(choices=Level.choices, null=True, blank=True)
    takes_effect_at = models.DateTimeField(null=True, blank=True)
    needs_confirmation = models.BooleanField(default=False)
    confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    confirmed_at = models.DateTimeField(null=True, blank=True)

    objects = PersonQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        verbose_name = _("assessment")
        verbose_name_plural = _("assessments")
        constraints = [
            models.UniqueConstraint(fields=["investor"], condition=Q(state="draft"), name="one_draft_an_investor"),
            models.CheckConstraint(condition=~Q(state="completed") | Q(level__isnull=False), name="completed_has_a_level"),
            models.CheckConstraint(
                condition=Q(pending_level__isnull=True)
                | Q(state="completed", takes_effect_at__isnull=False, pending_level__lte=models.F("level")),
                name="pending_rise_of_a_completed_one",
            ),
        ]
        indexes = [models.Index(fields=["takes_effect_at"], condition=Q(pending_level__isnull=False), name="pending_rises")]


class LevelChange(models.Model):
    """A change of the level in force: from what, to what, by whom and why. Only an assessment may raise it."""

    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="level_changes")
    from_level = models.SmallIntegerField(choices=Level.choices, null=True, blank=True)
    to_level = models.SmallIntegerField(choices=Level.choices)
    assessment = models.ForeignKey(Assessment, null=True, blank=True, on_delete=models.PROTECT, related_name="level_changes")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    why = models.CharField(max_length=300)
    at = models.DateTimeField(default=timezone.now)

    objects = PersonQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(assessment__isnull=False) | Q(from_level__isnull=False, to_level__lte=models.F("from_level")),
                name="only_an_assessment_raises_a_level",
            )
        ]
