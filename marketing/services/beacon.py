"""Events that browsers tell of our own pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from advisor.models import Consent, Investor
from advisor.selectors import has_consent
from identity.roles import Role
from marketing.models import Event


@dataclass(frozen=True)
class BeaconEvent:
    message_id: UUID
    name: str
    occurred_at: datetime
    properties: dict[str, Any]


def record_beacon(*, user: Any, anonymous_id: str | None, channel: str, events: Sequence[BeaconEvent]) -> int:
    """Append events of an investor who agrees to profiling, or of an unknown visitor who has an id; returns how many.

    Of anybody else - staff, people who did not agree, visitors without an id - nothing is kept.
    """
    investor: Investor | None = None
    if user.is_authenticated:
        investor = getattr(user, "investor", None) if user.has_role(Role.INVESTOR) else None
        if investor is None or not has_consent(investor, Consent.Purpose.PROFILING):
            return 0
    elif anonymous_id is None:
        return 0
    now = timezone.now()
    Event.objects.bulk_create(
        Event(
            message_id=event.message_id,
            investor=investor,
            anonymous_id="" if investor else anonymous_id or "",
            type=Event.Type.TRACK,
            name=event.name,
            properties=event.properties,
            channel=channel,
            occurred_at=event.occurred_at,
            received_at=now,
        )
        for event in events
    )
    return len(events)
