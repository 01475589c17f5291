"""What became of the messages that somebody was sent."""

from collections.abc import Iterable

import numpy as np
from django.db.models import Count, Max, Q

from marketing.kernels.grouping import IntArray
from marketing.models import Delivery, InboxMessage
from marketing.selectors.profile_rows import Block, Columns, Micros, read, whole

WINDOW_DAYS, CHANNEL_DAYS = 90, 365
FEWEST_SENT = 2  # by a channel, before it can be called the best


def message_columns(block: Block) -> Columns:
    """Messages sent, opened and clicked in 90 days, the channel that is opened most, what lies unread. Two queries."""
    recent, year = block.since(WINDOW_DAYS), block.since(CHANNEL_DAYS)
    counts: dict[str, Count] = {
        "n_messages_90d": Count("pk", filter=Q(ended_at__gte=recent)),
        "n_opened_90d": Count("pk", filter=Q(opened_at__gte=recent, opened_at__lt=block.end)),
        "n_clicked_90d": Count("pk", filter=Q(clicked_at__gte=recent, clicked_at__lt=block.end)),
        "n_sent": Count("pk", filter=Q(ended_at__gte=year)),
        "n_opened": Count("pk", filter=Q(ended_at__gte=year, opened_at__lt=block.end)),
        "n_complaints": Count("pk", filter=Q(complained_at__lt=block.end)),
    }
    sent = Delivery.objects.filter(block.of("investor_id"), status=Delivery.Status.SENT, ended_at__lt=block.end)
    grouped = sent.values("investor_id", "channel").annotate(**counts, opened=Max(Micros("opened_at"), filter=Q(opened_at__lt=block.end)))
    rows = read(grouped.values_list("investor_id", *counts, "opened", "channel"), *[np.int64] * 7, object, object)
    is_here, person = block.place(rows[0])
    found = dict(zip(counts, (_summed(person, column[is_here], block.n) for column in rows[1:7]), strict=True))
    opened = np.full(block.n, np.iinfo(np.int64).min, np.int64)
    np.maximum.at(opened, person, whole(rows[7][is_here], int(np.iinfo(np.int64).min)))
    return {
        **{name: found[name] for name in ("n_messages_90d", "n_opened_90d", "n_clicked_90d")},
        "last_opened_at": opened,
        "best_channel": _best(block.n, zip(person.tolist(), rows[8][is_here], rows[4][is_here], rows[5][is_here], strict=True)),
        "has_complained": found["n_complaints"] > 0,
        "n_unread": _unread(block),
    }


def _summed(person: IntArray, values: IntArray, n: int) -> IntArray:
    found = np.zeros(n, np.int64)
    np.add.at(found, person, values)
    return found


def _best(n: int, rows: Iterable[tuple[int, str, int, int]]) -> list[str]:
    """The channel with the largest part opened of at least so many sent; of equal ones the more opened, then the first by name."""
    best: dict[int, tuple[float, int, str]] = {}
    for place, channel, n_sent, n_opened in sorted(rows, key=lambda row: row[1]):
        if n_opened and n_sent >= FEWEST_SENT:
            best[place] = max(best.get(place, (0.0, 0, "")), (n_opened / n_sent, n_opened, channel), key=lambda one: one[:2])
    return [best[place][2] if place in best else "" for place in range(n)]


def _unread(block: Block) -> IntArray:
    rows = InboxMessage.objects.filter(block.of("investor_id"), read_at=None, at__lt=block.end)
    who, n = read(rows.values("investor_id").annotate(n=Count("pk")).values_list("investor_id", "n"), np.int64, np.int64)
    is_here, person = block.place(who)
    return _summed(person, n[is_here], block.n)
