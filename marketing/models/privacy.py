"""What people asked to have erased, and what came of it."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models import Investor
from config.jobs import Job
from marketing.models.audience import PersonRows


class ErasureRequest(Job):
    """Somebody asks that what is known about them beside the legal record be erased. After a time to think it is a job."""

    class State(models.TextChoices):
        WAITING = "waiting", _("can still be taken back")
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        WITHDRAWN = "withdrawn", _("taken back")
        REFUSED = "refused", _("refused")

    LIVE = (State.WAITING, State.QUEUED, State.RUNNING, State.FAILED)

    # One that waits is no job yet: no worker may claim it and no sweeper may ring for it.
    status = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="erasure_requests")
    number = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)  # what the person is told it is called
    asked_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    erased: Any = models.JSONField(default=dict)  # rows by table

    objects = PersonRows.as_manager()

    class Meta:
        verbose_name = _("request to erase")
        verbose_name_plural = _("requests to erase")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["investor"], condition=Q(status__in=["waiting", "queued", "running", "failed"]), name="one_live_erasure"
            )
        ]
