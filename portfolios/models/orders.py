"""Portfolios, orders, and the ledger from which positions are derived."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from portfolios.models.funds import Fund


class Portfolio(models.Model):
    """Cash and positions of one goal. Whose it is, this app does not know."""

    cash_minor = models.BigIntegerField(_("cash"), default=0)
    currency = models.CharField(_("currency"), max_length=3, default="CNY")
    opened_at = models.DateTimeField(_("opened"), default=timezone.now)

    class Meta:
        verbose_name = _("portfolio")
        verbose_name_plural = _("portfolios")
        constraints = [models.CheckConstraint(condition=models.Q(cash_minor__gte=0), name="portfolio_cash_not_negative")]


class Order(models.Model):
    """An amount to buy or units to redeem. Nothing is placed without the suitability decision named by clearance_id."""

    class Side(models.TextChoices):
        BUY = "buy", _("buy")
        SELL = "sell", _("redeem")

    class State(models.TextChoices):
        PLACED = "placed", _("placed")
        ACCEPTED = "accepted", pgettext_lazy("order", "accepted")
        CONFIRMED = "confirmed", _("confirmed")
        PAID = "paid", _("paid")
        REJECTED = "rejected", _("rejected")
        CANCELLED = "cancelled", _("cancelled")

    class Origin(models.TextChoices):
        INVESTOR = "investor", _("own order")
        PROPOSAL = "proposal", _("proposal")
        OVERRIDE = "override", _("override")
        PLAN = "plan", _("plan")

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="orders")
    fund = models.ForeignKey(Fund, on_delete=models.PROTECT, related_name="orders")
    side = models.CharField(max_length=4, choices=Side.choices)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PLACED, db_index=True)
    amount_minor = models.BigIntegerField(null=True, blank=True)  # asked, for a buy; gross received, for a confirmed sell
    units_centi = models.BigIntegerField(null=True, blank=True)  # asked, for a sell; received, for a confirmed buy
    fee_minor = models.BigIntegerField(default=0)
    nav_micro = models.BigIntegerField(null=True, blank=True)
    price_date = models.DateField(null=True, blank=True)  # the day whose NAV counts
    confirm_date = models.DateField(null=True, blank=True)  # expected when placed, the real one once confirmed
    pay_date = models.DateField(null=True, blank=True)  # a redemption's money; expected until paid
    clearance_id = models.UUIDField(unique=True)
    idempotency_key = models.CharField(max_length=80, unique=True)
    placed_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["-placed_at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(side="buy") | models.Q(amount_minor__gt=0), name="buy_has_an_amount"),
            models.CheckConstraint(condition=~models.Q(side="sell") | models.Q(units_centi__gt=0), name="sell_has_units"),
            models.CheckConstraint(condition=models.Q(fee_minor__gte=0), name="order_fee_not_negative"),
        ]
        indexes = [models.Index(fields=["state", "confirm_date"], name="order_due")]

    @property
    def net_minor(self) -> int:
        """Money that buys units, or that a redemption brings: the amount without the fee."""
        return (self.amount_minor or 0) - self.fee_minor


class OrderEvent(models.Model):
    """One transition of an order: who, when, why."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="events")
    from_state = models.CharField(max_length=10, blank=True)
    to_state = models.CharField(max_length=10)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    why = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(default=timezone.now)


class LedgerEntry(models.Model):
    """A movement of cash and units, appended and never changed; positions and cash are the sums of these rows."""

    class Kind(models.TextChoices):
        DEPOSIT = "deposit", _("payment in")
        RESERVE = "reserve", _("set aside for a purchase")
        BUY = "buy", _("purchase")
        SELL = "sell", _("redemption")
        PAYOUT = "payout", _("redemption money received")
        RELEASE = "release", _("given back")

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="entries")
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.PROTECT, related_name="entries")
    fund = models.ForeignKey(Fund, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    cash_minor = models.BigIntegerField(default=0)
    units_centi = models.BigIntegerField(default=0)
    cost_minor = models.BigIntegerField(default=0)
    date = models.DateField()
    key = models.CharField(max_length=80, unique=True)  # makes writing it twice impossible
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        indexes = [models.Index(fields=["portfolio", "fund", "date", "id"], name="ledger_lots")]


class Holding(models.Model):
    """Units of one fund in one portfolio: derived from the ledger, rebuildable from it."""

    portfolio = models.ForeignKey(Portfolio, on_delete=models.CASCADE, related_name="holdings")
    fund = models.ForeignKey(Fund, on_delete=models.PROTECT, related_name="holdings")
    units_centi = models.BigIntegerField()
    cost_minor = models.BigIntegerField()

    class Meta:
        verbose_name = _("holding")
        verbose_name_plural = _("holdings")
        constraints = [
            models.UniqueConstraint(fields=["portfolio", "fund"], name="holding_once"),
            models.CheckConstraint(condition=models.Q(units_centi__gte=0), name="holding_not_negative"),
        ]
        indexes = [models.Index(fields=["fund", "units_centi"], name="holding_of_fund")]  # the sum of a fund, from the index alone
