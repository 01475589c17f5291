"""Who may see rows of this app: a person sees their own, staff in charge of them see theirs, a marketer sees none."""

from typing import Any, Self

from django.db import models

from advisor.models import Investor
from identity.roles import Role


class PersonRows(models.QuerySet[Any]):
    def visible_to(self, user: Any) -> Self:
        return self.filter(investor__in=Investor.objects.visible_to(user).values("pk"))


class MarketerRows(models.QuerySet[Any]):
    """Segments, campaigns and runs name no person: every marketer sees them, and nobody else."""

    def visible_to(self, user: Any) -> Self:
        return self.all() if user.is_authenticated and user.has_role(Role.MARKETER) else self.none()
