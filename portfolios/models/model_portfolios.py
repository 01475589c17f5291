"""Model portfolios: one a level and horizon bin, made from one pool and one set of moments, approved before use."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from config.jobs import Job
from portfolios.models.funds import Fund
from portfolios.models.pools import Pool


class ModelSet(Job):
    """A version of all model portfolios with the moments they rest on. Exactly one is current: approved, and used by advice."""

    class State(models.TextChoices):
        DRAFT = "draft", _("being worked out")
        WAITING = "waiting", _("waiting for approval")
        APPROVED = "approved", _("approved")
        RETURNED = "returned", _("returned")
        RETIRED = "retired", _("retired")

    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="model_sets")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT, db_index=True)
    is_current = models.BooleanField(default=False)
    data_date = models.DateField(_("data until"))
    rules_version = models.CharField(max_length=20)
    seed = models.BigIntegerField(default=0)
    n_draws = models.PositiveIntegerField(default=200)
    # The moments and the weeks behind the estimator of record, little-endian float64 in the order of `codes`.
    codes = models.JSONField(default=list)
    mean = models.BinaryField(default=b"")  # (n,)
    cov = models.BinaryField(default=b"")  # (n, n)
    weekly = models.BinaryField(default=b"")  # (weeks, n), NaN before a fund's start
    funds = models.JSONField(default=list)  # what was true of each fund: code, grade, class, category, fees, open
    versions = models.JSONField(default=dict)
    notes = models.JSONField(default=list)
    inputs_sha256 = models.CharField(max_length=64, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("set of model portfolios")
        verbose_name_plural = _("sets of model portfolios")
        constraints = [
            models.UniqueConstraint(fields=["is_current"], condition=models.Q(is_current=True), name="one_current_model_set"),
            models.CheckConstraint(condition=~models.Q(is_current=True) | models.Q(state="approved"), name="current_models_are_approved"),
            models.CheckConstraint(condition=~models.Q(decided_by=models.F("requested_by")), name="models_four_eyes"),
        ]


class ModelPortfolio(models.Model):
    """The model of one level and horizon bin: its risk aversion and figures, or why there is none."""

    model_set = models.ForeignKey(ModelSet, on_delete=models.CASCADE, related_name="portfolios")
    level = models.PositiveSmallIntegerField()
    horizon_bin = models.PositiveSmallIntegerField()  # a place in the jurisdiction's horizon bins
    horizon_years = models.FloatField()  # over which the costs are spread
    cvar_limit = models.FloatField()
    gamma = models.FloatField(null=True)
    budget_binds = models.BooleanField(default=False)
    expected_return = models.FloatField(null=True)
    volatility = models.FloatField(null=True)
    cvar = models.FloatField(null=True)
    cvar_of_record = models.FloatField(null=True)
    highest_grade = models.PositiveSmallIntegerField(null=True)
    error = models.JSONField(null=True, blank=True)  # {"code", "params"} where the level has no portfolio

    class Meta:
        verbose_name = _("model portfolio")
        verbose_name_plural = _("model portfolios")
        constraints = [models.UniqueConstraint(fields=["model_set", "level", "horizon_bin"], name="model_portfolio_once")]


class ModelWeight(models.Model):
    """A fund's weight in a model, with the range of its weights over the resampled moments."""

    portfolio = models.ForeignKey(ModelPortfolio, on_delete=models.CASCADE, related_name="weights")
    fund = models.ForeignKey(Fund, on_delete=models.PROTECT, related_name="model_weights")
    weight = models.FloatField()
    low = models.FloatField()  # 5th percentile of the draws
    high = models.FloatField()  # 95th
    held_share = models.FloatField()  # of the draws that hold it

    class Meta:
        verbose_name = _("weight of a model")
        verbose_name_plural = _("weights of models")
        constraints = [models.UniqueConstraint(fields=["portfolio", "fund"], name="model_weight_once")]
