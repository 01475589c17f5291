"""Campaigns, the delivery ledger, and the inbox."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models import Investor
from config.jobs import Job
from marketing.models.audience import MarketerRows, PersonRows
from marketing.models.segments import Segment


class Campaign(Job):
    """A message to a segment. The job columns are those of its launch: the audience written into the ledger in blocks."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        FINISHED = "finished", _("finished")
        CANCELLED = "cancelled", _("cancelled")

    class Launch(models.TextChoices):
        IDLE = "idle", _("not launched")
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    # A draft is no job yet: no worker may claim it and no sweeper may ring for it.
    status = models.CharField(max_length=10, choices=Launch.choices, default=Launch.IDLE)
    form_key = models.UUIDField(null=True, unique=True, editable=False)  # one form sent twice makes one campaign
    name = models.CharField(_("name"), max_length=80)
    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, related_name="campaigns")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    is_service_letter = models.BooleanField(default=False)
    rule_at_launch = models.JSONField(null=True, blank=True)
    made_at = models.DateTimeField(default=timezone.now)
    launched_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name


class CampaignStep(models.Model):
    """What is said, in both languages, and by which channels."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField(default=1)
    channels = models.JSONField()  # of marketing.channels
    subject_zh = models.CharField(max_length=120)
    subject_en = models.CharField(max_length=120)
    body_zh = models.TextField(max_length=4000)
    body_en = models.TextField(max_length=4000)

    objects = MarketerRows.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["campaign", "position"], name="step_position_once")]


class CampaignEvent(models.Model):
    """One transition of a campaign: who, when, why."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="events")
    to_state = models.CharField(max_length=10)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    why = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(default=timezone.now)

    objects = MarketerRows.as_manager()


class Delivery(models.Model):
    """The delivery ledger: one row a (step, channel, investor). All statuses but queued and sending are terminal.

    `sending` is committed just before the provider is called. When its lease runs out nobody knows whether the
    message left, so the row becomes `unknown`, is shown, and is never sent again.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("waiting")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        SUPPRESSED = "suppressed", _("held back")
        CANCELLED = "cancelled", _("cancelled")
        UNKNOWN = "unknown", _("unknown")

    OPEN = (Status.QUEUED, Status.SENDING)

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="deliveries")
    step = models.ForeignKey(CampaignStep, on_delete=models.PROTECT, related_name="deliveries")
    channel = models.CharField(max_length=10)
    # Empty once the person had their data erased: what a campaign did is still counted, and names nobody.
    # What has yet to be sent always has its person.
    investor: Any = models.ForeignKey(Investor, null=True, blank=True, on_delete=models.PROTECT, related_name="deliveries")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    reason = models.CharField(max_length=40, blank=True)  # why suppressed or failed, a code
    idempotency_key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    claim = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    queued_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    clicked_at = models.DateTimeField(null=True, blank=True)
    bounced_at = models.DateTimeField(null=True, blank=True)
    complained_at = models.DateTimeField(null=True, blank=True)

    objects = PersonRows.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [models.UniqueConstraint(fields=["step", "channel", "investor"], name="delivery_once")]
        indexes = [
            models.Index(fields=["campaign", "status"], name="delivery_progress"),
            models.Index(fields=["campaign", "channel", "id"], condition=Q(status="queued"), name="delivery_queue"),
            models.Index(fields=["lease_until", "campaign"], condition=Q(claim__isnull=False), name="delivery_leases"),
            models.Index(fields=["investor", "ended_at"], name="delivery_cap"),
        ]


class InboxMessage(models.Model):
    """A message in the investor's own inbox; written in one transaction with its delivery."""

    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="inbox")
    delivery = models.OneToOneField(Delivery, null=True, blank=True, on_delete=models.PROTECT, related_name="inbox_message")
    subject = models.CharField(max_length=120)
    body = models.TextField()
    at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)

    objects = PersonRows.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["-at", "-pk"]
