"""Writing of events, and the room made for them."""

import uuid
from datetime import date, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from advisor.models import Consent, Investor
from advisor.selectors import has_consent
from identity.models import User
from marketing.models import Event
from marketing.partitions import make_partitions
from marketing.selectors.events import fund_facts

SEEN_AGAIN_AFTER = timedelta(minutes=30)


def record_page_view(*, user: User, page: str, properties: dict[str, Any], channel: str = "web") -> bool:
    """Note that an investor was here, at most twice an hour, and append a page event if they agreed to profiling."""
    investor: Investor | None = getattr(user, "investor", None)  # the page has often asked for it already
    if investor is None:
        return False
    now = timezone.now()
    if investor.last_seen_at is None or investor.last_seen_at < now - SEEN_AGAIN_AFTER:
        stale = Q(last_seen_at__isnull=True) | Q(last_seen_at__lt=now - SEEN_AGAIN_AFTER)
        Investor.objects.filter(stale, pk=investor.pk).update(last_seen_at=now)
    known = vars(investor)  # the page has often asked for this as well
    if not (known["agrees_to_profiling"] if "agrees_to_profiling" in known else has_consent(investor, Consent.Purpose.PROFILING)):
        return False
    Event.objects.create(
        message_id=uuid.uuid4(),
        investor=investor,
        type=Event.Type.PAGE,
        name=page,
        properties=properties | (fund_facts(properties["code"]) if page == "fund" and "code" in properties else {}),
        channel=channel,
        occurred_at=now,
        received_at=now,
    )
    return True


def make_event_partitions(*, since: date | None = None) -> int:
    """Make the coming months' partitions, and those since a day, where the database has them. Safe to repeat."""
    return make_partitions(timezone.localdate(), since=since)
