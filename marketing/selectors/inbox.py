"""A person's own messages."""

from typing import Any

from django.db.models import QuerySet

from marketing.models import InboxMessage


def inbox_of(user: Any) -> QuerySet[InboxMessage]:
    """The signed-in person's own messages, the newest first; never those of somebody in their charge."""
    return InboxMessage.objects.visible_to(user).filter(investor__user=user)


def unread_count(user: Any) -> int:
    """How many of the person's own messages have not been opened."""
    return inbox_of(user).filter(read_at__isnull=True).count()
