"""What the house watches: how much of a fund is taken or promised, and alarms about funds of the pool."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from portfolios.models.funds import Fund
from portfolios.models.orders import Order


class CapacityReservation(models.Model):
    """Units of a fund promised to a proposal, or bought and not yet confirmed. Held units stand on the positions.

    `holder` is the plain id of whoever the fund's daily purchase limit counts for, `reference` that of what it is for.
    """

    class State(models.TextChoices):
        RESERVED = "reserved", _("reserved")
        PENDING = "pending", _("ordered")
        BOUGHT = "bought", _("bought")
        RELEASED = "released", _("released")

    fund = models.ForeignKey(Fund, on_delete=models.PROTECT, related_name="reservations")
    state = models.CharField(max_length=10, choices=State.choices, default=State.RESERVED)
    units_centi = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    holder = models.CharField(max_length=40, blank=True)
    reference = models.CharField(max_length=80)
    day = models.DateField(null=True, blank=True)  # the price day of the order, for the daily limit
    order = models.OneToOneField(Order, null=True, blank=True, on_delete=models.CASCADE, related_name="reservation")
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("reservation of capacity")
        verbose_name_plural = _("reservations of capacity")
        constraints = [
            models.UniqueConstraint(fields=["fund", "reference"], name="reserved_once"),
            models.CheckConstraint(condition=models.Q(units_centi__gte=0, amount_minor__gte=0), name="reservation_not_negative"),
        ]
        indexes = [
            # The sum of a fund from the index alone: row by row, a million promises took a second to add up.
            models.Index(fields=["fund", "state", "expires_at", "units_centi"], name="reservation_of_fund"),
            models.Index(fields=["holder", "fund", "day"], name="reservation_of_holder"),
            models.Index(fields=["reference"], name="reservation_by_reference"),  # given back by it, whatever the funds
        ]


class MarketAlert(models.Model):
    """An alarm about a fund from a day on, until it is over. Upper apps read the rows by cursor and open their tasks."""

    class Kind(models.TextChoices):
        VOLATILITY = "volatility", _("volatility far above its usual")
        DRAWDOWN = "drawdown", _("a deep fall")
        STALE_NAV = "stale_nav", _("no new NAV")
        STYLE_DRIFT = "style_drift", _("a change of style")
        SIZE_COLLAPSE = "size_collapse", _("a collapse of size")
        SUSPENSION = "suspension", _("purchase suspended")

    fund = models.ForeignKey(Fund, on_delete=models.CASCADE, related_name="alerts")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    day = models.DateField()
    figures = models.JSONField(default=dict)  # {"value", "limit", ...}
    opened_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("market alert")
        verbose_name_plural = _("market alerts")
        constraints = [
            models.UniqueConstraint(fields=["fund", "kind"], condition=models.Q(closed_at__isnull=True), name="one_open_alert_a_kind")
        ]
