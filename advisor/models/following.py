"""How far this app has followed what the app below writes, and the proposals it owes because of it."""

from typing import Any, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models.people import Goal, PersonQuerySet


class NobodyQuerySet(models.QuerySet[Any]):
    """Rows of the machinery: no page shows them."""

    def visible_to(self, user: Any) -> Self:
        return self.none()


class FollowCursor(models.Model):
    """The last dated row read of a kind, and which of the rows shortly before it were followed already.

    A row with a lower key may be committed after one with a higher key: each reading begins some rows before the last.
    """

    name = models.CharField(max_length=40, unique=True)
    last_pk = models.BigIntegerField(default=0)
    followed = models.JSONField(default=list)
    at = models.DateTimeField(default=timezone.now)

    objects = NobodyQuerySet.as_manager()


class ProposalDue(models.Model):
    """A goal that waits for a new proposal nobody asked for: worked off a few at a time, so that people's own come first."""

    goal = models.OneToOneField(Goal, on_delete=models.CASCADE, related_name="proposal_due")
    why = models.CharField(max_length=40)
    made_at = models.DateTimeField(default=timezone.now)

    objects = PersonQuerySet.as_manager()
    investor_path = "goal__account__investor"

    class Meta:
        verbose_name = _("proposal that is due")
        verbose_name_plural = _("proposals that are due")
