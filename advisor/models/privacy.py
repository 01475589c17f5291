"""Who of the staff looked at whose data."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models.people import Investor, StaffMember
from advisor.models.record import AppendOnlyModel, AppendOnlyRows
from identity.roles import Role


class DataAccessQuerySet(AppendOnlyRows):
    def visible_to(self, user: Any) -> Self:
        """What concerns oneself; for a supervisor also what concerns the people of the branch. Who looked is no advisor's business."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        seen = Q(investor__user=user)
        if user.has_role(Role.SUPERVISOR):
            seen |= Q(investor__household__branch__in=StaffMember.objects.filter(user=user).values("branch"))
        return self.filter(seen)


class DataAccess(AppendOnlyModel):
    """Somebody of the staff opened a page or took a file about a person. Rows are only ever added.

    The role is the one held at that moment; `actor` is empty where it was done on the server's own command line.
    """

    class Via(models.TextChoices):
        PAGE = "page", _("on a page")
        COMMAND = "command", _("on the server")

    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=12)  # of identity.roles
    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="accesses", db_index=False)
    what = models.CharField(max_length=40)  # the name of the page, or of the command
    via = models.CharField(max_length=8, choices=Via.choices, default=Via.PAGE)
    at = models.DateTimeField(default=timezone.now)

    objects = DataAccessQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        verbose_name = _("look at a person's data")
        verbose_name_plural = _("looks at people's data")
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["investor", "-at"], name="access_of_investor")]
