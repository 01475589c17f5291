"""The quality pool: screens of the whole market, the versions of the pool, and what people put in or take out by hand."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from config.jobs import Job
from portfolios.models.funds import Fund


class ScreenRun(Job):
    """One screen of the market as it was known on a day. Its rows are written in blocks and never changed."""

    class Outcome(models.TextChoices):
        WORKING = "working", _("being worked out")
        PUBLISHED = "published", _("published as the pool")
        REFUSED = "refused", _("refused: the pool would be short")

    data_date = models.DateField(_("data until"))
    rules_version = models.CharField(max_length=20)
    seed = models.BigIntegerField(default=0)
    previous = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.WORKING)
    shortage = models.JSONField(default=list)  # [{"grade", "what", "has", "needs"}]
    n_funds = models.PositiveIntegerField(default=0)
    n_gated = models.PositiveIntegerField(default=0)  # funds that passed every gate
    n_in = models.PositiveIntegerField(default=0)
    inputs_sha256 = models.CharField(max_length=64, blank=True)
    versions = models.JSONField(default=dict)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name = _("screen of the market")
        verbose_name_plural = _("screens of the market")


class ScreenRow(models.Model):
    """What a screen found of one fund: each gate and sub-score, its rank with the interval, and why it is in or out."""

    run = models.ForeignKey(ScreenRun, on_delete=models.CASCADE, related_name="rows")
    fund = models.ForeignKey(Fund, on_delete=models.CASCADE, related_name="screen_rows")
    peer_group = models.CharField(max_length=40)  # a category, or the class it was ranked in for want of peers
    n_peers = models.PositiveIntegerField(default=0)
    months = models.PositiveSmallIntegerField(default=0)  # of history
    risk_grade = models.PositiveSmallIntegerField()
    gates = models.JSONField(default=list)  # the gates it failed: [{"code", ...figures}]
    sub_scores = models.JSONField(default=dict)  # {name: percentile among peers, 1 the best}
    score = models.FloatField(null=True)  # weighted sub-scores
    shrunk = models.FloatField(null=True)  # drawn towards the middle by a short history
    percentile = models.FloatField(null=True)  # P: re-ranked among peers
    rank_low = models.FloatField(null=True)  # bootstrap 90 % interval of P
    rank_high = models.FloatField(null=True)
    quarters_below = models.PositiveSmallIntegerField(default=0)
    passes_4433 = models.BooleanField(null=True)
    is_in = models.BooleanField(default=False)
    verdict = models.CharField(max_length=20)  # a reason of portfolios.kernels.screen
    notes = models.JSONField(default=list)

    class Meta:
        verbose_name = _("screened fund")
        verbose_name_plural = _("screened funds")
        constraints = [models.UniqueConstraint(fields=["run", "fund"], name="screen_row_once")]
        indexes = [models.Index(fields=["run", "is_in"], name="screen_row_in")]


class Pool(models.Model):
    """One version of the quality pool. Exactly one is current; a new one becomes so by one pointer UPDATE.

    A screen makes one version; each fund taken out by hand at once makes another one of the same screen, with its decision.
    """

    name = models.CharField(_("name"), max_length=80)
    is_current = models.BooleanField(default=False)
    made_at = models.DateTimeField(auto_now_add=True)
    screen_run = models.ForeignKey(
        "portfolios.ScreenRun", null=True, blank=True, on_delete=models.PROTECT, related_name="pools", related_query_name="pool"
    )
    decision = models.ForeignKey("portfolios.PoolDecision", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    funds = models.ManyToManyField(Fund, through="PoolFund", related_name="pools")

    class Meta:
        verbose_name = _("pool")
        verbose_name_plural = _("pools")
        constraints = [
            models.UniqueConstraint(fields=["is_current"], condition=models.Q(is_current=True), name="one_current_pool"),
            models.UniqueConstraint(fields=["screen_run"], condition=models.Q(decision=None), name="one_pool_a_screen"),
        ]

    def __str__(self) -> str:
        return self.name


class PoolFund(models.Model):
    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="members")
    fund = models.ForeignKey(Fund, on_delete=models.PROTECT, related_name="pool_memberships")
    reason = models.CharField(_("why it is in"), max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "fund"], name="pool_fund_once")]

    def __str__(self) -> str:
        return self.fund.code


class PoolDecision(models.Model):
    """A fund put in or kept out by hand until a day: one person asks with a reason, another one approves."""

    class Kind(models.TextChoices):
        INCLUDE = "include", _("include")
        EXCLUDE = "exclude", _("exclude")

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting for approval")
        APPROVED = "approved", _("approved")
        RETURNED = "returned", _("returned")
        WITHDRAWN = "withdrawn", _("withdrawn")
        REPLACED = "replaced", _("replaced by a later one")

    fund = models.ForeignKey(Fund, on_delete=models.PROTECT, related_name="pool_decisions")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    reason = models.CharField(_("reason"), max_length=300)
    expires_date = models.DateField(_("until"))
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING, db_index=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("decision about the pool")
        verbose_name_plural = _("decisions about the pool")
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="approved") | (models.Q(decided_by__isnull=False) & ~models.Q(decided_by=models.F("asked_by"))),
                name="pool_decision_four_eyes",
            ),
            models.UniqueConstraint(fields=["fund"], condition=models.Q(state="waiting"), name="one_waiting_decision_a_fund"),
        ]
