from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from config.readonly import ReadOnlyAdmin
from identity.models import User

# These list the addresses and second factors of everybody, investors too; an administrator sees none of them.
# Roles are data of roles.py, written by sync_roles and given by services.
for model in (EmailAddress, Authenticator, Group):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(User)
class StaffAdmin(ReadOnlyAdmin):
    """The staff, to read. Investors do not appear here: to be an administrator is no reason to see who they are."""

    list_display = ("id", "name", "email", "roles", "is_active", "date_joined")
    list_filter = ("is_active", "groups")
    search_fields = ("email", "name")
    fields = ("name", "email", "phone", "language", "roles", "is_active", "is_superuser", "date_joined", "last_login")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        # ?password__startswith= would read a hash out letter by letter.
        return not lookup.startswith("password") and super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).filter(is_staff=True).prefetch_related("groups")

    @admin.display(description=User._meta.get_field("groups").verbose_name)
    def roles(self, user: User) -> str:
        return ", ".join(sorted(group.name for group in user.groups.all()))
