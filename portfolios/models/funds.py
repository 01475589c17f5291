"""Funds, their price history, the pool, and the imports that brought them."""

from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


class Fund(models.Model):
    """One share class of a fund. Its category and asset class are codes of the jurisdiction's table."""

    code = models.CharField(_("code"), max_length=20, unique=True)
    name_zh = models.CharField(_("Chinese name"), max_length=120, blank=True)
    name_en = models.CharField(_("English name"), max_length=120, blank=True)
    company = models.CharField(_("company"), max_length=80, blank=True)
    category = models.CharField(_("category"), max_length=40, db_index=True)
    asset_class = models.CharField(_("asset class"), max_length=40, db_index=True)
    risk_grade = models.PositiveSmallIntegerField(_("risk grade"), db_index=True)
    currency = models.CharField(_("currency"), max_length=3, default="CNY")
    source = models.CharField(_("source"), max_length=20)
    is_simulated = models.BooleanField(_("simulated"), default=False)
    is_open = models.BooleanField(_("open for purchase"), default=True)
    purchase_fee_bps = models.PositiveSmallIntegerField(_("purchase fee, basis points"), default=0)
    annual_fee_bps = models.PositiveSmallIntegerField(_("running fees a year, basis points"), default=0)
    inception_date = models.DateField(_("first NAV date"), null=True, blank=True)
    last_nav_micro = models.BigIntegerField(_("last NAV, millionths"), null=True, blank=True)
    last_nav_date = models.DateField(_("last NAV date"), null=True, blank=True)

    class Meta:
        verbose_name = _("fund")
        verbose_name_plural = _("funds")
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(condition=models.Q(risk_grade__range=(1, 5)), name="fund_risk_grade_1_to_5"),
            models.CheckConstraint(
                condition=models.Q(last_nav_micro__gt=0) | models.Q(last_nav_micro__isnull=True), name="fund_nav_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    @property
    def name(self) -> str:
        zh_first = (get_language() or "zh").startswith("zh")
        return (self.name_zh or self.name_en) if zh_first else (self.name_en or self.name_zh)


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


class Pool(models.Model):
    """One version of the quality pool. Exactly one is current; a new one becomes so by one pointer UPDATE."""

    name = models.CharField(_("name"), max_length=80)
    is_current = models.BooleanField(default=False)
    made_at = models.DateTimeField(auto_now_add=True)
    funds = models.ManyToManyField(Fund, through="PoolFund", related_name="pools")

    class Meta:
        verbose_name = _("pool")
        verbose_name_plural = _("pools")
        constraints = [models.UniqueConstraint(fields=["is_current"], condition=models.Q(is_current=True), name="one_current_pool")]

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


class ImportRun(models.Model):
    """One file read: what came in, what was stored, what was already there, and what was refused."""

    source = models.CharField(max_length=20)
    file_name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    n_rows = models.PositiveIntegerField(default=0)
    n_new = models.PositiveIntegerField(default=0)
    n_changed = models.PositiveIntegerField(default=0)
    n_unchanged = models.PositiveIntegerField(default=0)
    n_reported = models.PositiveIntegerField(default=0)
    n_funds = models.PositiveIntegerField(default=0)
    imported_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")

    def __str__(self) -> str:
        return self.file_name


class ImportIssue(models.Model):
    """A row of a file that was not stored, and why."""

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="issues")
    line = models.PositiveIntegerField()
    fund_code = models.CharField(max_length=20, blank=True)
    code = models.CharField(max_length=40)  # a reason of portfolios.sources
    detail = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.code
