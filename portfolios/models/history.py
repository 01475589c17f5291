"""Price history, the imports that brought it, and what waits for a person to accept it."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from config.jobs import Job
from portfolios.models.funds import Fund


class NavYear(models.Model):
    """A calendar year of one fund's daily history as packed little-endian arrays, one entry a published NAV.

    A pool's (T, n) matrix is then one query of n x years rows and a few `numpy.frombuffer` calls, an append rewrites
    one row of about five kilobytes, and 10,000 funds over ten years are 100,000 rows instead of 25 million. What is
    lost - SQL over single days - nobody needs: the last NAV stands on the fund.
    """

    fund = models.ForeignKey(Fund, on_delete=models.CASCADE, related_name="nav_years")
    year = models.PositiveSmallIntegerField()
    n_days = models.PositiveSmallIntegerField()
    days = models.BinaryField()  # int32: proleptic Gregorian ordinals, ascending
    nav_micro = models.BinaryField()  # int64: unit NAV in millionths
    total_return = models.BinaryField()  # float64: total-return index, distributions reinvested
    distribution_micro = models.BinaryField(default=b"")  # int64 a day, or empty where there was none all year

    class Meta:
        verbose_name = _("year of NAVs")
        verbose_name_plural = _("years of NAVs")
        constraints = [models.UniqueConstraint(fields=["fund", "year"], name="nav_year_once_a_fund")]


class ImportRun(Job):
    """One source read: what came in, what was stored, what was already there, and what was refused or waits for a decision."""

    source = models.CharField(max_length=20)
    file_name = models.CharField(max_length=200, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    request = models.JSONField(default=dict)  # what was asked of the source
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    n_rows = models.PositiveIntegerField(default=0)
    n_new = models.PositiveIntegerField(default=0)
    n_changed = models.PositiveIntegerField(default=0)
    n_unchanged = models.PositiveIntegerField(default=0)
    n_reported = models.PositiveIntegerField(default=0)
    n_funds = models.PositiveIntegerField(default=0)
    notes = models.JSONField(default=list)  # [[fund, note]], the first thousands
    state = models.JSONField(default=dict)  # where an interrupted run goes on: {"last_issue", "n_failed", "n_notes", "failure"}

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")

    def __str__(self) -> str:
        return self.file_name or self.source


class ImportIssue(models.Model):
    """A row of a file that was not stored, and why."""

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="issues")
    line = models.PositiveIntegerField()
    fund_code = models.CharField(max_length=20, blank=True)
    code = models.CharField(max_length=40)  # a reason of portfolios.sources
    detail = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.code


class QuarantinedHistory(models.Model):
    """A fund's new rows that hold a jump nothing explains: kept whole, stored only when a person accepts them.

    The same rows arriving again meet their digest and ask nobody twice.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting for a decision")
        ACCEPTED = "accepted", _("accepted")
        REJECTED = "rejected", _("rejected")

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="quarantined")
    fund = models.ForeignKey(Fund, null=True, on_delete=models.CASCADE, related_name="quarantined")
    fund_code = models.CharField(max_length=20)
    reasons = models.JSONField(default=list)  # [{"code", "day", "from_nav", "to_nav", "limit"}]
    n_rows = models.PositiveIntegerField()
    first_date = models.DateField()
    last_date = models.DateField()
    digest = models.CharField(max_length=64)
    days = models.BinaryField()  # as in NavYear
    nav_micro = models.BinaryField()
    total_return = models.BinaryField()
    distribution_micro = models.BinaryField(default=b"")
    facts = models.JSONField(default=dict)  # columns of the fund that accepting makes, where there is none yet
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING, db_index=True)
    made_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    why = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("quarantined history")
        verbose_name_plural = _("quarantined histories")
        constraints = [models.UniqueConstraint(fields=["fund_code", "digest"], name="quarantined_once")]
