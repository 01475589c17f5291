"""What was shown to whom as a suggestion, what somebody does not want to see again, and what they follow."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models import Investor
from marketing.models.audience import PersonRows
from marketing.models.suggestions import RecommenderRun
from portfolios.models import Fund


class Surface(models.TextChoices):
    """Where a suggestion is shown."""

    HOME = "home", _("on the home page")
    PAGE = "page", _("on the page of suggestions")
    FUND = "fund", _("beside a fund")
    API = "api", _("in the operator's own app")


class SuggestionImpression(models.Model):
    """A fund stood before somebody's eyes: where, at which place, by which model and with what chance. Once a day and surface.

    `model` is the recommender's name, or that of the rule which proposed the fund where no model did; `propensity` is the
    chance with which this fund stood at this place, so that the effect can be weighed. What is shown today is
    deterministic: 1. `clicked_at` is the first time that its page was opened from there.
    """

    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="suggestion_impressions")
    fund = models.ForeignKey(Fund, on_delete=models.CASCADE, related_name="+")
    run = models.ForeignKey(RecommenderRun, null=True, blank=True, on_delete=models.SET_NULL, related_name="impressions")
    model = models.CharField(max_length=20)
    surface = models.CharField(max_length=4, choices=Surface.choices)
    position = models.PositiveSmallIntegerField()  # 1 is the first
    propensity = models.FloatField(default=1.0)
    on_date = models.DateField()
    shown_at = models.DateTimeField(default=timezone.now)
    clicked_at = models.DateTimeField(null=True, blank=True)

    objects = PersonRows.as_manager()

    class Meta:
        verbose_name = _("suggestion shown")
        verbose_name_plural = _("suggestions shown")
        constraints = [
            models.UniqueConstraint(fields=["investor", "fund", "surface", "on_date"], name="impression_once_a_day"),
            models.CheckConstraint(condition=Q(propensity__gt=0, propensity__lte=1), name="impression_propensity_is_a_chance"),
        ]
        indexes = [models.Index(fields=["shown_at"], name="impression_by_time")]


class NotInterested(models.Model):
    """Somebody does not want a fund suggested: from when, and until when if they took it back."""

    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="not_interested")
    fund = models.ForeignKey(Fund, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True)

    objects = PersonRows.as_manager()

    class Meta:
        verbose_name = _("fund somebody does not want suggested")
        verbose_name_plural = _("funds somebody does not want suggested")
        constraints = [models.UniqueConstraint(fields=["investor", "fund"], condition=Q(until=None), name="not_interested_once")]


class FollowedFund(models.Model):
    """Somebody follows a fund: from when, and until when if they stopped. Says nothing of whether it suits them."""

    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="followed_funds")
    fund = models.ForeignKey(Fund, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True)

    objects = PersonRows.as_manager()

    class Meta:
        verbose_name = _("fund somebody follows")
        verbose_name_plural = _("funds somebody follows")
        constraints = [models.UniqueConstraint(fields=["investor", "fund"], condition=Q(until=None), name="followed_fund_once")]
