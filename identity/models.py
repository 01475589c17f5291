"""Who may sign in. Nothing of money or advice is known here."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from identity.roles import Role


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").lower())

    def create_user(self, *, email: str | None = None, phone: str | None = None, password: str | None = None, **fields: Any) -> "User":
        """Create a person who signs in with an e-mail address, a telephone number (E.164), or both."""
        user = self.model(email=email.lower() if email else None, phone=phone or None, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email=email, password=password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in by telephone or by e-mail. Roles are groups of the same name, kept by sync_roles."""

    email = models.EmailField(_("e-mail"), unique=True, null=True, blank=True)
    phone = models.CharField(_("mobile number"), max_length=16, unique=True, null=True, blank=True)
    phone_verified = models.BooleanField(_("mobile number verified"), default=False)
    name = models.CharField(_("name"), max_length=80, blank=True)
    language = models.CharField(_("language"), max_length=10, default="zh-hans")
    elder_mode = models.BooleanField(_("elder mode"), default=False)
    is_staff = models.BooleanField(_("staff"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    date_joined = models.DateTimeField(_("joined"), default=timezone.now)

    objects = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        constraints = [
            models.CheckConstraint(condition=models.Q(email__isnull=False) | models.Q(phone__isnull=False), name="user_has_email_or_phone"),
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")) | models.Q(email__isnull=True), name="user_email_is_lower_case"
            ),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        # allauth says "" for an address that was taken away; a second "" would not be unique.
        self.email, self.phone = self.email or None, self.phone or None
        super().save(*args, **kwargs)

    def __str__(self) -> str:
        return self.name or self.email or self.phone or ""

    def get_full_name(self) -> str:
        return str(self)

    def get_short_name(self) -> str:
        return str(self)

    @cached_property
    def role_names(self) -> frozenset[str]:
        return frozenset(self.groups.values_list("name", flat=True)) if self.is_active else frozenset()

    def has_role(self, role: Role) -> bool:
        return role in self.role_names
