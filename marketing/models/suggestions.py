"""Nightly recommender runs, the suggestions that they stored, and what a run that was interrupted goes on from."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from advisor.models import Investor
from config.jobs import Job
from marketing.models.audience import MarketerRows, PersonRows
from portfolios.models import Fund


class RecommenderRun(Job):
    """One night: its stage, seed, settings and model card; the serving run is named by one pointer UPDATE.

    `as_of` is frozen by the first worker: whoever goes on reads what was known then. `n_done` of `n_total` count within the
    stage. `report` is the model card, and grows with each stage. `factors_format` is 0 where no factors are stored.
    """

    class Stage(models.TextChoices):
        MATRIX = "matrix", _("reading what people did")
        CANDIDATES = "candidates", _("training and evaluating each candidate")
        GUARD = "guard", _("deciding whether one may serve")
        FIT = "fit", _("training the chosen one on everything")
        WRITE = "write", _("writing everybody's suggestions")
        SWAP = "swap", _("taking over")

    algorithm = models.CharField(max_length=20, blank=True, default="")  # a name of kernels.recommenders; blank until one is chosen
    seed = models.BigIntegerField(default=42)
    settings = models.JSONField(default=dict)
    report = models.JSONField(default=dict)
    is_serving = models.BooleanField(default=False)
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.MATRIX)
    as_of = models.DateTimeField(null=True, blank=True)
    last_investor = models.BigIntegerField(default=0)  # the last one whose suggestions are written
    factors_format = models.PositiveSmallIntegerField(default=0)

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("training of the recommender")
        verbose_name_plural = _("trainings of the recommender")
        constraints = [models.UniqueConstraint(fields=["is_serving"], condition=Q(is_serving=True), name="one_serving_run")]


class RecommenderPart(models.Model):
    """Arrays that a stage of a run left for the next: each candidate's figures by person until the guard has decided, the
    factors of funds as long as the run is kept. `format` is the version of how `data` is packed."""

    class Kind(models.TextChoices):
        EVALUATION = "evaluation"
        FUND_FACTORS = "fund_factors"

    run = models.ForeignKey(RecommenderRun, on_delete=models.CASCADE, related_name="parts")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    name = models.CharField(max_length=20)  # the algorithm
    format = models.PositiveSmallIntegerField()
    data = models.BinaryField()

    objects = MarketerRows.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "kind", "name"], name="recommender_part_once")]


class InvestorFactors(models.Model):
    """Where a run's factor model placed one investor, as little-endian float32; a row a person, so that it goes with them."""

    run = models.ForeignKey(RecommenderRun, on_delete=models.CASCADE, related_name="investor_factors")
    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="+")
    vector = models.BinaryField()

    objects = PersonRows.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "investor"], name="investor_factors_once_a_run")]


class Suggestion(models.Model):
    """One suitable fund for one investor. Suitability is checked again when it is shown."""

    run = models.ForeignKey(RecommenderRun, on_delete=models.CASCADE, related_name="suggestions")
    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="suggestions")
    fund = models.ForeignKey(Fund, on_delete=models.CASCADE, related_name="+")
    rank = models.PositiveSmallIntegerField()
    score = models.FloatField()
    reason = models.JSONField(default=dict)  # {"code", ...data}
    fit = models.JSONField(default=dict)  # what a small purchase does, as kernels.suiting found it: {figure: [before, after]}

    objects = PersonRows.as_manager()

    class Meta:
        ordering = ["rank"]
        constraints = [models.UniqueConstraint(fields=["run", "investor", "fund"], name="suggestion_once_a_run")]
        indexes = [models.Index(fields=["investor", "run", "rank"], name="suggestion_serving")]
