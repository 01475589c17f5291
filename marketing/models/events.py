"""What people did, as events. Business facts (orders, assessments) are read from their own tables, not logged twice."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models import Investor
from marketing.models.audience import PersonRows


class EventKey(models.Model):
    """Decides repeats: the same message with the same body is dropped, with another body refused. Kept 30 days."""

    message_id = models.UUIDField(primary_key=True)
    body_hash = models.CharField(max_length=64)
    received_at = models.DateTimeField(default=timezone.now, db_index=True)


class Event(models.Model):
    """One event, appended and never changed. On PostgreSQL the table is partitioned by the month of received_at.

    Nothing points at it and its id is unique only within a month: always filter by received_at. The one thing that is
    written later is the investor of an anonymous visit, once its visitor has signed in and agreed to profiling.
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
            # The last two only so that a question about many events is answered from the index alone.
            models.Index(fields=["name", "occurred_at", "investor", "received_at"], name="event_by_name"),
            models.Index(fields=["anonymous_id"], name="event_of_visitor", condition=~models.Q(anonymous_id="")),
        ]


class AnonymousIdentity(models.Model):
    """Whose a visitor's random id turned out to be: at the first signed-in request of somebody who agrees to profiling.

    An id belongs to one person for good; the browser forgets it then, and gets a new one when it is anonymous again.
    """

    anonymous_id = models.CharField(max_length=36, primary_key=True)
    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="anonymous_identities")
    joined_at = models.DateTimeField(default=timezone.now)
    n_events = models.PositiveIntegerField(default=0)  # of before, that got their investor

    objects = PersonRows.as_manager()


class Acquisition(models.Model):
    """Where somebody came from before they signed up: the first visit that their browser remembers, and nothing since."""

    class Medium(models.TextChoices):
        DIRECT = "direct", _("directly")
        ORGANIC = "organic", _("search")
        SOCIAL = "social", _("social network")
        REFERRAL = "referral", _("another site")
        CAMPAIGN = "campaign", _("campaign")

    investor = models.OneToOneField(Investor, on_delete=models.CASCADE, primary_key=True, related_name="acquisition")
    source = models.CharField(max_length=40, db_index=True)  # utm_source, or a code of catalogue/events.yaml, or a host name
    medium = models.CharField(max_length=40)  # utm_medium as it was said, or one of Medium
    campaign = models.CharField(max_length=60, blank=True)
    referrer = models.CharField(max_length=100, blank=True)  # the host alone
    first_visit_at = models.DateTimeField()
    at = models.DateTimeField(default=timezone.now)

    objects = PersonRows.as_manager()
