"""What was worked out on a day, so that no page counts everybody again: metrics, the overview, and alerts on metrics."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from marketing.models.audience import MarketerRows


class MetricDay(models.Model):
    """One metric of marketing/catalogue/metrics.yaml on one day, of everybody or of a segment.

    Money stands in whole minor units, which a float holds exactly up to 2^53; shares are fractions of 1. `n_people` is how
    many the value speaks of: of fewer than ten nothing but their number is told. An empty value could not be worked out.
    """

    metric = models.CharField(max_length=40)
    segment = models.ForeignKey("marketing.Segment", null=True, blank=True, on_delete=models.CASCADE, related_name="metric_days")
    date = models.DateField()
    value = models.FloatField(null=True)
    n_people = models.PositiveIntegerField(default=0)
    worked_at = models.DateTimeField(default=timezone.now)

    objects = MarketerRows.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["metric", "segment", "date"], condition=Q(segment__isnull=False), name="one_metric_a_day"),
            models.UniqueConstraint(fields=["metric", "date"], condition=Q(segment__isnull=True), name="one_metric_of_all_a_day"),
        ]
        indexes = [models.Index(fields=["segment", "date"], name="metrics_of_a_day")]


class OverviewDay(models.Model):
    """The counts behind the marketers' home on one day, of everybody or of a segment; small groups are withheld when shown."""

    segment = models.ForeignKey("marketing.Segment", null=True, blank=True, on_delete=models.CASCADE, related_name="overview_days")
    date = models.DateField()
    data = models.JSONField()
    worked_at = models.DateTimeField(default=timezone.now)

    objects = MarketerRows.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["segment", "date"], condition=Q(segment__isnull=False), name="one_overview_a_day"),
            models.UniqueConstraint(fields=["date"], condition=Q(segment__isnull=True), name="one_overview_of_all_a_day"),
        ]


class MetricAlert(models.Model):
    """A limit on a metric, looked at every night. `limit` has the metric's unit; of a change it is a fraction of the usual."""

    class Kind(models.TextChoices):
        ABOVE = "above", _("is above")
        BELOW = "below", _("is below")
        CHANGE = "change", _("moves away from its usual value by")  # the mean of the 28 days before

    class State(models.TextChoices):
        QUIET = "quiet", _("within its limit")
        OPEN = "open", _("beyond its limit")

    metric = models.CharField(max_length=40)
    segment = models.ForeignKey("marketing.Segment", null=True, blank=True, on_delete=models.CASCADE, related_name="alerts")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    limit = models.FloatField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=5, choices=State.choices, default=State.QUIET)
    state_since = models.DateField(null=True, blank=True)
    checked_date = models.DateField(null=True, blank=True)
    n_days_back = models.PositiveSmallIntegerField(default=0)  # days in a row within the limit while open
    last_value = models.FloatField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("alert on a metric")
        verbose_name_plural = _("alerts on metrics")
        ordering = ["-state_since", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["metric", "segment", "kind", "limit"], condition=Q(segment__isnull=False), name="one_alert_of_a_segment"
            ),
            models.UniqueConstraint(fields=["metric", "kind", "limit"], condition=Q(segment__isnull=True), name="one_alert_of_all"),
        ]


class MetricAlertEvent(models.Model):
    """One transition of an alert, or its acknowledgement: what the value was, when, and who."""

    class Kind(models.TextChoices):
        OPENED = "opened", _("went beyond its limit")
        CLOSED = "closed", _("came back")
        ACKNOWLEDGED = "acknowledged", _("was taken note of")

    alert = models.ForeignKey(MetricAlert, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    date = models.DateField()
    value = models.FloatField(null=True)
    usual = models.FloatField(null=True)  # what it was compared with
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    objects = MarketerRows.as_manager()

    class Meta:
        ordering = ["-pk"]


class SavedQuestion(models.Model):
    """A question of marketing.kernels.ask under a name. Its answer is worked out whenever it is asked."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    kind = models.CharField(max_length=12)
    question = models.JSONField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("saved question")
        verbose_name_plural = _("saved questions")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
