"""What people did, as it was last read from the ledger, and the nights on which it was read."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models.people import Investor, PersonQuerySet
from advisor.models.readvice import ReviewQuerySet


class BehaviourReading(models.Model):
    """The five measures of one person with what each rests on. Without consent to profiling there is no row.

    A row is a place in the queue too: it is read again on the first night from `due_on` on. `as_of` is empty until then.
    """

    investor = models.OneToOneField(Investor, on_delete=models.CASCADE, related_name="behaviour")
    as_of = models.DateField(null=True, blank=True)
    measures = models.JSONField(default=dict)  # as `kernels.behaviour.sheets` makes them, money in minor units
    risk_assets_minor = models.BigIntegerField(default=0)  # on average of the last days: with too little nothing is evidence
    damage = models.FloatField(default=0.0)  # D, points of 100 that the tolerance loses for it
    panic_on = models.DateField(null=True, blank=True)  # last sale of the latest panic within the window
    begins_on = models.DateField(null=True, blank=True)  # first trade
    problem = models.CharField(max_length=40, blank=True)  # why the ledger cannot be read
    due_on = models.DateField(db_index=True)
    computed_at = models.DateTimeField(null=True, blank=True)

    objects = PersonQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        verbose_name = _("reading of behaviour")
        verbose_name_plural = _("readings of behaviour")


class BehaviourNight(models.Model):
    """One round of readings, and the falls that were known then. How far the ledger was followed its cursor says."""

    on_date = models.DateField()
    crossings = models.JSONField(default=list)  # [class, date]
    n_due = models.PositiveIntegerField(default=0)
    n_read = models.PositiveIntegerField(default=0)
    n_forgotten = models.PositiveIntegerField(default=0)  # readings of people who withdrew their consent
    n_fallen = models.PositiveIntegerField(default=0)  # levels that fell
    started_at = models.DateTimeField(default=timezone.now)
    marked_at = models.DateTimeField(null=True, blank=True)  # since when all who are due are known
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        verbose_name = _("night of readings of behaviour")
        verbose_name_plural = _("nights of readings of behaviour")
        ordering = ["-pk"]
