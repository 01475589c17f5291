"""People who resemble those of a segment, as last worked out from the recommender's factors: a set a seed, its people in rows."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from advisor.models import Investor
from config.jobs import Job
from marketing.models.audience import MarketerRows, PersonRows
from marketing.models.segments import Segment
from marketing.models.suggestions import RecommenderRun


class LookAlikeSet(Job):
    """One working out of who resembles a segment. The one that conditions read is named by one pointer UPDATE."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="look_alike_sets")
    run = models.ForeignKey(RecommenderRun, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")  # whose factors
    is_current = models.BooleanField(default=False)
    n_seed = models.PositiveIntegerField(default=0)  # members of the seed whose factors were averaged
    n_compared = models.PositiveIntegerField(default=0)  # others with factors: what a share is a share of

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("set of look-alikes")
        verbose_name_plural = _("sets of look-alikes")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["segment"], condition=Q(is_current=True), name="one_current_look_alike_set"),
            models.UniqueConstraint(fields=["segment"], condition=Q(status__in=["queued", "running"]), name="one_open_look_alike_set"),
        ]


class LookAlike(models.Model):
    """One person of a set and their place in it, 1 for the nearest."""

    of = models.ForeignKey(LookAlikeSet, on_delete=models.CASCADE, related_name="people", db_index=False)
    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="look_alikes")
    rank = models.PositiveIntegerField()

    objects = PersonRows.as_manager()

    class Meta:
        ordering = ["rank"]
        constraints = [
            models.UniqueConstraint(fields=["of", "rank"], name="one_look_alike_a_rank"),
            models.UniqueConstraint(fields=["of", "investor"], name="one_place_a_look_alike"),
        ]
