"""Keys with which other systems speak to the API: shown once when they are made, kept as a hash."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from identity.roles import Role


class KeyRows(models.QuerySet[Any]):
    """A key names no person; administrators look after them, and nobody else sees them."""

    def visible_to(self, user: Any) -> Self:
        return self.all() if user.is_authenticated and user.has_role(Role.ADMIN) else self.none()


class ApiKey(models.Model):
    class Scope(models.TextChoices):
        WRITE_EVENTS = "events:write", _("send events")
        READ_SUGGESTIONS = "suggestions:read", _("ask what may be suggested to a person")

    name = models.CharField(_("name"), max_length=80)  # of the system that holds it
    prefix = models.CharField(_("begins with"), max_length=8, unique=True)
    key_hash = models.CharField(max_length=64, unique=True)  # SHA-256; a key of 256 random bits needs no slow hash
    scopes = models.JSONField(_("rights"), default=list)
    made_at = models.DateTimeField(_("made at"), default=timezone.now)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("made by")
    )
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("revoked by")
    )
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True)

    objects = KeyRows.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
