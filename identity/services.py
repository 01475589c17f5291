"""Writes of people and roles."""

from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import ProtectedError
from django.utils import timezone

from identity.models import User
from identity.roles import STAFF_ROLES, Role

# As long as a code to a new number or address is valid.
UNFINISHED_FOR = timedelta(minutes=15)


def declared_permissions() -> dict[Role, set[str]]:
    """The permissions of each role as every installed app's roles.py declares them, as app_label.codename."""
    declared: dict[Role, set[str]] = {role: set() for role in Role}
    for config in apps.get_app_configs():
        if find_spec(f"{config.name}.roles"):
            table = getattr(import_module(f"{config.name}.roles"), "PERMISSIONS", {})
            for role, permissions in table.items():
                declared[role].update(permissions)
    return declared


def stored_permissions() -> dict[str, set[str]]:
    """The permissions that each role's group holds in the database."""
    stored: dict[str, set[str]] = {}
    rows = Group.objects.filter(name__in=list(Role)).values_list("name", "permissions__content_type__app_label", "permissions__codename")
    for name, app_label, codename in rows:
        stored.setdefault(name, set())
        if codename:
            stored[name].add(f"{app_label}.{codename}")
    return stored


@transaction.atomic
def sync_roles() -> list[Role]:
    """Make the groups and their permissions what roles.py says; returns the roles that changed. Safe to repeat."""
    known = {f"{p.content_type.app_label}.{p.codename}": p for p in Permission.objects.select_related("content_type")}
    before = stored_permissions()
    changed = []
    for role, wanted in declared_permissions().items():
        if unknown := wanted - known.keys():
            raise LookupError(f"roles.py gives {role} permissions that do not exist: {', '.join(sorted(unknown))}")
        if before.get(role) != wanted:
            group, _ = Group.objects.get_or_create(name=role)
            group.permissions.set([known[name] for name in wanted])
            changed.append(role)
    return changed


@transaction.atomic
def give_role(*, user: User, role: Role) -> None:
    """Put the user into the role's group; staff roles may open the staff pages. Safe to repeat."""
    user.groups.add(Group.objects.get(name=role))
    user.__dict__.pop("role_names", None)
    if role in STAFF_ROLES and not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])


def set_language(*, user: User, language: str) -> None:
    """Keep the language in which the product writes to this person."""
    User.objects.filter(pk=user.pk).exclude(language=language).update(language=language)


def set_elder_mode(*, user: User, is_on: bool) -> None:
    """Keep whether this person reads in the elder mode, on whatever device. Safe to repeat."""
    User.objects.filter(pk=user.pk).exclude(elder_mode=is_on).update(elder_mode=is_on)
    user.elder_mode = is_on


def is_unclaimed(user: User) -> bool:
    """True for a sign-up that was never finished: nobody has shown that the number or the address is theirs."""
    if user.last_login or user.phone_verified:
        return False
    verified = list(EmailAddress.objects.filter(user=user).values_list("verified", flat=True))
    # People entered by the operator have an address of their own but no row here: theirs is taken as known.
    return not any(verified) and (bool(verified) or user.email is None)


def release_unclaimed(*, phone: str | None = None, email: str | None = None) -> int:
    """Delete sign-ups with this number or address that were left unfinished, so that its owner can sign up; returns
    how many. Younger ones stay: their code may still be on its way. Safe to repeat."""
    before = timezone.now() - UNFINISHED_FOR
    started = User.objects.filter(last_login__isnull=True, is_staff=False, date_joined__lt=before)
    found = started.filter(phone=phone) if phone else started.filter(email=email.lower()) if email else User.objects.none()
    released = 0
    for user in found:
        if is_unclaimed(user):
            try:
                user.delete()
                released += 1
            except ProtectedError:  # something rests on it, so it is somebody's
                continue
    return released


@transaction.atomic
def close_user(*, user: User, placeholder: str) -> None:
    """Take away how somebody signs in and who they are: name, number, addresses, second factors, sessions end by themselves.

    The row stays, under a placeholder, because other rows rest on it. Safe to repeat.
    """
    EmailAddress.objects.filter(user=user).delete()
    Authenticator.objects.filter(user=user).delete()
    user.name, user.phone, user.phone_verified, user.is_active = placeholder[:80], None, False, False
    user.email = f"erased-{user.pk}@erased.invalid"  # RFC 2606: nothing is ever delivered there
    user.last_login = None
    user.set_unusable_password()
    user.save()
