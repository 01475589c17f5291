"""Keys of the API: made, known again, revoked."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from identity.models import User
from marketing.models import ApiKey

BEGINNING = "htk"  # so that a scanner of source code knows one when it sees it
USED_AGAIN_AFTER = timedelta(minutes=1)


class UnknownScope(ValueError):
    """A right that no key can have."""


def make_api_key(*, name: str, scopes: Collection[str], made_by: User | None = None) -> tuple[ApiKey, str]:
    """Make a key and return it with its text, which is nowhere kept and cannot be shown again."""
    if unknown := set(scopes) - set(ApiKey.Scope.values):
        raise UnknownScope(", ".join(sorted(unknown)))
    prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    text = f"{BEGINNING}_{prefix}_{secret}"
    key = ApiKey.objects.create(name=name, prefix=prefix, key_hash=_hash(text), scopes=sorted(scopes), made_by=made_by)
    return key, text


def api_key_of(*, text: str, scope: str) -> ApiKey | None:
    """The key in force that has this text and this right; notes at most once a minute that it was used."""
    key: ApiKey | None = ApiKey.objects.filter(key_hash=_hash(text), revoked_at=None).first()
    if key is None or scope not in key.scopes:
        return None
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at < now - USED_AGAIN_AFTER:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_AGAIN_AFTER)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
    return key


def revoke_api_key(*, pk: int, actor: User | None) -> bool:
    """End a key now and for good; False if it had ended. The next request with it is refused."""
    return bool(ApiKey.objects.filter(pk=pk, revoked_at=None).update(revoked_at=timezone.now(), revoked_by=actor))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
