"""Nightly recommender runs and the suggestions that they stored."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from advisor.models import Investor
from config.jobs import Job
from marketing.models.audience import MarketerRows, PersonRows
from portfolios.models import Fund


class RecommenderRun(Job):
    """One training, its seed, settings and library versions; the serving run is named by one pointer UPDATE."""

    algorithm = models.CharField(max_length=20, default="als")
    seed = models.BigIntegerField(default=42)
    settings = models.JSONField(default=dict)
    report = models.JSONField(default=dict)
    is_serving = models.BooleanField(default=False)

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("training of the recommender")
        verbose_name_plural = _("trainings of the recommender")
        constraints = [models.UniqueConstraint(fields=["is_serving"], condition=Q(is_serving=True), name="one_serving_run")]


class Suggestion(models.Model):
    """One suitable fund for one investor. Suitability is checked again when it is shown."""

    run = models.ForeignKey(RecommenderRun, on_delete=models.CASCADE, related_name="suggestions")
    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="suggestions")
    fund = models.ForeignKey(Fund, on_delete=models.CASCADE, related_name="+")
    rank = models.PositiveSmallIntegerField()
    score = models.FloatField()
    reason = models.JSONField(default=dict)  # {"code", ...data}

    objects = PersonRows.as_manager()

    class Meta:
        ordering = ["rank"]
        constraints = [models.UniqueConstraint(fields=["run", "investor", "fund"], name="suggestion_once_a_run")]
        indexes = [models.Index(fields=["investor", "run", "rank"], name="suggestion_serving")]
