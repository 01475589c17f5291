"""Reading dated rows of the app below by cursor: what is new since the last time, with an overlap, each row followed once."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from advisor.models import FollowCursor

OVERLAP = 2_000  # rows before the last one that are looked at again


@dataclass(frozen=True)
class Unread:
    """Keys of rows that were not followed yet, and the last row there was."""

    name: str
    keys: list[int]
    last_pk: int


def read_unread(*, name: str, rows: QuerySet[Any]) -> Unread:
    """Find the rows that were not followed yet; write nothing. A cursor that is not there yet begins with the first row."""
    cursor = FollowCursor.objects.filter(name=name).first() or FollowCursor(name=name)
    last = rows.model._default_manager.aggregate(last=Max("pk"))["last"] or 0
    near = rows.filter(pk__gt=cursor.last_pk - OVERLAP, pk__lte=last).order_by("pk").values_list("pk", flat=True)
    known = set(cursor.followed)
    keys = [pk for pk in near if pk not in known]
    return Unread(name, keys, last)


def mark_read(unread: Unread) -> None:
    """Move the cursor behind rows that were followed. Whoever is interrupted before it follows them once more.

    It never moves back, and keeps what another process followed in between.
    """
    with transaction.atomic():
        cursor, _ = FollowCursor.objects.select_for_update().get_or_create(name=unread.name)
        cursor.last_pk, cursor.at = max(cursor.last_pk, unread.last_pk), timezone.now()
        followed = {*cursor.followed, *unread.keys}
        cursor.followed = sorted(pk for pk in followed if pk > cursor.last_pk - OVERLAP)
        cursor.save()


def read_from_now(*, name: str, rows: QuerySet[Any]) -> Unread:
    """What `mark_read` needs to begin behind all rows that there are: for a first reading that looks at everything anyway."""
    last = rows.model._default_manager.aggregate(last=Max("pk"))["last"] or 0
    return Unread(name, list(rows.filter(pk__gt=last - OVERLAP, pk__lte=last).values_list("pk", flat=True)), last)
