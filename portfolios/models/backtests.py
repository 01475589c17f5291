"""Walk-forward backtests: what was asked, each rebalancing as it was made, and the result."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from config.jobs import Job


class Backtest(Job):
    """One walk-forward test of the levels against their benchmarks. Its inputs are frozen; killed, it goes on from its last step."""

    name = models.CharField(_("name"), max_length=120)
    inputs = models.JSONField(default=dict)
    inputs_sha256 = models.CharField(max_length=64, db_index=True)
    result = models.JSONField(null=True, blank=True)
    is_simulated = models.BooleanField(default=False)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name = _("backtest")
        verbose_name_plural = _("backtests")
        constraints = [
            models.UniqueConstraint(fields=["inputs_sha256"], condition=~models.Q(status="failed"), name="backtest_once_for_its_inputs")
        ]

    def __str__(self) -> str:
        return self.name


class BacktestStep(models.Model):
    """What was decided on one rebalancing day, from what was published by then."""

    backtest = models.ForeignKey(Backtest, on_delete=models.CASCADE, related_name="steps")
    day = models.DateField()
    weights = models.JSONField(default=dict)  # {strategy: {fund code: weight}}
    notes = models.JSONField(default=list)
    # Of a pool that is screened anew: {fund code: [in the pool by the rule, quarters below the leaving line]}.
    screen = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("step of a backtest")
        verbose_name_plural = _("steps of backtests")
        constraints = [models.UniqueConstraint(fields=["backtest", "day"], name="backtest_step_once")]
