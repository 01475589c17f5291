"""The nightly review: a run over everyone's goals, its blocks, and what it found for each goal."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models.people import Goal, Level, PersonQuerySet
from config.jobs import Job
from identity.roles import Role


class ReviewQuerySet(models.QuerySet[Any]):
    """Rows about the work, which name nobody: for all who advise and supervise, and for nobody else."""

    def visible_to(self, user: Any) -> Self:
        is_staff = user.is_authenticated and user.is_active and (user.has_role(Role.ADVISOR) or user.has_role(Role.SUPERVISOR))
        return self.all() if is_staff else self.none()


class ReadviceRun(models.Model):
    """One night's review of every goal that holds something. `inputs` are frozen when it is asked for; one UPDATE makes it current."""

    on_date = models.DateField()
    pool_id = models.BigIntegerField()
    data_date = models.DateField()
    inputs = models.JSONField(default=dict)  # pool, its funds' fingerprint, rules, library versions
    n_total = models.PositiveIntegerField(default=0)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    is_current = models.BooleanField(default=False)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        verbose_name = _("nightly review")
        verbose_name_plural = _("nightly reviews")
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["is_current"], condition=Q(is_current=True), name="one_current_review")]


class ReadviceBlock(Job):
    """Goals of a run from one primary key to another, claimed and written together."""

    run = models.ForeignKey(ReadviceRun, on_delete=models.CASCADE, related_name="blocks")
    first_goal = models.BigIntegerField()
    last_goal = models.BigIntegerField()
    counts = models.JSONField(default=dict)  # goals by action, and "nothing_held"
    seconds = models.JSONField(default=dict)  # read, kernel, write

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["run", "first_goal"], name="review_block_once")]


class Readvice(models.Model):
    """What a review found for one goal. Figures are fractions of all that its portfolio holds, cash included, and a year."""

    class Action(models.TextChoices):
        KEEP = "keep", _("nothing to do")
        ADJUST = "adjust", _("worth an adjustment")
        TOO_RISKY = "too_risky", _("bad year above the limit")
        IMPOSSIBLE = "impossible", _("no suitable portfolio")
        UNKNOWN = "unknown", _("risk not known")
        NO_LEVEL = "no_level", _("no level in force")

    run = models.ForeignKey(ReadviceRun, on_delete=models.CASCADE, related_name="results")
    goal = models.ForeignKey(Goal, on_delete=models.CASCADE, related_name="reviews")
    level = models.SmallIntegerField(choices=Level.choices, null=True, blank=True)  # the portfolio's, under the horizon's ceiling
    action = models.CharField(max_length=10, choices=Action.choices)
    is_breach = models.BooleanField(default=False)  # holds a fund above the level: bought before, and never sold by force
    risk_aversion = models.FloatField(null=True, blank=True)
    turnover = models.FloatField(null=True, blank=True)  # half the sum of |advised - held|, cash included
    gain = models.FloatField(null=True, blank=True)  # utility a year after costs over the horizon
    cost = models.FloatField(null=True, blank=True)  # one-off
    cvar_limit = models.FloatField(null=True, blank=True)
    cvar_now = models.FloatField(null=True, blank=True)
    cvar_then = models.FloatField(null=True, blank=True)
    outside = models.FloatField(default=0.0)  # share held in funds that are not advised at this level, left as it is
    weights = models.JSONField(default=dict)  # fund code -> share of the part that is advised
    error = models.JSONField(null=True, blank=True)  # of an impossible one: {"code", "params"}

    objects = PersonQuerySet.as_manager()
    investor_path = "goal__account__investor"

    class Meta:
        verbose_name = _("result of a review")
        verbose_name_plural = _("results of a review")
        constraints = [models.UniqueConstraint(fields=["run", "goal"], name="one_result_a_goal_and_run")]
