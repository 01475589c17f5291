"""Visitors whom nobody knows yet: their pages, whose they turn out to be, and where they came from."""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone

from advisor.models import Investor
from marketing.catalogue.events import source_of_host
from marketing.models import Acquisition, AnonymousIdentity, Event
from marketing.selectors.events import STRANGERS_KEPT, agreed_to_profiling

ROWS_AT_ONCE = 5_000
PLAIN = re.compile(r"[^\w.\-]+")


@dataclass(frozen=True)
class FirstVisit:
    """Where a browser came from when it was first here; kept in that browser alone until somebody signs up in it."""

    source: str
    medium: str
    campaign: str
    referrer: str
    at: int  # seconds since 1970

    @classmethod
    def read(cls, query: Any, referrer: str, own_host: str) -> Self:
        """What the address says (utm_source, utm_medium, utm_campaign), else what the referring host tells."""
        host = _host_of(referrer)
        host = "" if host == own_host.lower() else host
        most = {"source": 40, "medium": 40, "campaign": 60}
        said = {name: PLAIN.sub("-", query.get(f"utm_{name}", ""))[:length] for name, length in most.items()}
        known = source_of_host(host) if host else None
        if said["source"]:
            # Cut again: a few letters are longer in lower case.
            source, medium = said["source"].lower()[:40], said["medium"].lower()[:40] or Acquisition.Medium.CAMPAIGN.value
        elif known:
            source, medium = known.code, known.medium
        else:
            source = host[:40] or Acquisition.Medium.DIRECT.value
            medium = (Acquisition.Medium.REFERRAL if host else Acquisition.Medium.DIRECT).value
        return cls(source, medium, said["campaign"], host, int(timezone.now().timestamp()))


def _host_of(referrer: str) -> str:
    try:
        return PLAIN.sub("", (urlsplit(referrer).hostname or "").lower())[:100]
    except ValueError:
        return ""


def record_visitor_page(*, anonymous_id: str, page: str, channel: str) -> None:
    """Append the view of a public page by somebody who is not signed in."""
    now = timezone.now()
    Event.objects.create(
        message_id=uuid.uuid4(),
        anonymous_id=anonymous_id,
        type=Event.Type.PAGE,
        name=page,
        channel=channel,
        occurred_at=now,
        received_at=now,
    )


def join_visitor(*, investor_id: int, anonymous_id: str) -> int | None:
    """Give the events of an unknown visitor their person, and say how many; None if the person does not agree to profiling,
    or the id is somebody else's already. Safe to repeat, and at most 5,000 events at once."""
    if not agreed_to_profiling([investor_id]):
        return None
    with transaction.atomic():
        identity, _ = AnonymousIdentity.objects.get_or_create(pk=anonymous_id, defaults={"investor_id": investor_id})
        if identity.investor_id != investor_id:
            return None
        unknown = Event.objects.filter(anonymous_id=anonymous_id, investor=None, received_at__gte=timezone.now() - STRANGERS_KEPT)
        keys = list(unknown.order_by("pk").values_list("pk", flat=True)[:ROWS_AT_ONCE])
        n_joined = unknown.filter(pk__in=keys).update(investor_id=investor_id)
        AnonymousIdentity.objects.filter(pk=anonymous_id).update(n_events=identity.n_events + n_joined)
    return n_joined


def record_acquisition(*, investor: Investor, visit: FirstVisit) -> bool:
    """Keep where a new investor came from, unless that is known or they joined before that visit. Safe to repeat."""
    first_visit_at = datetime.fromtimestamp(visit.at, tz=timezone.get_current_timezone())
    if investor.joined_at < first_visit_at:
        return False
    said = {"source": visit.source, "medium": visit.medium, "campaign": visit.campaign, "referrer": visit.referrer}
    return Acquisition.objects.get_or_create(investor=investor, defaults=said | {"first_visit_at": first_visit_at})[1]
