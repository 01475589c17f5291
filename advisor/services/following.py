"""Reading dated rows of the app below by cursor: what is new since the last time, with an overlap, each row followed once."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Max, QuerySet
from django.utils import timezone

from advisor.models import FollowCursor

OVERLAP = 2_000  # rows before the last one that are looked at again


@dataclass(frozen=True)
class Unread:
    """Keys of rows that were not followed yet, and what the cursor says once they are."""

    name: str
    keys: list[int]
    last_pk: int
    followed: list[int]


def read_unread(*, name: str, rows: QuerySet[Any]) -> Unread:
    """Find the rows that were not followed yet; write nothing. A cursor that is not there yet begins with the first row."""
    cursor = FollowCursor.objects.filter(name=name).first() or FollowCursor(name=name)
    last = rows.model._default_manager.aggregate(last=Max("pk"))["last"] or 0
    near = rows.filter(pk__gt=cursor.last_pk - OVERLAP, pk__lte=last).order_by("pk").values_list("pk", flat=True)
    known = set(cursor.followed)
    keys = [pk for pk in near if pk not in known]
    return Unread(name, keys, max(last, cursor.last_pk), cursor.followed)


def mark_read(unread: Unread) -> None:
    """Move the cursor behind rows that were followed. Whoever is interrupted before it follows them once more."""
    followed = sorted({pk for pk in (*unread.followed, *unread.keys) if pk > unread.last_pk - OVERLAP})
    FollowCursor.objects.update_or_create(
        name=unread.name, defaults={"last_pk": unread.last_pk, "followed": followed, "at": timezone.now()}
    )
