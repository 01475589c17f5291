"""Funds: what they are now, and the dated facts about them, each with the day on which it was published."""

from typing import Self

from django.db import models
from django.db.models import Exists, OuterRef
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
    share_class = models.CharField(_("share class"), max_length=4, blank=True)
    # One portfolio sold in several share classes has one family code; blank: the fund stands alone.
    family_code = models.CharField(_("family of share classes"), max_length=20, blank=True, db_index=True)
    is_index = models.BooleanField(_("tracks an index"), default=False)
    is_simulated = models.BooleanField(_("simulated"), default=False)
    is_open = models.BooleanField(_("open for purchase"), default=True)
    purchase_fee_bps = models.PositiveSmallIntegerField(_("purchase fee, basis points"), default=0)
    annual_fee_bps = models.PositiveSmallIntegerField(_("running fees a year, basis points"), default=0)
    sales_fee_bps = models.PositiveSmallIntegerField(_("sales-service fee a year, basis points"), default=0)
    issuer_grade = models.PositiveSmallIntegerField(_("issuer's risk grade"), null=True, blank=True)
    own_grade = models.PositiveSmallIntegerField(_("our risk grade"), null=True, blank=True)
    leverage_percent = models.PositiveSmallIntegerField(_("leverage allowed, percent of net assets"), default=100)
    is_complex = models.BooleanField(_("complex product"), default=False)
    manager = models.CharField(_("manager"), max_length=80, blank=True)
    manager_since = models.DateField(_("manager since"), null=True, blank=True)
    size_minor = models.BigIntegerField(_("net assets, last published"), null=True, blank=True)
    units_centi = models.BigIntegerField(_("units, last published"), null=True, blank=True)
    size_date = models.DateField(_("date of the last published size"), null=True, blank=True)
    daily_limit_minor = models.BigIntegerField(_("most one account may buy a day"), null=True, blank=True)
    ended_on = models.DateField(_("wound up on"), null=True, blank=True)
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

    @property
    def can_be_bought(self) -> bool:
        return self.is_open and self.ended_on is None


class PublishedQuerySet(models.QuerySet["FundSize | FundFact"]):
    """Rows of what was published. What is restated stands beside what it restates, with the day on which it was published itself."""

    def last_told(self) -> Self:
        """Without the rows that a later publication restates."""
        same = {name: OuterRef(name) for name in self.model.SAME}  # type: ignore[misc]
        later = self.model._default_manager.filter(**same, published_date__gt=OuterRef("published_date"))
        return self.filter(~Exists(later))


class FundSize(models.Model):
    """A quarter's published net assets and units of a fund."""

    SAME = ("fund", "as_of_date")  # what two publications are about

    fund = models.ForeignKey(Fund, on_delete=models.CASCADE, related_name="sizes")
    as_of_date = models.DateField()
    published_date = models.DateField()
    size_minor = models.BigIntegerField()
    units_centi = models.BigIntegerField()
    institutional_share = models.FloatField(null=True, blank=True)  # of the units, a fraction of 1

    objects = PublishedQuerySet.as_manager()

    class Meta:
        verbose_name = _("fund size")
        verbose_name_plural = _("fund sizes")
        constraints = [
            models.UniqueConstraint(fields=["fund", "as_of_date", "published_date"], name="fund_size_once_a_publication"),
            models.CheckConstraint(condition=models.Q(size_minor__gte=0, units_centi__gte=0), name="fund_size_not_negative"),
        ]


class FundFact(models.Model):
    """Something that became true of a fund on a day and was published on another; a screen sees only what was published."""

    class Kind(models.TextChoices):
        MANAGER = "manager", _("new manager")  # text: the name
        PURCHASE = "purchase", _("purchase")  # text: open | closed; number: most an account may buy a day, minor units
        LIQUIDATION_WARNING = "liquidation_warning", _("warning of liquidation")
        ENDED = "ended", _("wound up")
        SPLIT = "split", _("split")  # number: new units a million old ones

    fund = models.ForeignKey(Fund, on_delete=models.CASCADE, related_name="facts")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    from_date = models.DateField()
    published_date = models.DateField()
    text = models.CharField(max_length=120, blank=True)
    number = models.BigIntegerField(null=True, blank=True)

    SAME = ("fund", "kind", "from_date")
    objects = PublishedQuerySet.as_manager()

    class Meta:
        verbose_name = _("fact about a fund")
        verbose_name_plural = _("facts about funds")
        constraints = [models.UniqueConstraint(fields=["fund", "kind", "from_date", "published_date"], name="fund_fact_once_a_publication")]


class GradeChange(models.Model):
    """A fund's risk grade from a day on: the stricter of the issuer's and ours, and why. Never changed, only followed."""

    fund = models.ForeignKey(Fund, on_delete=models.CASCADE, related_name="grade_changes")
    from_grade = models.PositiveSmallIntegerField(null=True, blank=True)
    to_grade = models.PositiveSmallIntegerField()
    issuer_grade = models.PositiveSmallIntegerField(null=True, blank=True)
    own_grade = models.PositiveSmallIntegerField()
    reasons = models.JSONField(default=list)  # [{"code", ...figures}]
    data_date = models.DateField()
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("change of a risk grade")
        verbose_name_plural = _("changes of risk grades")
        constraints = [
            models.CheckConstraint(condition=models.Q(to_grade__range=(1, 5), own_grade__range=(1, 5)), name="grade_change_1_to_5")
        ]
