"""What is no longer kept once it is old, besides events, which go by their months."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from marketing.models import SegmentMember

ROWS_AT_ONCE = 5_000


def forget_old_snapshots() -> int:
    """Delete who was in a segment at moments long past, in short transactions; how many there were stays. Returns the rows."""
    before = timezone.now() - timedelta(days=settings.SNAPSHOT_RETENTION_DAYS)
    old = SegmentMember.objects.filter(snapshot__made_at__lt=before, snapshot__n__isnull=False).order_by("pk")
    n_gone = 0
    while keys := list(old.values_list("pk", flat=True)[:ROWS_AT_ONCE]):
        with transaction.atomic():
            n_gone += SegmentMember.objects.filter(pk__in=keys).delete()[0]
    return n_gone
