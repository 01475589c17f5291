"""What is known about each investor in one wide row, its dated changes, and the segments built on it."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models import Investor
from marketing.models.audience import MarketerRows, PersonRows


class Dormancy(models.TextChoices):
    NEW = "new", _("new")
    ACTIVE = "active", _("active")
    CALM = "calm", _("calm holder")
    COOLING = "cooling", _("cooling")
    DORMANT = "dormant", _("dormant")
    LOST = "lost", _("lost")


class Profile(models.Model):
    """One wide typed row an investor, rebuilt in set-based batches."""

    investor = models.OneToOneField(Investor, on_delete=models.CASCADE, primary_key=True, related_name="profile")
    dormancy = models.CharField(max_length=8, choices=Dormancy.choices, default=Dormancy.NEW, db_index=True)
    last_decision_at = models.DateTimeField(null=True, blank=True)  # orders outside plans
    last_visit_at = models.DateTimeField(null=True, blank=True)
    n_decisions = models.PositiveIntegerField(default=0)
    n_plan_orders_90d = models.PositiveIntegerField(default=0)
    assets_minor = models.BigIntegerField(default=0)
    idle_cash_minor = models.BigIntegerField(default=0)
    refreshed_at = models.DateTimeField(default=timezone.now)

    objects = PersonRows.as_manager()


class DormancyChange(models.Model):
    """A dated change of state. Seen once a day, so at most one a day an investor."""

    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="dormancy_changes")
    from_state = models.CharField(max_length=8, blank=True)
    to_state = models.CharField(max_length=8, choices=Dormancy.choices)
    date = models.DateField()

    objects = PersonRows.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["investor", "date"], name="one_dormancy_change_a_day")]


class Segment(models.Model):
    """A named audience: a validated rule tree (marketing.kernels.segments), evaluated whenever it is asked for."""

    class Builtin(models.TextChoices):
        DORMANT_IDLE_CASH = "dormant_idle_cash", _("Dormant with idle cash")

    name = models.CharField(_("name"), max_length=80, unique=True)
    builtin = models.CharField(max_length=30, choices=Builtin.choices, null=True, blank=True, unique=True, editable=False)
    rule = models.JSONField()
    version = models.PositiveIntegerField(default=1)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """The name as the marketer gave it; a built-in one is named in the reader's language."""
        return str(self.Builtin(self.builtin).label) if self.builtin else self.name
