"""Versions of the questionnaire: drafts, the published one, and those it replaced."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from identity.roles import Role

FROZEN = frozenset({"name", "version", "content", "sha256"})


class InstrumentQuerySet(models.QuerySet[Any]):
    """Rows that name nobody who is advised: for all who advise and supervise, and for nobody else."""

    def visible_to(self, user: Any) -> Self:
        is_staff = user.is_authenticated and user.is_active and (user.has_role(Role.ADVISOR) or user.has_role(Role.SUPERVISOR))
        return self.all() if is_staff else self.none()

    def update(self, **kwargs: Any) -> int:
        if FROZEN & kwargs.keys():
            raise ValueError("what a questionnaire asks is not changed; a change is a new version")
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        if self.exclude(state="draft").exists():
            raise ValueError("a questionnaire that was published is kept")
        return super().delete()


class InstrumentVersion(models.Model):
    """One version of a questionnaire. `content` is its file as JSON; it never changes once it was published."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        PUBLISHED = "published", _("published")
        REPLACED = "replaced", _("replaced by a later one")

    name = models.CharField(max_length=30)
    version = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    content = models.JSONField()
    sha256 = models.CharField(max_length=64)
    report = models.JSONField(default=dict)  # of the linter, with the standard errors of measurement
    is_shipped = models.BooleanField(default=False)  # came as a file with the product
    is_corrective = models.BooleanField(default=False)  # people answer it without waiting for their level to expire
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    published_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True)  # why it was published

    objects = InstrumentQuerySet.as_manager()

    class Meta:
        verbose_name = _("questionnaire")
        verbose_name_plural = _("questionnaires")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="instrument_version_once"),
            models.UniqueConstraint(fields=["state"], condition=Q(state="published"), name="one_published_instrument"),
            models.CheckConstraint(condition=Q(state="draft") | Q(published_at__isnull=False), name="published_instrument_has_a_date"),
            # A shipped one has no maker here, and the first of them is published by the release itself.
            models.CheckConstraint(
                condition=Q(state="draft") | Q(is_shipped=True) | (Q(published_by__isnull=False) & ~Q(published_by=F("made_by"))),
                name="instrument_four_eyes",
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Refuse to write over what people may have answered; only its state moves on, by the services."""
        if self.pk:
            kept = type(self).objects.exclude(state=self.State.DRAFT).filter(pk=self.pk).values(*FROZEN).first()
            if kept and any(getattr(self, name) != value for name, value in kept.items()):
                raise ValueError(f"{self.key} was published and never changes")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        if self.state != self.State.DRAFT:
            raise ValueError(f"{self.key} was published and is kept")
        return super().delete(*args, **kwargs)
