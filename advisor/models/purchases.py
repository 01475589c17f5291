"""Purchases that an investor starts, and the separate warning that one above the level waits for."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models.advice import Clearance, Proposal
from advisor.models.people import Goal, Investor, Level, PersonQuerySet
from portfolios.models import Fund


class Warned(models.Model):
    """A warning as it was shown, acknowledged separately, and the time to think that runs from then."""

    warning_text = models.TextField(blank=True)
    warning_sha256 = models.CharField(max_length=64, blank=True)
    warning_language = models.CharField(max_length=10, blank=True)
    warned_at = models.DateTimeField(null=True, blank=True)  # when the text was shown, the first time in this language
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    may_order_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class OwnPurchase(Warned):
    """One purchase by an investor's own search. Which decision it rests on was written when it was started, and again at the order.

    Within the level it is confirmed and ordered. Above it, and for the highest grade, the warning as it was shown is kept here,
    acknowledged separately, and the order waits until `may_order_at`.
    """

    class State(models.TextChoices):
        OPEN = "open", _("to be confirmed")
        WARNED = "warned", _("warning shown")
        WAITING = "waiting", _("time to think")
        ORDERED = "ordered", _("ordered")
        WITHDRAWN = "withdrawn", _("withdrawn")
        LAPSED = "lapsed", _("lapsed")

    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="own_purchases")
    goal = models.ForeignKey(Goal, on_delete=models.PROTECT, related_name="own_purchases")
    fund = models.ForeignKey(Fund, on_delete=models.PROTECT, related_name="+")
    amount_minor = models.BigIntegerField(_("amount"))
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    # What the decision was made on: a warning about another grade or level is no warning.
    level = models.SmallIntegerField(choices=Level.choices)
    risk_grade = models.PositiveSmallIntegerField()
    warning_kind = models.CharField(max_length=20, blank=True)  # above_level, highest_grade; empty within the level
    lapses_at = models.DateTimeField()
    first_clearance = models.ForeignKey(Clearance, on_delete=models.PROTECT, related_name="+")  # at the start
    clearance = models.ForeignKey(Clearance, null=True, blank=True, on_delete=models.PROTECT, related_name="+")  # the order's
    started_at = models.DateTimeField(default=timezone.now)
    request_key = models.UUIDField(unique=True, editable=False)

    objects = PersonQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        verbose_name = _("own purchase")
        verbose_name_plural = _("own purchases")
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="own_purchase_amount_positive"),
            models.CheckConstraint(
                condition=~Q(state="ordered") | Q(warning_kind="") | Q(acknowledged_at__isnull=False, may_order_at__isnull=False),
                name="own_purchase_warned_before_order",
            ),
            models.CheckConstraint(condition=~Q(state="ordered") | Q(clearance__isnull=False), name="own_purchase_order_is_cleared"),
            models.CheckConstraint(condition=Q(level__gte=1) | ~Q(warning_kind="above_level"), name="own_purchase_never_of_lowest"),
        ]
        indexes = [models.Index(fields=["state", "lapses_at"], name="own_purchase_lapsing")]

    @property
    def is_due(self) -> bool:
        """Whether the time to think is over and the order may be confirmed."""
        return self.state == self.State.WAITING and self.may_order_at is not None and timezone.now() >= self.may_order_at

    @property
    def is_live(self) -> bool:
        """Whether it can still become an order."""
        return self.state in LIVE and timezone.now() < self.lapses_at


LIVE: tuple[Any, ...] = (OwnPurchase.State.OPEN, OwnPurchase.State.WARNED, OwnPurchase.State.WAITING)


class OwnPurchaseEvent(models.Model):
    """One transition of an own purchase: who, when, why."""

    purchase = models.ForeignKey(OwnPurchase, on_delete=models.CASCADE, related_name="events")
    to_state = models.CharField(max_length=10)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    why = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(default=timezone.now)

    objects = PersonQuerySet.as_manager()
    investor_path = "purchase__investor"


class ProposalWarning(Warned):
    """The explanation that a proposal with funds of the highest grade waits for, though all of it is within the level."""

    proposal = models.OneToOneField(Proposal, on_delete=models.PROTECT, related_name="warning")

    objects = PersonQuerySet.as_manager()
    investor_path = "proposal__goal__account__investor"

    class Meta:
        verbose_name = _("explanation of a proposal")
        verbose_name_plural = _("explanations of proposals")
