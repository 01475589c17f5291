"""What the nightly reading of who sleeps leaves besides the states: the fits it rests on, its runs, and who woke."""

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models import Investor
from config.jobs import Job
from marketing.models.audience import MarketerRows, PersonRows


class DormancyFit(models.Model):
    """BG/NBD or MBG/NBD fitted to everybody's own decisions up to a day; times in weeks.

    `is_used` says whether states rest on it; where there was too little to fit, `why` names the reason and they rest on
    lengths of silence alone. `report` holds the calibration and the holdout as the page shows them.
    """

    class Model(models.TextChoices):
        BGNBD = "bgnbd", "BG/NBD"
        MBGNBD = "mbgnbd", "MBG/NBD"

    as_of = models.DateField()
    first_date = models.DateField(null=True, blank=True)  # of the earliest decision that was read
    model = models.CharField(max_length=8, choices=Model.choices)
    is_used = models.BooleanField(default=False)
    why = models.CharField(max_length=40, blank=True)
    r = models.FloatField(null=True)
    alpha = models.FloatField(null=True)
    a = models.FloatField(null=True)
    b = models.FloatField(null=True)
    standard_errors = models.JSONField(default=dict)
    log_likelihood = models.FloatField(null=True)
    n_people = models.PositiveIntegerField(default=0)
    n_groups = models.PositiveIntegerField(default=0)
    report = models.JSONField(default=dict)
    versions = models.JSONField(default=dict)
    made_at = models.DateTimeField(default=timezone.now)

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("fit of who still decides")
        verbose_name_plural = _("fits of who still decides")
        ordering = ["-as_of", "-pk"]
        constraints = [models.UniqueConstraint(fields=["as_of"], name="one_dormancy_fit_a_day")]

    def __str__(self) -> str:
        return f"{self.get_model_display()} {self.as_of}"


class DormancyRun(Job):
    """One night's reading of everybody, in blocks of investors; an interrupted one goes on behind its last block."""

    as_of = models.DateField(unique=True)
    fit = models.ForeignKey(DormancyFit, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs")
    last_investor = models.BigIntegerField(default=0)
    n_changed = models.PositiveIntegerField(default=0)
    states: Any = models.JSONField(default=dict)  # state -> people, at the end

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("reading of who sleeps")
        verbose_name_plural = _("readings of who sleeps")
        ordering = ["-as_of"]


class Reactivation(models.Model):
    """Somebody who slept did something that leaves them better off. A trade alone is none."""

    class Kind(models.TextChoices):
        PLAN = "plan_restored", _("plan restored")
        ASSESSMENT = "assessment_done", _("overdue assessment done")
        CASH = "cash_placed", _("idle cash placed")
        ANSWER = "question_answered", _("question answered")

    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="reactivations", db_index=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    date = models.DateField()
    slept_since = models.DateField(null=True, blank=True)

    objects = PersonRows.as_manager()

    class Meta:
        verbose_name = _("reactivation")
        verbose_name_plural = _("reactivations")
        constraints = [models.UniqueConstraint(fields=["investor", "kind", "date"], name="reactivated_once_a_day")]
        indexes = [models.Index(fields=["date"], name="reactivations_of_a_day")]
