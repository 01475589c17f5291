"""What people did, as events. Business facts (orders, assessments) are read from their own tables, not logged twice."""

from django.db import models
from django.utils import timezone

from advisor.models import Investor
from marketing.models.audience import PersonRows


class EventKey(models.Model):
    """Decides repeats: the same message with the same body is dropped, with another body refused. Kept 30 days."""

    message_id = models.UUIDField(primary_key=True)
    body_hash = models.CharField(max_length=64)
    received_at = models.DateTimeField(default=timezone.now, db_index=True)


class Event(models.Model):
    """One event, appended and never changed. On PostgreSQL the table is partitioned by the month of received_at.

    Nothing points at it and its id is unique only within a month: always filter by received_at.
    """

    class Type(models.TextChoices):
        TRACK = "track"
        PAGE = "page"
        IDENTIFY = "identify"

    message_id = models.UUIDField()
    investor = models.ForeignKey(Investor, null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="events")
    anonymous_id = models.CharField(max_length=36, blank=True)
    type = models.CharField(max_length=10, choices=Type.choices)
    name = models.CharField(max_length=80)
    properties = models.JSONField(default=dict)
    context = models.JSONField(default=dict)
    channel = models.CharField(max_length=20, default="web")
    occurred_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(default=timezone.now)

    objects = PersonRows.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["investor", "occurred_at"], name="event_of_investor"),
            models.Index(fields=["name", "occurred_at"], name="event_by_name"),
        ]
